/** Packed rows: every row once, and the loss and the gradient of rows that are not packed. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { valueAndGradAux } from "@unitune/autodiff";
import { compile, key, leafPaths, ShapeError, type Tensor, tensor, zeros } from "@unitune/core";
import {
  adapt,
  byteTokenizer,
  type EncodedSequence,
  gpt,
  type LanguageModel,
  languageModel,
  presetConfig,
} from "@unitune/models";
import {
  entryNamed,
  evaluationLoss,
  type GivenOptions,
  modelOf,
  type Objective,
  type ObjectiveEntry,
  objectiveRegistry,
  summarize,
} from "@unitune/objectives";
import {
  bestFitDecreasing,
  demonstrationForm,
  describeExample,
  packedForm,
  packedRow,
  packedRows,
  shuffledRows,
  stageSeed,
  textMark,
  toBatch,
  windowRows,
} from "@unitune/training";

const rowOf = (length: number, first: number): EncodedSequence => ({
  ids: Array.from({ length }, (_, i) => (first + 7 * i + i * i) % 20),
  mask: Array.from({ length }, (_, i) => i >= Math.min(2, length - 1)),
});

const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 60 });

Deno.test("best fit: the largest first, each where the least room is left", () => {
  assertEquals(bestFitDecreasing([4, 8, 1, 4, 2, 1], 10), [[1, 4], [0, 3, 2, 5]]);
  assertEquals(bestFitDecreasing([6, 5, 4, 4], 10), [[0, 2], [1, 3]]);
  // Of bins with the same room, the first.
  assertEquals(bestFitDecreasing([7, 7, 3, 3], 10), [[0, 2], [1, 3]]);
  assertEquals(bestFitDecreasing([], 10), []);
  assertThrows(() => bestFitDecreasing([11], 10), RangeError, "an item of 11 in bins of 10");
  fc.assert(fc.property(sizes, (sizes) => {
    const bins = bestFitDecreasing(sizes, 20);
    assertEquals(bins.flat().toSorted((a, b) => a - b), [...sizes.keys()]);
    const full = bins.map((bin) => bin.reduce((total, item) => total + (sizes[item] ?? NaN), 0));
    assert(full.every((size) => size <= 20));
    // No two bins would fit into one.
    const [least = 20, next = 20] = full.toSorted((a, b) => a - b);
    assert(least + next > 20);
  }));
});

Deno.test("packed rows: every row is read once an epoch, at a place of seed and number", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(lengths, fc.nat(), fc.nat(60), (lengths, seed, jump) => {
    const rows = lengths.map((length, i) => ({ ...rowOf(length, 0), number: i }));
    const source = packedRows(rows, seed, 8);
    let [number, read] = [0, 0];
    for (const epoch of [1, 2, 3]) {
      const found: EncodedSequence[] = [];
      while (source.epoch(number) < epoch) {
        const { ids, mask, texts } = source.row(number++);
        assert(ids.length <= 9);
        assertEquals(ids, texts.flatMap(({ ids }) => ids));
        assertEquals(mask, texts.flatMap(({ mask }) => [false, ...mask.slice(1)]));
        found.push(...texts);
        read += texts.length;
        assertEquals(source.epoch(number), read / rows.length);
      }
      assertEquals(source.epoch(number), epoch);
      assertEquals(new Set(found), new Set(rows));
      assertEquals(found.length, rows.length);
    }
    const again = packedRows(rows, seed, 8);
    assertEquals(again.row(jump % number), source.row(jump % number));
    assertEquals(again.place(jump), jump);
  }));
});

Deno.test("rows are packed within windows of 1,024, in an order that the seed draws", () => {
  const rows = Array.from({ length: 1500 }, (_, i) => rowOf(1 + i % 8, i));
  const source = packedRows(rows, 1, 63);
  const readOf = (number: number) => Math.round(source.epoch(number) * 1500);
  const ends = Array.from({ length: 400 }, (_, number) => readOf(number));
  // The last packed row of a window may be anywhere in it; the windows end at these rows.
  for (const end of [0, 1024, 1500, 2524, 3000]) assert(ends.includes(end), `${end}`);
  assertEquals(source.length, 64);
  const sizesOf = (seed: number) => {
    const { row } = packedRows(rows, seed, 63);
    return Array.from({ length: 40 }, (_, number) => row(number).texts.length);
  };
  const own = sizesOf(1);
  assert(JSON.stringify(own) !== JSON.stringify(own.toSorted((a, b) => a - b)));
  assert(JSON.stringify(own) !== JSON.stringify(sizesOf(2)));
});

Deno.test("the seeds of stages, the windows of texts and packed rows are the same in every version", () => {
  assertEquals(
    [stageSeed(7, 1), stageSeed(7, 2), stageSeed(8, 1)],
    [2_404_235_012, 4_154_995_436, 3_000_593_476],
  );
  const markOf = (source: { readonly row: (number: number) => unknown }, count: number) =>
    textMark(JSON.stringify(Array.from({ length: count }, (_, number) => source.row(number))));
  const rows = Array.from({ length: 1500 }, (_, i) => rowOf(1 + i % 8, i));
  const ids = Array.from({ length: 300 }, (_, i) => i);
  assertEquals(
    [markOf(packedRows(rows, 1, 63), 300), markOf(windowRows(ids, 1, 16), 60)],
    [5_492_493_299_530_267, 5_729_255_962_958_643],
  );
});

const tiny = { vocabulary: 20, layers: 2, heads: 2, width: 8 };
const base = languageModel({ ...presetConfig("nano-llama", tiny), context: 40 });
const models: Readonly<Record<string, LanguageModel>> = {
  "GPT-2": gpt({ ...tiny, context: 40, dropout: 0 }),
  Llama: base,
  "an adapter": adapt({ model: base, params: base.init(key(7)) }, {
    ...{ rank: 2, alpha: 8, dropout: 0, targets: ["q_proj", "v_proj"] },
    ...{ isRankStabilized: false, hasMagnitudes: true, saved: [] },
  }),
};

const rows = [9, 21, 4, 16, 2].map((length, i) => rowOf(length, 3 * i));
const packs = [[1, 0, 2], [3, 4]].map((own) => packedRow(own.flatMap((i) => rows[i] ?? [])));
const order = packs.flatMap(({ texts }) => texts);

// Scores of a reference that differs from the policy.
const scores = new Map(
  order.map((row, i) =>
    [row, Float32Array.from(row.ids, (_, t) => -2 - ((t * 7 + i * 3) % 11) / 10)] as const
  ),
);
const form = packedForm(41, 24);
const room = { length: 41, padding: 0, size: 3 };
const plain = { length: 24, padding: 0 };

/** The loss, its gradient and the metrics of a batch, without anything random. */
async function measured<B>(
  model: LanguageModel,
  objective: Objective<B>,
  batch: B,
): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const context = { step: tensor(0, { dtype: "i32" }) };
  const params = model.init(key(2));
  using step = compile((batch: B) => {
    const collected = objective.collect(modelOf(model, params), batch, context);
    return valueAndGradAux((p: unknown) => {
      const evaluation = objective.evaluate(modelOf(model, p), collected, context);
      return { value: evaluationLoss(evaluation), aux: summarize(evaluation) };
    })(params);
  });
  const results = new Map<string, ArrayLike<number>>();
  for (const [path, x] of leafPaths(step(batch))) results.set(path, await x.data());
  return results;
}

