/**
 * Architectures beside transformers: golden files have its results in f64 for small models whose
 * weights are a formula of names and indices. `scripts/golden/models.py` writes them.
 */
import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { type FloatDType, leafPaths } from "@unitune/core";
import {
  architectureOf,
  checkpointFiles,
  decodeCheckpoint,
  encodeCheckpoint,
  type LanguageModel,
} from "@unitune/models";
import {
  answers,
  descend,
  differentiate,
  inType,
  modelFiles,
  relativeDifference,
  summaryDifference,
  tokenIds,
} from "../../scripts/golden/results.ts";

/** The contents of a golden file. */
interface Golden {
  readonly source: string;
  readonly config: { readonly model_type: string } & Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly ids: readonly (readonly number[])[];
  readonly logits: readonly (readonly (readonly number[])[])[];
  readonly loss: number;
  /** The norm of each gradient, and its product with `uniform` of `along NAME`. */
  readonly gradients: Readonly<Record<string, readonly [norm: number, along: number]>>;
  readonly losses: readonly number[];
  readonly prompts: readonly (readonly number[])[];
  readonly answers: readonly (readonly number[])[];
  /** Two stop tokens, and the answers up to the first of them, the stop token included. */
  readonly stops: readonly number[];
  readonly stopped: readonly (readonly number[])[];
}

const folder = new URL("golden/", import.meta.url);

const cases: ReadonlyMap<string, Golden> = new Map(
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort().map((name) => [
    name.replace(".json", ""),
    JSON.parse(Deno.readTextFileSync(new URL(name, folder))),
  ]),
);

/** The names in files of a model's tensors. */
function namesOf({ config }: LanguageModel): (path: string) => string {
  return architectureOf(config.modelType).tensors.nameOf;
}

/**
 * Relative to the norm. f32 has 6e-8, which some hundred roundings in a row grow to 1e-5; the casts that
 * transformers makes to f32 are lifted in the golden files, and 13 digits of a number are in them.
 */
const tolerances: Readonly<Record<FloatDType, number>> = { f32: 1e-5, f64: 1e-9 };

for (const [name, golden] of cases) {
  const { model, params } = await decodeCheckpoint(modelFiles(golden.config, golden.shapes));
  const ids = tokenIds(golden.ids);

  for (const dtype of ["f32", "f64"] as const) {
    Deno.test(`${name}: logits, loss and gradients in ${dtype} are those of transformers`, async () => {
      const tolerance = tolerances[dtype];
      const loaded = inType({ model, params }, dtype);
      const { loss, logits, gradient } = differentiate(loaded, ids);
      assertLess(relativeDifference(await logits.data(), golden.logits.flat(2)), tolerance);
      assertAlmostEquals(await loss.item() / golden.loss, 1, tolerance);
      const nameOf = namesOf(model);
      const paths = leafPaths(gradient);
      assertEquals([...paths.keys()].map(nameOf).sort(), Object.keys(golden.gradients).sort());
      for (const [path, leaf] of paths) {
        const name = nameOf(path);
        const expected = golden.gradients[name] ?? [NaN, NaN];
        assertLess(summaryDifference(name, await leaf.data(), expected), tolerance, path);
      }
    });
  }

  Deno.test(`${name}: ten steps of AdamW in f64 are those of PyTorch`, async () => {
    // Adam divides by the root of a mean square: where a gradient is near 0, rounding grows.
    const losses = await descend(inType({ model, params }, "f64"), ids, 10);
    assertLess(relativeDifference(losses, golden.losses), 1e-7);
  });

  Deno.test(`${name}: greedy answers, with a cache and padding on the left, are those of transformers`, async () => {
    const [first] = golden.answers;
    assert(first !== undefined);
    const loaded = { model, params };
    assertEquals(await answers(loaded, golden.prompts, first.length), golden.answers);
    const last = new Set(golden.stopped.map((ids) => ids.at(-1)));
    assert(golden.stops.every((stop) => last.has(stop)), "both stop tokens end answers");
    assertEquals(await answers(loaded, golden.prompts, first.length, golden.stops), golden.stopped);
  });

  Deno.test(`${name}: every setting of transformers stays in a config.json`, () => {
    const { config } = golden;
    const text = checkpointFiles({ model, params, settings: config }).get("config.json");
    assert(typeof text === "string");
    const written = JSON.parse(text);
    const { dtype: _, transformers_version: _version, ...own } = config;
    assertEquals({ ...written, ...own }, written);
    // transformers 4 reads these settings only as floats.
    for (const [, number = ""] of text.matchAll(/"(?:low_freq_|high_freq_)?factor": (.*?),?\n/g)) {
      assert(number.includes("."), number);
    }
  });

  Deno.test(`${name}: the files that are written are read as the same model`, async () => {
    const files = await encodeCheckpoint({ model, params });
    const restored = await decodeCheckpoint(files);
    assertEquals(restored.model.config, model.config);
    const text = new TextDecoder().decode(files.get("config.json"));
    const { final_logit_softcapping: bound } = JSON.parse(text);
    // transformers refuses 5 for this setting, and reads 5.0.
    assert(typeof bound !== "number" || text.includes(`"final_logit_softcapping": ${bound}.0`));
    assertEquals(await encodeCheckpoint(restored), files);
  });
}
