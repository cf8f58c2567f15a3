/**
 * From settings to a prepared run: data files and the built-in tasks are read, and prepared by
 * `@unitune/training`.
 *
 * @module
 */

import { parse } from "node:path";
import type { Architecture, ModelSettings } from "@unitune/models";
import type { DataKind } from "@unitune/objectives";
import {
  type BaseModel,
  type Dataset,
  datasetMaterial,
  type Material,
  type PreparedRun,
  prepareRun,
  type StageMaterial,
  type TableStore,
  taskMaterial,
  TASKS_SOURCE,
  type TrainSettings,
  type Watch,
} from "@unitune/training";
import { beginDigest, digestOf } from "../files/digest.ts";
import type { BaseRecord } from "../run/base_record.ts";
import { type DataOptions, formIn, isText, readRows, readText } from "./data_file.ts";
import { splitRows } from "./formed_rows.ts";
import type { FormName } from "./forms/row_forms.ts";
import type { OpenRewards } from "../rewards/open.ts";
import { watchMemory } from "./memory.ts";

/** The data of a run, as its configuration records it. */
export interface RunData {
  /** The kind of data of the last stage. */
  readonly kind: Dataset["kind"];
  /** A digest of the content, by which a resumed run recognizes its data. */
  readonly digest: string;
}

/** Everything that a run trains and evaluates on, and how its data is recognized. */
export interface Prepared extends PreparedRun {
  /** The data, as the configuration records it. */
  readonly data: RunData;
  /** The pretrained model of which an adapter is trained, as the configuration records it. */
  readonly base?: BaseRecord;
  /** Digests of the files of rewards, as the configuration records them. */
  readonly functions?: Readonly<Record<string, string>>;
  /** The settings of the `config.json` that the model was read from. */
  readonly modelSettings?: ModelSettings;
}

/** Options of a preparation. */
export interface PrepareOptions {
  /** The architectures (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** Follows the progress and the memory (default: the memory only). */
  readonly watch?: Watch;
  /** The rewards that need processes (default: none). */
  readonly rewards?: OpenRewards;
  /** Keeps the rows of files and their tokens for another time (default: they are in memory). */
  readonly tables?: TableStore;
}

/**
 * Reads the data and prepares everything that a run trains and evaluates on.
 *
 * @param settings The settings of the run, or of each of its stages.
 * @param base The model that is trained further (default: a new one).
 * @param options Who follows the preparation.
 * @returns What to train and evaluate on.
 * @throws {UserError} If the data cannot be read, fits neither the model nor memory, or is none that
 * the objective can read.
 *
 * @example
 * ```ts
 * import { prepare } from "@unitune/cli";
 * import { trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { model, splits } = await prepare(trainSettings({ layers: 1 }));
 * assertEquals([model.config.layers, model.config.context], [1, 32]);
 * assertEquals(splits.map(({ name }) => name), ["held-out", "longer", "reformatted"]);
 * ```
 */
export async function prepare(
  settings: TrainSettings | readonly TrainSettings[],
  base?: BaseModel & { readonly record?: BaseRecord; readonly settings?: ModelSettings },
  { watch = watchMemory(), architectures, tables, rewards }: PrepareOptions = {},
): Promise<Prepared> {
  const known = new Map<string, ReadMaterial>();
  const stages: StageMaterial[] = [];
  const all = [settings].flat();
  // Of all stages alike, so that those on the same file share its rows.
  const keepsColumns = all.some(({ objective: { data } }) => data === "rollouts");
  for (const stage of all) {
    const key = JSON.stringify(await materialSettings(stage));
    const read = known.get(key) ??
      (stage.data === undefined
        ? tasksRead(stage, watch)
        : await fileRead(stage.data, stage, { watch, keepsColumns, ...tables && { tables } }));
    known.set(key, read);
    const { material } = read;
    const judges = [...material.judges, ...rewards?.of(stage) ?? []];
    const source = stage.data ?? TASKS_SOURCE;
    stages.push({ settings: stage, material: { ...material, judges }, source });
  }
  const prepared = await prepareRun(stages, {
    watch,
    ...tables && { tables },
    ...base && { base },
    ...architectures && { architectures },
  });
  const last = stages.at(-1);
  if (last === undefined) throw new RangeError("prepare: a run has at least one stage");
  const { kind } = last.material.dataset;
  return {
    ...prepared,
    data: { kind, digest: digestOf([...known.values()].map(({ digest }) => digest).join("\n")) },
    ...base?.record && { base: base.record },
    ...rewards && Object.keys(rewards.digests).length > 0 && { functions: rewards.digests },
    ...base?.settings && { modelSettings: base.settings },
  };
}

/** The forms of each kind of data that are read first, where the rows of a file fit several. */
const neededForms: Readonly<Record<DataKind, readonly FormName[]>> = {
  // With labels, a completion may be one that nobody liked.
  demonstrations: ["messages", "conversations", "labels", "completions"],
  pairs: ["pairs", "implicit-pairs", "scores"],
  labels: ["labels", "pairs", "implicit-pairs", "scores"],
  // The completion is what answers are compared with.
  rollouts: [
    ...["labels", "completions", "pairs", "implicit-pairs", "scores"] as const,
    ...["messages", "conversations", "prompts"] as const,
  ],
};

/** The columns and forms by which a stage reads its file. */
function readingOf(settings: TrainSettings) {
  const { promptColumn: prompt, completionColumn: completion } = settings;
  return { columns: { prompt, completion }, needs: neededForms[settings.objective.data] };
}

/** All that a stage's data depends on. */
async function materialSettings(settings: TrainSettings) {
  const { data, promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise } = settings;
  const { columns, needs } = readingOf(settings);
  const form = data === undefined ? undefined : await formIn(data, columns, needs);
  return { data, promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise, form };
}

/** What there is to train on, and a digest of what it says, wherever it is read from. */
interface ReadMaterial {
  readonly material: Material;
  readonly digest: string;
}

/** The data in a file. */
async function fileRead(
  path: string,
  settings: TrainSettings,
  options: Pick<DataOptions, "watch" | "keepsColumns" | "tables">,
): Promise<ReadMaterial> {
  const name = parse(path).name || "data";
  const { columns, needs } = readingOf(settings);
  if (isText(path)) {
    const text = await readText(path, columns);
    const digest = digestOfText(text.train, text.validation);
    return { material: datasetMaterial(name, text), digest };
  }
  const { key, ...gathered } = await readRows(path, columns, { needs, ...options });
  const known = { characters: new Set(gathered.characters), ...key !== undefined && { key } };
  const material = datasetMaterial(name, splitRows(gathered, path), known);
  return { material, digest: gathered.digest };
}

/** The built-in tasks. */
function tasksRead(settings: TrainSettings, watch: Watch): ReadMaterial {
  const material = taskMaterial(settings, watch);
  const digest = beginDigest();
  const add = (value: unknown) =>
    digest.add(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  const { dataset: { train, validation }, examples } = material;
  for (const part of [train, validation]) for (const row of part) add(row);
  // The mistakes are data as well.
  for (const own of examples.train) for (const { rejected } of own) add(rejected);
  return { material, digest: digest.value() };
}

/** A digest of running text. */
function digestOfText(...parts: readonly string[]): string {
  const digest = beginDigest();
  for (const part of parts) digest.add(new TextEncoder().encode(`${part}\0`));
  return digest.value();
}