/** What an objective makes of the rows, packed and alone. */
async function bothOf(model: LanguageModel, entry: ObjectiveEntry, given: GivenOptions = {}) {
  assert(entry.data === "demonstrations");
  const other = modelOf(model, model.init(key(5)));
  const asked = { teacher: other, reference: other };
  if (entry.reference === "log-probs") {
    const objective = entry.make(given, asked);
    return [
      await measured(model, objective, form.scored(packs, room, scores)),
      await measured(model, objective, demonstrationForm.scored(order, plain, scores)),
    ] as const;
  }
  const objective = entry.make(given, asked);
  return [
    await measured(model, objective, form.batch(packs, room)),
    await measured(model, objective, toBatch(order, plain)),
  ] as const;
}

/** The greatest difference of two results. */
function distance(
  a: ReadonlyMap<string, ArrayLike<number>>,
  b: ReadonlyMap<string, ArrayLike<number>>,
): number {
  assertEquals([...a.keys()], [...b.keys()]);
  return Math.max(
    0,
    ...[...a].map(([path, x]) => {
      const y = b.get(path) ?? [];
      return Array.from(x).reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (y[i] ?? NaN))),
        0,
      );
    }),
  );
}

for (const [name, model] of Object.entries(models)) {
  const entries = objectiveRegistry.filter(({ data }) => data === "demonstrations");
  // Objectives differ behind the model alone: one is enough for the other models.
  for (const entry of model === base ? entries : entries.slice(0, 1)) {
    Deno.test(`${name}, ${entry.name}: packed rows have the loss and the gradient of rows that are not`, async () => {
      const [packed, alone] = await bothOf(model, entry);
      assert(packed.size > 10);
      // Sums of the same terms in another order, of results up to some tens.
      const far = distance(packed, alone);
      assert(far < 2e-5, `${far}`);
    });
  }
}

