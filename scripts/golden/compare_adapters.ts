/**
 * Compares adapters with the results of PEFT that `adapters.py --full FOLDER` wrote: prints the largest
 * relative difference of each result over all adapters of a kind, and writes each adapter again, and
 * the model that it is merged into, for `adapters.py --check FOLDER`.
 *
 *     deno run --allow-read --allow-write scripts/golden/compare_adapters.ts FOLDER
 *
 * @module
 */
import { decodeSafetensors, type FloatDType, fromRawTensor } from "@unitune/core";
import {
  decodeCheckpoint,
  encodeAdapter,
  encodeCheckpoint,
  filesSource,
  mergeAdapter,
  readAdapter,
} from "@unitune/models";
import { adapterResults, readAdapterIn, relativeDifference, tokenIds } from "./results.ts";

/** The results that are not tensors. */
interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly loss: number;
  readonly losses: readonly number[];
}

/** Relative differences by name, the largest of each. */
type Differences = Map<string, number>;

const WEIGHTS = "adapter_model.safetensors";

/** Files of a folder by name. */
function filesIn(folder: string, names: readonly string[]): Map<string, Uint8Array> {
  return new Map(names.map((name) => [name, Deno.readFileSync(`${folder}/${name}`)]));
}

function write(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  Deno.mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) Deno.writeFileSync(`${folder}/${name}`, bytes);
}

/** The tensors of a file by name. */
function tensorsIn(bytes: Uint8Array | undefined) {
  const { tensors } = decodeSafetensors(bytes ?? new Uint8Array());
  return new Map([...tensors].map(([name, raw]) => [name, fromRawTensor(raw).data]));
}

/** Compares one adapter, and writes it and its merged model. */
async function compare(place: string, differences: Differences): Promise<void> {
  const record = (name: string, difference: number) =>
    differences.set(name, Math.max(differences.get(name) ?? 0, difference));
  const base = await decodeCheckpoint(
    filesIn(`${place}/base`, ["config.json", "model.safetensors"]),
  );
  const source = filesSource(filesIn(`${place}/adapter`, ["adapter_config.json", WEIGHTS]));
  const expected: Expected = JSON.parse(Deno.readTextFileSync(`${place}/expected.json`));
  const tensors = tensorsIn(Deno.readFileSync(`${place}/expected.safetensors`));
  const ids = tokenIds(expected.ids);
  for (const dtype of ["f32", "f64"] satisfies FloatDType[]) {
    const adapted = await readAdapterIn(source, base, dtype);
    const results = adapterResults(adapted, ids, dtype);
    const { loss, logits, gradient } = results.differentiate();
    record(`${dtype} loss`, relativeDifference([await loss.item()], [expected.loss]));
    const named = await encodeAdapter({ model: adapted.model, ...gradient }, { baseName: place });
    const found = new Map<string, ArrayLike<number | bigint>>([["logits", await logits.data()]]);
    for (const [name, data] of tensorsIn(named.get(WEIGHTS))) found.set(`gradient.${name}`, data);
    for (const [name, wanted] of tensors) {
      const own = Array.from(found.get(name) ?? [], Number);
      const kind = name === "logits" ? name : "gradients";
      record(`${dtype} ${kind}`, relativeDifference(own, Array.from(wanted, Number)));
    }
    const losses = await results.descend(expected.losses.length);
    record(`${dtype} AdamW`, relativeDifference(losses, expected.losses));
  }
  const { model, params, score } = await readAdapter(source, base);
  const own = score === undefined ? {} : { score };
  write(`${place}/written`, await encodeAdapter({ model, params, ...own }, { baseName: "base" }));
  const merged = { model: base.model, params: mergeAdapter(model, params), ...own };
  write(`${place}/merged`, await encodeCheckpoint(merged, base.tokens));
}

async function main([folder]: readonly string[]): Promise<void> {
  if (folder === undefined) {
    console.error("compare_adapters.ts: name the folder that adapters.py --full wrote");
    Deno.exit(2);
  }
  const cases = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const kinds = Map.groupBy(cases, (name) => name.replace(/-\d+$/, ""));
  for (const [kind, names] of kinds) {
    const differences: Differences = new Map();
    for (const name of names) await compare(`${folder}/${name}`, differences);
    const shown = [...differences].map(([name, largest]) => `${name} ${largest.toExponential(1)}`);
    console.log(`${kind}, ${names.length} adapters: ${shown.join(", ")}`);
  }
}

await main(Deno.args);
