/** Token heads that predict at learned positions only: the same losses, and nothing elsewhere. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { graphOf, key, nodeAt, type Tensor, tensor } from "@unitune/core";
import {
  type Demonstrations,
  gold,
  learnedPositions,
  modelOf,
  type Positions,
} from "@unitune/objectives";
import { assertClose, context, idsOf, lossOf, policy } from "./arbitrary.ts";
import { inBlocksOf } from "./blocked.ts";
import { entriesOf, worldOf } from "./worlds.ts";

const options = { seed: 9, distance: 0.3, temperature: 1.5 };
const [all, learnedOnly] = [worldOf(options), worldOf({ ...options, onlyLearned: true })];
const random = { ...context, keys: { step: key(1), batch: key(2) } };

entriesOf(learnedOnly).forEach(({ name, use }, i) => {
  Deno.test(`${name} has the same loss and gradient where only learned tokens are predicted`, () =>
    use(async ({ policy, objective, batch }) => {
      const loss = lossOf(objective, batch, random, policy);
      await entriesOf(all)[i]?.use(async (whole) => {
        const expected = lossOf(whole.objective, whole.batch, random, whole.policy);
        const { params } = all;
        // The same terms, summed in another order in f64. What is not predicted is NaN.
        await assertClose(loss(params), expected(params), 1e-12);
        await assertClose(grad(loss)(params), grad(expected)(params), 1e-12);
      });
    }));
});

Deno.test("distillation in blocks has the same loss and gradient where only learned tokens are", async () => {
  const lossIn = (world: typeof all, block: number) => {
    const teacher = modelOf(inBlocksOf(policy, block), world.reference);
    const entry = entriesOf(world, teacher).find(({ name }) => name === "distillation");
    if (entry === undefined) throw new RangeError("distillation is gone");
    return entry.use(({ policy, objective, batch }) =>
      lossOf(objective, batch, random, inBlocksOf(policy, block))
    );
  };
  const [loss, expected] = [lossIn(learnedOnly, 3), lossIn(all, Infinity)];
  await assertClose(loss(all.params), expected(all.params), 1e-12);
  await assertClose(grad(loss)(all.params), grad(expected)(all.params), 1e-12);
});

const batch: Demonstrations = {
  ids: idsOf([[0, 1, 2, 3], [3, 2, 1, 0]]),
  mask: tensor([[1, 0, 1, 1], [0, 0, 0, 1]]),
};
const model = modelOf(policy, all.params);
const statesOf = (learned: number) => gold.evaluate(model, { ...batch, learned }, context);

Deno.test("predictions are computed where they are learned, and are none elsewhere", async () => {
  const { logProbs, entropy, argmax } = gold.evaluate(model, batch, context);
  const own = statesOf(3);
  const isLearned = [false, true, true, false, false, true];
  for (const [actual, expected] of [[own.logProbs, logProbs], [own.entropy, entropy]] as const) {
    const values = [...await expected().data()].map((x, i) => isLearned[i] === true ? x : NaN);
    await assertClose(actual(), tensor([values.slice(0, 3), values.slice(3)], { dtype: "f64" }));
  }
  const tokens = [...await argmax().data()];
  assertEquals([...await own.argmax().data()], tokens.map((x, i) => isLearned[i] === true ? x : 0));
  // With room for all, nothing is left out.
  await assertClose(statesOf(6).logProbs(), logProbs());
  // Where a mask on a device has more than the batch says, the loss is NaN, and no token left out.
  assertEquals([...await statesOf(2).logProbs().data()].map(Number.isNaN), [
    ...[true, false, false, true, true, true],
  ]);
});

Deno.test("a position draws the same token, whichever positions are predicted", async () => {
  const ids = idsOf([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]]);
  const mask = tensor([[0, 1, 0, 1, 1, 0], [1, 0, 0, 1, 0, 0]]);
  const drawn = async (block: number, needed?: Positions) => {
    const own = modelOf(inBlocksOf(policy, block), all.params);
    const options = needed === undefined ? {} : { needed };
    return [...await own.predict(own.embed(ids), options).draw(key(3)).data()];
  };
  const expected = await drawn(Infinity);
  assert(new Set(expected).size > 1);
  assertEquals(await drawn(3), expected);
  const flags = [...await mask.data()];
  for (const block of [3, Infinity]) {
    assertEquals(
      await drawn(block, { mask, count: 5 }),
      expected.map((token, i) => flags[i] === 1 ? token : 0),
    );
  }
});

Deno.test("the head's product has a row for each position that is predicted at", () => {
  const rowsOf = (learned: number) => {
    const graph = graphOf((table: Tensor) => {
      const own = modelOf(policy, { ...all.params, table });
      return gold.evaluate(own, { ...batch, learned }, context).logProbs();
    }, [all.params.table]);
    // The only product with the turned table.
    return graph.nodes.flatMap(({ op, inputs, shape }) =>
      op === "matmul" && inputs.some((input) => nodeAt(graph, input).op === "transpose")
        ? [shape]
        : []
    );
  };
  assertEquals(rowsOf(3), [[3, 4]]);
  assertEquals(rowsOf(5), [[5, 4]]);
  assertEquals(rowsOf(6), [[6, 4]]);
});

Deno.test("a batch with more learned tokens than it says, or with no number of them, is refused", () => {
  assertThrows(
    () => gold.collect(model, { ...batch, learned: 2 }, context),
    RangeError,
    "learned: got 2; expected at least 3",
  );
  for (const learned of [0, 1.5, NaN]) {
    assertThrows(
      () => gold.collect(model, { ...batch, learned }, context),
      RangeError,
      "demonstrations: learned",
    );
  }
  assertEquals(gold.collect(model, { ...batch, learned: 3 }, context).learned, 3);
});

Deno.test("positions are an eighth, a quarter, half or all, where logits are many", () => {
  const maskOf = (learned: number) =>
    // Two rows of 513 tokens, of which the first is never predicted.
    Float32Array.from({ length: 1026 }, (_, i) => i % 513 <= learned / 2 ? 1 : 0);
  const positions = (learned: number, vocabulary = 2 ** 13) =>
    learnedPositions(maskOf(learned), { rows: 2, vocabulary });
  assertEquals([0, 2, 128, 130, 256, 258, 512, 514, 1024].map((n) => positions(n)), [
    ...[128, 128, 128, 256, 256, 512, 512, undefined, undefined],
  ]);
  assertEquals(positions(2, 2048), 128);
  assertEquals(positions(2, 2047), undefined);
  const short = new Float32Array(3 * 5);
  // 12 positions: an eighth of them is one and a half.
  assertEquals(learnedPositions(short, { rows: 3, vocabulary: 2 ** 21 / 12 + 1 }), 2);
  assertEquals(learnedPositions(short, { rows: 3, vocabulary: 2 ** 21 / 12 - 1 }), undefined);
});
