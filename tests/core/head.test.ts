/** Heads: the formula of logits in the order that it states, its gradient, and what it refuses. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkGradients } from "@unitune/autodiff";
import {
  graphOf,
  headLogits,
  headScores,
  type LinearHead,
  ones,
  ShapeError,
  sin,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import fc from "fast-check";

const f64 = { dtype: "f64" } as const;
const [V, D, T] = [3, 2, 2];

/** Numbers that f32 holds, since options have to be. */
const finite = (min: number, max: number) =>
  fc.integer({ min: Math.ceil(min * 8), max: max * 8 }).map((eighths) => eighths / 8);
const matrix = (rows: number, columns: number) =>
  fc.array(fc.array(finite(-2, 2), { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  });
const options = fc.record({
  bias: fc.array(finite(-2, 2), { minLength: V, maxLength: V }),
  scale: finite(-3, 3),
  softcap: finite(0.5, 30),
  temperature: finite(0.125, 5),
}, { requiredKeys: [] });

Deno.test("logits are softcap(scale (h W^T + b)) / temperature, whatever is left out", async () => {
  await fc.assert(
    fc.asyncProperty(matrix(V, D), matrix(T, D), options, async (weight, hidden, given) => {
      const { bias, ...numbers } = given;
      const head: LinearHead = {
        weight: tensor(weight, f64),
        ...(bias === undefined ? {} : { bias: tensor(bias, f64) }),
        ...numbers,
      };
      const { scale = 1, softcap, temperature = 1 } = numbers;
      const expected = hidden.flatMap((h) =>
        weight.map((w, v) => {
          const product = w.reduce((sum, x, d) => sum + x * (h[d] ?? NaN), 0) + (bias?.[v] ?? 0);
          const capped = softcap === undefined
            ? scale * product
            : softcap * Math.tanh(scale * product / softcap);
          return capped / temperature;
        })
      );
      const logits = await headLogits(head, tensor(hidden, f64)).data();
      // Some ten rounded operations on numbers of at most 300.
      const near = expected.every((x, i) => Math.abs(x - (logits[i] ?? NaN)) <= 1e-12);
      assert(near && logits.length === T * V, `${logits} is not ${expected}`);
    }),
  );
});

Deno.test("an option is applied wherever it is not at its default, and costs nothing there", async () => {
  const [weight, hidden] = [tensor([[1, 0], [0, 1]]), tensor([[3, 4]])];
  const logits = async (options: Partial<LinearHead>) => [
    ...await headLogits({ weight, ...options }, hidden).data(),
  ];
  assertEquals(await logits({ scale: 2 }), [6, 8]);
  assertEquals(await logits({ scale: 0 }), [0, 0]);
  assertEquals(await logits({ temperature: 2 }), [1.5, 2]);
  const plain = graphOf((h: Tensor) => headLogits({ weight, scale: 1, temperature: 1 }, h), [
    hidden,
  ]);
  const ops = plain.nodes.map(({ op }) => op);
  assertEquals(ops.filter((op) => op !== "input").toSorted(), ["matmul", "transpose"]);
});

Deno.test("gradients reach hidden states, weight and bias of a head with every option", async () => {
  interface Operands {
    readonly hidden: Tensor;
    readonly weight: Tensor;
    readonly bias: Tensor;
  }
  await checkGradients(
    ({ hidden, weight, bias }: Operands) =>
      headLogits({ weight, bias, scale: 0.7, softcap: 2, temperature: 1.5 }, hidden),
    {
      hidden: tensor([[0.5, -1], [2, 0.3]], f64),
      weight: tensor([[1, 2], [0.1, -1], [0.4, 0]], f64),
      bias: tensor([0.2, 0, -0.3], f64),
    },
  );
});

Deno.test("a function is a head as it stands", async () => {
  const hidden = tensor([[1, 2]]);
  assertEquals(await headLogits(sin, hidden).data(), await sin(hidden).data());
});

Deno.test("scores are the only output of a head at each position", async () => {
  const weight = tensor([[2, -1]]);
  assertEquals(headScores({ weight }, zeros([4, 3, 2])).shape, [4, 3]);
  const scores = headScores({ weight }, tensor([[3, 1], [0, 2]]));
  assertEquals(await scores.data(), new Float32Array([5, -2]));
});

Deno.test("heads that do not fit are refused, by the operand or the option", () => {
  const [weight, hidden] = [ones([3, 2]), ones([4, 2])];
  const wrong: readonly [Partial<LinearHead>, Tensor, new () => Error, string][] = [
    [{ weight: ones([3]) }, hidden, ShapeError, "weight: got shape [3]; expected [V, D]"],
    [{}, ones([4, 3]), ShapeError, "hidden states: got shape [4, 3]; expected [..., T, 2]"],
    [{ bias: ones([2]) }, hidden, ShapeError, "bias: got shape [2]; expected [3]"],
    [{ scale: NaN }, hidden, RangeError, "headLogits: scale"],
    [{ softcap: 0 }, hidden, RangeError, "headLogits: softcap"],
    [{ temperature: -1 }, hidden, RangeError, "headLogits: temperature"],
  ];
  for (const [options, states, error, message] of wrong) {
    assertThrows(() => headLogits({ weight, ...options }, states), error, message);
  }
  assertThrows(() => headScores({ weight }, hidden), ShapeError, "[4, 3]; expected [..., 1]");
});
