/**
 * Compares models with the results of transformers that `models.py --full FOLDER` wrote: prints the
 * largest relative difference of each result over all models of a kind, and writes each model again,
 * for `models.py --check FOLDER`.
 *
 *     deno run --allow-read --allow-write scripts/golden/compare.ts FOLDER
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { decodeSafetensors, type FloatDType, fromRawTensor, leafPaths } from "@unitune/core";
import {
  architectureOf,
  checkpointFiles,
  type CheckpointFilesOptions,
  contentBytes,
  decodeCheckpoint,
} from "@unitune/models";
import {
  answers,
  descend,
  differentiate,
  inType,
  relativeDifference,
  tokenIds,
} from "./results.ts";

/** The results that are not tensors. */
interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly loss: number;
  readonly losses: readonly number[];
  readonly prompts: readonly (readonly number[])[];
  readonly answers: readonly (readonly number[])[];
  readonly stops: readonly number[];
  readonly stopped: readonly (readonly number[])[];
}

/** Relative differences by name, the largest of each. */
type Differences = Map<string, number>;

function record(differences: Differences, name: string, difference: number): void {
  differences.set(name, Math.max(differences.get(name) ?? 0, difference));
}

/** The tensors of a file by name. */
function tensorsOf(file: string) {
  const { tensors } = decodeSafetensors(Deno.readFileSync(file));
  return new Map([...tensors].map(([name, raw]) => [name, fromRawTensor(raw).data]));
}

/** The tokens that are written, and that `models.py` expects. */
const tokens = { eos: [1, 2], pad: 0 };

/** The ways in which each model is written; `new` without the settings that it was read with. */
const writings: Readonly<
  Record<string, CheckpointFilesOptions & { readonly settings: boolean }>
> = {
  whole: { settings: true },
  new: { settings: false },
  sharded: { settings: true, maxShardBytes: 4000 },
  bf16: { settings: true, dtype: "bf16" },
};

/** Compares one model, and writes it again in several ways. */
async function compare(place: string, differences: Differences): Promise<void> {
  const files = new Map(
    ["config.json", "model.safetensors"].map((
      name,
    ) => [name, Deno.readFileSync(`${place}/${name}`)]),
  );
  const { model, params, settings } = await decodeCheckpoint(files);
  const expected: Expected = JSON.parse(Deno.readTextFileSync(`${place}/expected.json`));
  const tensors = tensorsOf(`${place}/expected.safetensors`);
  const ids = tokenIds(expected.ids);
  const difference = (found: ArrayLike<number>, name: string) => {
    const wanted = tensors.get(name);
    if (wanted === undefined) throw new RangeError(`${place}: ${name} is missing`);
    return relativeDifference(found, wanted);
  };
  const { nameOf } = architectureOf(model.config.modelType).tensors;
  for (const dtype of ["f32", "f64"] satisfies FloatDType[]) {
    const loaded = inType({ model, params }, dtype);
    const { loss, logits, gradient } = differentiate(loaded, ids);
    record(differences, `${dtype} logits`, difference(await logits.data(), "logits"));
    record(differences, `${dtype} loss`, relativeDifference([await loss.item()], [expected.loss]));
    for (const [path, leaf] of leafPaths(gradient)) {
      const name = `gradient.${nameOf(path)}`;
      record(differences, `${dtype} gradients`, difference(await leaf.data(), name));
    }
    const losses = await descend(loaded, ids, expected.losses.length);
    record(differences, `${dtype} AdamW`, relativeDifference(losses, expected.losses));
  }
  const [first = []] = expected.answers;
  const loaded = { model, params };
  assertEquals(await answers(loaded, expected.prompts, first.length), expected.answers);
  assertEquals(
    await answers(loaded, expected.prompts, first.length, expected.stops),
    expected.stopped,
  );
  for (const [kind, { settings: kept, ...options }] of Object.entries(writings)) {
    const written = `${place}/written/${kind}`;
    Deno.mkdirSync(written, { recursive: true });
    const saved = { model, params, ...kept && { settings } };
    for (const [name, content] of checkpointFiles(saved, { tokens, ...options })) {
      Deno.writeFileSync(`${written}/${name}`, await contentBytes(content));
    }
  }
}

async function main([folder]: readonly string[]): Promise<void> {
  if (folder === undefined) {
    console.error("compare.ts: name the folder that models.py --full wrote");
    Deno.exit(2);
  }
  const cases = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const kinds = Map.groupBy(cases, (name) => name.replace(/-\d+$/, ""));
  for (const [kind, names] of kinds) {
    const differences: Differences = new Map();
    for (const name of names) await compare(`${folder}/${name}`, differences);
    const shown = [...differences].map(([name, largest]) => `${name} ${largest.toExponential(1)}`);
    console.log(`${kind}, ${names.length} models: ${shown.join(", ")}; answers equal`);
  }
}

await main(Deno.args);
