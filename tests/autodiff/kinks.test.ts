/** Gradients at kinks, poles and ties, as PyTorch 2.13 has them (`torch.autograd.grad` of the sum). */
import { assert } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  abs,
  clip,
  compile,
  type Device,
  gelu,
  log,
  logSigmoid,
  max,
  maximum,
  minimum,
  pow,
  reference,
  relu,
  rsqrt,
  sigmoid,
  sign,
  softplus,
  sqrt,
  sum,
  tanh,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";

const devices: readonly Device[] = [wasm({ threads: 1 }), reference()];
const I = Infinity;

/** Elements of operands, then those of the gradients. */
interface Kink {
  readonly f: (...x: Tensor[]) => Tensor;
  readonly at: readonly (readonly number[])[];
  readonly gradients: readonly (readonly number[])[];
}

const kinks: Readonly<Record<string, Kink>> = {
  "relu is 0 at 0": { f: relu, at: [[0, -0, 1, -1]], gradients: [[0, 0, 1, 0]] },
  "clip is 1 at its bounds": {
    f: (x) => clip(x, -1, 1),
    at: [[-1, 1, 0, 2, -2]],
    gradients: [[1, 1, 1, 0, 0]],
  },
  "clip goes to bounds that are tensors only beyond them": {
    f: (x, low, high) => clip(x, low, high),
    at: [[-1, 1, 0, 2, -2], [-1, -1, -1, -1, -1], [1, 1, 1, 1, 1]],
    gradients: [[1, 1, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0]],
  },
  "abs is 0 at 0": { f: abs, at: [[0, -0, -2]], gradients: [[0, 0, -1]] },
  "sign is 0": { f: sign, at: [[0, -0, -2]], gradients: [[0, 0, 0]] },
  "maximum is shared where operands tie": {
    f: maximum,
    at: [[1, 0, -0, 2, -I], [1, -0, 0, 1, -I]],
    gradients: [[0.5, 0.5, 0.5, 1, 0.5], [0.5, 0.5, 0.5, 0, 0.5]],
  },
  "minimum is shared where operands tie": {
    f: minimum,
    at: [[1, 0, -0, 2, I], [1, -0, 0, 1, I]],
    gradients: [[0.5, 0.5, 0.5, 0, 0.5], [0.5, 0.5, 0.5, 1, 0.5]],
  },
  "the largest element is shared where several tie": {
    f: (x) => max(x),
    at: [[1, 1, 0, 1]],
    gradients: [[1 / 3, 1 / 3, 0, 1 / 3]],
  },
  "sqrt is infinite at 0": { f: sqrt, at: [[0, -0, 4, I]], gradients: [[I, -I, 0.25, 0]] },
  "rsqrt is infinite at 0": { f: rsqrt, at: [[0, 4]], gradients: [[-I, -0.0625]] },
  "log is infinite at 0": { f: log, at: [[0, -0, 2, I]], gradients: [[I, -I, 0.5, 0]] },
  "pow of 0": {
    f: pow,
    at: [[0, 0, 0, 0, -0, -0, 0, 0], [0, 1, 2, 0.5, 3, -1, -1, -0.5]],
    gradients: [[0, 1, 0, I, 0, -I, -I, -I], [0, 0, 0, 0, 0, I, -I, -I]],
  },
  "pow of negative numbers": {
    f: pow,
    at: [[-2, -2, -2], [3, 2, 0.5]],
    gradients: [[12, -4, NaN], [NaN, NaN, NaN]],
  },
  "pow of infinities and of 1": {
    f: pow,
    at: [[I, I, -I, 1, 1], [0, 2, 3, I, NaN]],
    gradients: [[0, I, I, I, NaN], [I, I, NaN, 0, 0]],
  },
  "sigmoid ends at infinity": { f: sigmoid, at: [[0, I, -I]], gradients: [[0.25, 0, 0]] },
  "softplus ends at infinity": { f: softplus, at: [[0, I, -I]], gradients: [[0.5, 1, 0]] },
  "logSigmoid ends at infinity": { f: logSigmoid, at: [[0, I, -I]], gradients: [[0.5, 0, 1]] },
  "tanh ends at infinity": { f: tanh, at: [[0, I, -I]], gradients: [[1, 0, 0]] },
  "gelu at 0 and far from it": { f: (x) => gelu(x), at: [[0, 1e20]], gradients: [[0.5, 1]] },
  "gelu by erf at 0 and far from it": {
    f: (x) => gelu(x, "erf"),
    at: [[0, 1e20]],
    gradients: [[0.5, 1]],
  },
};

for (const [name, { f, at, gradients }] of Object.entries(kinks)) {
  Deno.test(`the gradient of ${name}`, async () => {
    for (const device of devices) {
      using slopes = compile(
        (x: readonly Tensor[]) => grad((x: readonly Tensor[]) => sum(f(...x)))(x),
        { device },
      );
      const actual = await Promise.all(slopes(at.map((x) => tensor(x))).map((x) => x.data()));
      gradients.forEach((expected, i) => {
        const got = [...actual[i] ?? []];
        const isSame = expected.every((x, j) => Object.is(x, got[j]) || Math.fround(x) === got[j]);
        assert(isSame, `${device.name}, operand ${i}: [${got}], not [${expected}]`);
      });
    }
  });
}

/** Second derivatives at 0, where branches meet. */
const curvatures: Readonly<Record<string, { f: (x: Tensor) => Tensor; at0: number }>> = {
  sigmoid: { f: sigmoid, at0: 0 },
  softplus: { f: softplus, at0: 0.25 },
  logSigmoid: { f: logSigmoid, at0: -0.25 },
  tanh: { f: tanh, at0: 0 },
  "gelu by tanh": { f: (x) => gelu(x), at0: Math.sqrt(2 / Math.PI) },
  "gelu by erf": { f: (x) => gelu(x, "erf"), at0: 2 / Math.sqrt(2 * Math.PI) },
};

for (const [name, { f, at0 }] of Object.entries(curvatures)) {
  Deno.test(`the second derivative of ${name} is right at 0 and finite in the tails`, async () => {
    const slope = (x: Tensor) => sum(grad((x: Tensor) => sum(f(x)))(x));
    for (const device of devices) {
      using curvature = compile((x: Tensor) => grad(slope)(x), { device });
      const far = [-200, -100, -88, -30, -5, 5, 30, 88, 100, 200];
      const [first = NaN, ...others] = await curvature(tensor([0, ...far])).data();
      // Some roundings of numbers of size 1.
      assert(Math.abs(first - at0) <= 1e-6, `${first}, not ${at0}`);
      assert(others.every(Number.isFinite), `[${others}]`);
    }
  });
}