Deno.test("packed rows are averaged by row where a loss is", async () => {
  const sft = entryNamed(objectiveRegistry, "sft");
  assert(sft !== undefined);
  const [packed, alone] = await bothOf(base, sft, { normalizer: "sequence" });
  assert(distance(packed, alone) < 2e-5);
  const [byToken] = await bothOf(base, sft);
  assert(distance(packed, byToken) > 1e-3);
});

Deno.test("without segments or positions, packed rows are others (counterexample)", async () => {
  const sft = entryNamed(objectiveRegistry, "sft");
  assert(sft?.data === "demonstrations" && sft.reference === "none");
  const { packing, ...batch } = form.batch(packs, room);
  assert(packing !== undefined);
  const right = await measured(base, sft.make(), { ...batch, packing });
  const { positions, segments } = packing;
  for (const wrong of [{ segments: zeros(segments.shape, "i32") }, { positions: segments }]) {
    const found = await measured(base, sft.make(), {
      ...batch,
      packing: { ...packing, positions, ...wrong },
    });
    assert(distance(right, found) > 1e-3);
  }
});

Deno.test("a batch of packed rows: texts by number, positions from 0, and the targets of each text", async () => {
  const own = packedRow([rowOf(9, 3), rowOf(4, 6)]);
  const { packing } = packedForm(15, 9).batch([own], { length: 15, padding: 0 });
  assert(packing !== undefined);
  const read = async (x: Tensor) => Array.from(await x.data());
  assertEquals(await read(packing.segments), [...Array(9).fill(0), 1, 1, 1, 1, -1, -1]);
  assertEquals(await read(packing.positions), [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 0, 0]);
  assertEquals(packing.targets.shape, [2, 8]);
  assertEquals(await read(packing.targets), [
    ...[0, 1, 2, 3, 4, 5, 6, 7],
    ...[9, 10, 11, -1, -1, -1, -1, -1],
  ]);
  // Rows of texts in powers of two.
  const counts = [1, 2, 3, 4, 5].map((count) => {
    const row = packedRow(Array.from({ length: count }, () => rowOf(3, 1)));
    return packedForm(15, 3).batch([row], { length: 15, padding: 0 }).packing?.targets.shape[0];
  });
  assertEquals(counts, [1, 2, 4, 4, 8]);
});

Deno.test("a packing that does not fit its batch is refused", () => {
  const { packing, ...batch } = form.batch(packs, room);
  assert(packing !== undefined);
  const sft = entryNamed(objectiveRegistry, "sft");
  assert(sft?.data === "demonstrations" && sft.reference === "none");
  const objective = sft.make();
  const context = { step: tensor(0, { dtype: "i32" }) };
  const given = modelOf(base, base.init(key(0)));
  const wrongs = [
    { segments: zeros([3, 40], "i32") },
    { positions: zeros([3, 41]) },
    { targets: zeros([2, 8]) },
    { targets: zeros([8], "i32") },
  ];
  for (const wrong of wrongs) {
    assertThrows(
      () => objective.collect(given, { ...batch, packing: { ...packing, ...wrong } }, context),
      ShapeError,
      "packing",
    );
  }
});

Deno.test("the first packed row is shown example by example", () => {
  const tokenizer = byteTokenizer();
  const texts = [[3, 102, 4, 103, 1], [3, 104, 4, 105, 1]].map((ids) => ({
    ids,
    mask: ids.map((_, i) => i > 2),
  }));
  const lines = describeExample(tokenizer, {
    kind: "demonstrations",
    source: shuffledRows(texts, 0, 12),
    packed: packedRows(texts, 0, 12),
  });
  assertEquals(lines.filter((line) => line.includes("packed")), [
    "example 1 of 2 in one packed row: 5 tokens, of which 2 are learned",
    "example 2 of 2 in one packed row: 5 tokens, of which 2 are learned",
  ]);
  assertEquals(lines.length, 12);
  // Of several packed rows, the first.
  const uneven = [2, 3, 4].map((length) => ({
    ids: Array.from({ length }, () => 102 + length),
    mask: Array.from({ length }, (_, i) => i > 0),
  }));
  const packed = packedRows(uneven, 0, 4);
  const [first = ""] = describeExample(tokenizer, {
    ...{ kind: "demonstrations", source: shuffledRows(uneven, 0, 4), packed },
  });
  const { texts: [own, ...others] } = packed.row(0);
  assertEquals(
    first.split(",")[0],
    `example 1 of ${1 + others.length} in one packed row: ${own?.ids.length} tokens`,
  );
});
