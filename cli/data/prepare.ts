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
  type RowKind,
  type Rows,
  type StageMaterial,
  taskMaterial,
  TASKS_SOURCE,
  type TrainSettings,
  type Watch,
} from "@unitune/training";
import { beginDigest } from "../files/digest.ts";
import type { BaseRecord } from "../run/base_record.ts";
import { formIn, readDataset } from "./data_file.ts";
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
  { watch = watchMemory(), architectures, rewards }: PrepareOptions = {},
): Promise<Prepared> {
  const known = new Map<string, Material>();
  const stages: StageMaterial[] = [];
  const all = [settings].flat();
  // Of all stages alike, so that those on the same file share its rows.
  const keepsColumns = all.some(({ objective: { data } }) => data === "rollouts");
  for (const stage of all) {
    const key = JSON.stringify(await materialSettings(stage));
    const material = known.get(key) ??
      (stage.data === undefined
        ? taskMaterial(stage, watch)
        : await fileMaterial(stage.data, stage, { watch, keepsColumns }));
    known.set(key, material);
    const judges = [...material.judges, ...rewards?.of(stage) ?? []];
    const source = stage.data ?? TASKS_SOURCE;
    stages.push({ settings: stage, material: { ...material, judges }, source });
  }
  const prepared = await prepareRun(stages, {
    watch,
    ...base && { base },
    ...architectures && { architectures },
  });
  const last = stages.at(-1);
  if (last === undefined) throw new RangeError("prepare: a run has at least one stage");
  const { kind } = last.material.dataset;
  return {
    ...prepared,
    data: { kind, digest: digestOf([...known.values()]) },
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

/** The rows of a file. */
async function fileMaterial(
  path: string,
  settings: TrainSettings,
  options: { readonly watch: Watch; readonly keepsColumns: boolean },
): Promise<Material> {
  const { columns, needs } = readingOf(settings);
  const dataset = await readDataset(path, columns, { needs, ...options });
  return datasetMaterial(parse(path).name || "data", dataset);
}

/** A digest of what the data says, wherever it is read from. */
function digestOf(materials: readonly Material[]): string {
  const digest = beginDigest();
  const encoder = new TextEncoder();
  const add = (text: string) => digest.add(encoder.encode(text));
  for (const { dataset, examples } of materials) {
    for (const part of [dataset.train, dataset.validation]) {
      if (typeof part === "string") add(part);
      else for (const row of part) add(`${JSON.stringify(said(row))}\n`);
      add("\0");
    }
    // The mistakes of the built-in tasks are data as well.
    if (dataset.kind === "conversations") {
      for (const own of examples.train) {
        for (const { rejected } of own) {
          if (rejected !== undefined) add(`${JSON.stringify(rejected)}\n`);
        }
      }
    }
  }
  return digest.value();
}

/** All that a row says: where it was read from is none of it. */
function said({ source: _, ...row }: Rows[RowKind]): unknown {
  // Most conversations are nothing but their messages.
  const isPlain = row.rendering === undefined && row.columns === undefined;
  return "messages" in row && isPlain ? row.messages : row;
}
