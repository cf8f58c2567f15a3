import { assert, assertEquals, assertThrows } from "@std/assert";
import { key } from "@unitune/core";
import {
  checkGptConfig,
  countParameters,
  gpt,
  gptPresets,
  type GptSizes,
  initGpt,
} from "@unitune/models";
import fc from "fast-check";
import { tinyConfig } from "./tiny.ts";

const impossible: Record<string, readonly [change: Partial<GptSizes>, message: string]> = {
  "no token": [{ vocabulary: 0 }, "vocabulary is 0, expected a positive integer"],
  "half a layer": [{ layers: 0.5 }, "layers is 0.5"],
  "a negative context": [{ context: -1 }, "context is -1"],
  "endless width": [{ width: Infinity }, "width is Infinity"],
  "heads that are not a number": [{ heads: NaN }, "heads is NaN"],
  "uneven heads": [
    { width: 10, heads: 4 },
    "a width of 10 does not divide into 4 heads; the nearest widths that do are 8 and 12",
  ],
  "more heads than width": [{ width: 3, heads: 4 }, "the nearest widths that do are 4"],
  "certain dropout": [{ dropout: 1 }, "dropout is 1, expected a number from 0 to below 1"],
  "more layers than a program has room for": [
    { layers: 100_000 },
    "layers is 100000, expected at most 512",
  ],
  "negative dropout": [{ dropout: -0.1 }, "dropout is -0.1"],
  "dropout that is not a number": [{ dropout: NaN }, "dropout is NaN"],
};

for (const [name, [change, message]] of Object.entries(impossible)) {
  Deno.test(`no model has ${name}`, () => {
    const config = { ...tinyConfig, ...change };
    assertThrows(() => checkGptConfig(config), RangeError, message);
    assertThrows(() => initGpt(key(0), config), RangeError, message);
  });
}

Deno.test("as many layers as a program has room for are a model", () => {
  assertEquals(checkGptConfig({ ...tinyConfig, layers: 512 }).layers, 512);
});

Deno.test("the presets can be made", () => {
  for (const preset of Object.values(gptPresets)) {
    assert(checkGptConfig({ ...preset, vocabulary: 65 }));
  }
});

Deno.test("a GPT has (V + C) D + L (12 D^2 + 13 D) + 2 D parameters", () => {
  const counts = fc.integer({ min: 1, max: 9 });
  const configs = fc.record({
    vocabulary: counts,
    context: counts,
    layers: counts,
    heads: counts,
    headWidth: counts,
  }).map(({ headWidth, ...sizes }) => ({ ...sizes, width: sizes.heads * headWidth, dropout: 0 }));
  fc.assert(fc.property(configs, (config) => {
    const { vocabulary: V, context: C, layers: L, width: D } = config;
    // The head is the token embedding, counted once.
    assertEquals(countParameters(gpt(config)), (V + C) * D + L * (12 * D ** 2 + 13 * D) + 2 * D);
  }));
});
