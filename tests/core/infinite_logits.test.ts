import { assert, assertEquals } from "@std/assert";
import {
  categorical,
  compile,
  key,
  logSumExp,
  reference,
  softmax,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import fc from "fast-check";
import { wrongAttention, wrongLogits } from "./infinite_logits.ts";

const devices = [wasm({ threads: 1 }), wasm({ threads: 1, relaxedSimd: false }), reference()];

Deno.test("sums of exponentials of infinite logits are PyTorch's, and so are their gradients", async () => {
  for (const device of devices) assertEquals(await wrongLogits(device), []);
});

Deno.test("attention to infinite scores is the same on wasm as on the reference", async () => {
  for (const device of devices) assertEquals(await wrongAttention(device), []);
});

const logit = fc.oneof(
  fc.constantFrom(Infinity, -Infinity, -Infinity),
  fc.float({ min: -50, max: 50, noNaN: true }),
);

Deno.test("infinite logits decide a sum of exponentials, and masked ones have no part in it", async () => {
  const rows = fc.array(logit, { minLength: 1, maxLength: 40 });
  await fc.assert(fc.asyncProperty(rows, async (logits) => {
    const finite = logits.filter((x) => Number.isFinite(x));
    const total = finite.reduce((sum, x) => sum + Math.exp(x), 0);
    const expected = logits.includes(Infinity) ? Infinity : Math.log(total);
    for (const device of devices) {
      using program = compile((x: Tensor) => [logSumExp(x), softmax(x)], { device });
      const [sum, probabilities] = await Promise.all(
        program(tensor(logits)).map((y) => y.data()),
      );
      const value = sum?.[0] ?? NaN;
      assert(
        value === expected || Math.abs(value - expected) <= 1e-5 * Math.max(1, Math.abs(expected)),
        `${value}, not ${expected}`,
      );
      logits.forEach((x, i) => {
        const right = Number.isFinite(expected) ? Math.exp(x - expected) : NaN;
        const got = probabilities?.[i] ?? NaN;
        // Terms of at most 50 nats, each off by 2e-6 in the exponent, and forty of them summed.
        assert(
          Object.is(got, right) || Math.abs(got - right) <= 1e-5 && (right > 0 || got === 0),
          `${got}, not ${right}`,
        );
      });
    }
  }));
});

Deno.test("an index is drawn by infinite logits where there are any", async () => {
  const I = Infinity;
  const logits = [[-I, 3, -I], [0, I, 50], [-I, I, I], [-I, -I, -I], [I, -I, I]];
  const tensors = tensor(logits);
  for (const device of devices) {
    using draw = compile((key: Tensor, x: Tensor) => categorical(key, x), { device });
    for (const seed of [1, 2, 3]) {
      assertEquals([...await draw(key(seed), tensors).data()], [1, 1, 1, 0, 0]);
    }
  }
});
