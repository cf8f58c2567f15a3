/**
 * Adapters beside PEFT: golden files have its results in f64 for small adapters whose weights are a
 * formula of names and indices. `scripts/golden/adapters.py` writes them.
 */
import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import {
  decodeSafetensors,
  encodeSafetensors,
  type FloatDType,
  fromRawTensor,
  type RawTensor,
  toRawTensor,
} from "@unitune/core";
import {
  decodeCheckpoint,
  encodeAdapter,
  encodeCheckpoint,
  filesSource,
  mergeAdapter,
  readAdapter,
} from "@unitune/models";
import {
  adapterResults,
  adapterWeightOf,
  modelFiles,
  readAdapterIn,
  relativeDifference,
  summaryDifference,
  tokenIds,
} from "../../scripts/golden/results.ts";

/** The contents of a golden file. */
interface Golden {
  readonly source: string;
  /** The base. */
  readonly config: { readonly model_type: string } & Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly adapter: Readonly<Record<string, unknown>>;
  readonly adapterShapes: Readonly<Record<string, readonly number[]>>;
  readonly ids: readonly (readonly number[])[];
  /** `[B, T, V]`, or scores `[B, 1]`. */
  readonly logits: readonly (readonly (number | readonly number[])[])[];
  readonly loss: number;
  /** The norm of each gradient, and its product with `uniform` of `along NAME`. */
  readonly gradients: Readonly<Record<string, readonly [norm: number, along: number]>>;
  readonly losses: readonly number[];
}

const folder = new URL("golden_adapters/", import.meta.url);

const cases: ReadonlyMap<string, Golden> = new Map(
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort().map((name) => [
    name.replace(".json", ""),
    JSON.parse(Deno.readTextFileSync(new URL(name, folder))),
  ]),
);

const WEIGHTS = "adapter_model.safetensors";

/** The head's copy of a tied embedding. */
const HEAD = "base_model.model.lm_head.weight";

/** The files of a golden file's adapter, as PEFT writes them. */
function adapterFiles({ adapter, adapterShapes }: Golden): Map<string, Uint8Array> {
  const weights = Object.entries(adapterShapes).map(([name, shape]) => {
    const isTied = name === HEAD && adapter["ensure_weight_tying"] === true;
    const [own = name] = isTied
      ? Object.keys(adapterShapes).filter((name) => /(wte|embed_tokens)\.weight$/.test(name))
      : [name];
    return [name, toRawTensor({ dtype: "f32", shape, data: adapterWeightOf(own, shape) })] as const;
  });
  return new Map([
    ["adapter_config.json", new TextEncoder().encode(JSON.stringify(adapter))],
    [WEIGHTS, encodeSafetensors(new Map(weights), { format: "pt" })],
  ]);
}

/** The tensors in the file of an adapter, by name. */
function tensorsIn(files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, RawTensor> {
  const { tensors, metadata } = decodeSafetensors(files.get(WEIGHTS) ?? new Uint8Array());
  assertEquals(metadata, { format: "pt" });
  return new Map([...tensors].toSorted(([a], [b]) => a < b ? -1 : 1));
}

/** Relative to the norm; `golden.test.ts` has the reasons. */
const tolerances: Readonly<Record<FloatDType, number>> = { f32: 1e-5, f64: 1e-9 };

for (const [name, golden] of cases) {
  const base = await decodeCheckpoint(modelFiles(golden.config, golden.shapes));
  const files = adapterFiles(golden);
  const ids = tokenIds(golden.ids);
  const inFloats = (dtype: FloatDType) => readAdapterIn(filesSource(files), base, dtype);

  for (const dtype of ["f32", "f64"] as const) {
    Deno.test(`${name}: logits, loss and gradients in ${dtype} are those of PEFT`, async () => {
      const tolerance = tolerances[dtype];
      const adapted = await inFloats(dtype);
      const { loss, logits, gradient } = adapterResults(adapted, ids, dtype).differentiate();
      assertLess(relativeDifference(await logits.data(), golden.logits.flat(2)), tolerance);
      assertAlmostEquals(await loss.item() / golden.loss, 1, tolerance);
      const gradients = { model: adapted.model, ...gradient };
      const written = await encodeAdapter(gradients, { baseName: name });
      const tensors = tensorsIn(written);
      assertEquals(
        [...tensors.keys()].filter((name) => name in golden.gradients).sort(),
        Object.keys(golden.gradients).sort(),
      );
      assertEquals([...tensors.keys()].sort(), Object.keys(golden.adapterShapes).sort());
      for (const [name, expected] of Object.entries(golden.gradients)) {
        const raw = tensors.get(name);
        assert(raw !== undefined);
        assertLess(summaryDifference(name, fromRawTensor(raw).data, expected), tolerance, name);
      }
    });
  }

  Deno.test(`${name}: ten steps of AdamW in f64 are those of PyTorch`, async () => {
    const losses = await adapterResults(await inFloats("f64"), ids, "f64").descend(10);
    // Adam divides by the root of a mean square: where a gradient is near 0, rounding grows.
    assertLess(relativeDifference(losses, golden.losses), 1e-7);
  });

  Deno.test(`${name}: the files that are written are read as the same adapter`, async () => {
    const read = await readAdapter(filesSource(files), base);
    const written = await encodeAdapter(read, { baseName: name });
    assertEquals(tensorsIn(written), tensorsIn(files));
    const settings = JSON.parse(new TextDecoder().decode(written.get("adapter_config.json")));
    for (const name of Object.keys(settings)) {
      if (name !== "modules_to_save") assertEquals(settings[name], golden.adapter[name], name);
    }
    const again = await readAdapter(filesSource(written), base);
    assertEquals(await encodeAdapter(again, { baseName: name }), written);
  });

  Deno.test(`${name}: merged in files, the model has its logits in f32`, async () => {
    const { model, params, score } = await inFloats("f32");
    const own = { model: model.base.model, params: mergeAdapter(model, params) };
    const merged = await decodeCheckpoint(
      await encodeCheckpoint(score === undefined ? own : { ...own, score }),
    );
    const { logits } = adapterResults(merged, ids, "f32").differentiate();
    assertLess(relativeDifference(await logits.data(), golden.logits.flat(2)), tolerances.f32);
  });
}
