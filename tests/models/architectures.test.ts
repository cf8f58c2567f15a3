/** Laws that hold for the model of every architecture. */
import { assert, assertEquals, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import { evaluate, key, ShapeError, tensor, zeros } from "@unitune/core";
import {
  architectures,
  type HiddenOptions,
  type LanguageModel,
  type ModelSettings,
} from "@unitune/models";
import { largestDifference, tokenIds } from "./tiny.ts";

/** Settings of small models, by the names of all architectures. */
const settings: ModelSettings = {
  vocab_size: 11,
  hidden_size: 8,
  n_embd: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  n_layer: 2,
  num_attention_heads: 4,
  n_head: 4,
  num_key_value_heads: 2,
  head_dim: 6,
  max_position_embeddings: 16,
  n_positions: 16,
  sliding_window: 3,
  use_sliding_window: true,
  max_window_layers: 1,
  sliding_window_pattern: 2,
  rotary_pct: 1,
};

/** f32 states of size 1 after some twenty rounded operations. */
const TOLERANCE = 1e-5;

for (const row of architectures) {
  const model: LanguageModel = row.make(row.readConfig(settings));
  const params = evaluate(model.init(key(1)));
  const read = async (rows: readonly (readonly number[])[], options: HiddenOptions = {}) =>
    await model.hidden(params, model.embed(params, tokenIds(rows)), options).data();

  Deno.test(`${row.name}: texts in one row, told apart by segments, read as rows of their own`, async () => {
    const together = await read([[1, 2, 3, 4, 5, 6, 7], [6, 5, 4, 3, 2, 1, 8]], {
      segments: tokenIds([[0, 0, 0, 0, 0, 1, 1], [7, 7, 7, 7, 7, 7, 7]]),
      positions: tokenIds([[0, 1, 2, 3, 4, 0, 1], [0, 1, 2, 3, 4, 5, 6]]),
    });
    const apart = [[1, 2, 3, 4, 5], [6, 7], [6, 5, 4, 3, 2, 1, 8]].map((row) => read([row]));
    const expected = (await Promise.all(apart)).flatMap((states) => [...states]);
    assertLess(largestDifference(together, expected), TOLERANCE);
  });

  Deno.test(`${row.name}: rows that begin alike, read as one sequence, are read as rows`, async () => {
    const rows = [
      ...[[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 8, 7, 6, 5]],
      ...[[9, 2, 4, 6, 8, 1, 3, 5], [9, 3, 5, 7, 9, 2, 4, 6]],
    ];
    // The groups have 4 tokens and 1 in common, of at most 5, and 3 behind them are read.
    const lengths = tensor([4, 4, 1, 1], { dtype: "i32" });
    const joined = await read(rows, { prefix: { groups: 2, lengths, longest: 5, rest: 3 } });
    const apart = await read(rows);
    const ofRow = (states: ArrayLike<number>, row: number, tokens: number) =>
      Array.from(states).slice(8 * 8 * row, 8 * (8 * row + tokens));
    for (const [row, tokens] of [7, 7, 4, 4].entries()) {
      const [own, expected] = [ofRow(joined, row, tokens), ofRow(apart, row, tokens)];
      assertLess(largestDifference(own, expected), TOLERANCE);
    }
  });

  Deno.test(`${row.name}: a token changes no states before it, and positions count`, async () => {
    const [one, other] = [await read([[1, 2, 3, 4, 5]]), await read([[1, 2, 3, 9, 5]])];
    assertEquals(one.subarray(0, 3 * 8), other.subarray(0, 3 * 8));
    assertNotEquals(one.subarray(3 * 8), other.subarray(3 * 8));
    const turned = await read([[2, 1, 3]]);
    assert(largestDifference(turned.subarray(2 * 8), one.subarray(2 * 8, 3 * 8)) > 1e-3);
  });

  Deno.test(`${row.name}: embeddings beyond the context, and other caches, are refused`, () => {
    assertThrows(
      () => model.hidden(params, zeros([1, 17, 8])),
      ShapeError,
      "embeddings: got 17 tokens; expected at most 16",
    );
    const place = { start: zeros([1], "i32") };
    const decode = (cache: unknown) => model.decode(params, tokenIds([[1, 2]]), cache, place);
    assertEquals(decode(model.emptyCache(1, 5)).logits.shape, [1, 11]);
    assertThrows(() => decode(model.emptyCache(2, 5)), ShapeError, "cached keys: got shape [2, ");
    assertThrows(() => decode([]), ShapeError, "the cache has no layers");
  });
}
