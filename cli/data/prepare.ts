/**
 * From settings to a prepared run: data files and the built-in tasks are read, and prepared by
 * `@unitune/training`.
 *
 * @module
 */

import type { Architecture, ModelSettings } from "@unitune/models";
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
  UserError,
  type Watch,
} from "@unitune/training";
import { beginDigest, digestOf } from "../files/digest.ts";
import type { BaseRecord } from "../run/base_record.ts";
import { type DataOptions, formIn, readRows, readTexts, textFiles } from "./data_file.ts";
import { type DataPlace, findData, placeName } from "./places/places.ts";
import { neededForms } from "./forms/needed_forms.ts";
import type { OpenRewards } from "../rewards/open.ts";
import type { ProgressOutput } from "../terminal/progress.ts";
import { watchMemory } from "./memory.ts";
import { distinctRows, type MarkedRows, partsOf } from "./row_splits.ts";
import { datasetOf } from "./row_table.ts";
import { joinedText, textDataset } from "./text.ts";

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
  /** Where the progress of downloads is shown (default: nowhere). */
  readonly progress?: ProgressOutput;
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
  { watch = watchMemory(), progress, architectures, tables, rewards }: PrepareOptions = {},
): Promise<Prepared> {
  const known = new Map<string, ReadData>();
  const read: { readonly stage: TrainSettings; readonly key: string }[] = [];
  const all = [settings].flat();
  // Of all stages alike, so that those on the same file share its rows.
  const keepsColumns = all.some(({ objective: { data } }) => data === "rollouts");
  for (const stage of all) {
    const places = await placesOf(stage, progress);
    const key = JSON.stringify(await materialSettings(stage, places));
    const own = known.get(key) ??
      (places === undefined
        ? tasksRead(stage, watch)
        : await placesRead(places, stage, { watch, keepsColumns, ...tables && { tables } }));
    known.set(key, own);
    read.push({ stage, key });
  }
  const trained = [...known.values()].flatMap(({ trained }) => trained);
  const materials = new Map(
    [...known].map(([key, { material }]) => [key, material(trained)] as const),
  );
  const stages = read.map(({ stage, key }): StageMaterial => {
    const material = materials.get(key) ?? never();
    const judges = [...material.judges, ...rewards?.of(stage) ?? []];
    return {
      settings: stage,
      material: { ...material, judges },
      source: stage.data ?? TASKS_SOURCE,
    };
  });
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

/** The columns and forms by which a stage reads its file. */
function readingOf(settings: TrainSettings) {
  const { promptColumn: prompt, completionColumn: completion } = settings;
  return { columns: { prompt, completion }, needs: neededForms[settings.objective.data] };
}

/** The places of a stage's data. */
interface StagePlaces {
  /** The rows or the text, of which a part may be for validation. */
  readonly place: DataPlace;
  /** Those for validation, where they are elsewhere. */
  readonly other?: DataPlace;
}

/** The split for validation, in a place that has several. */
const VALIDATION = "validation";

/** The places of a stage's data; undefined for the built-in tasks. */
async function placesOf(
  { data, split, validationData }: TrainSettings,
  progress: ProgressOutput | undefined,
): Promise<StagePlaces | undefined> {
  if (data === undefined) return undefined;
  const other = validationData === undefined
    ? undefined
    : await findData(validationData, { split: VALIDATION, progress });
  return { place: await findData(data, { split, progress }), ...other && { other } };
}

/** All that a stage's data depends on. */
async function materialSettings(settings: TrainSettings, places: StagePlaces | undefined) {
  const { promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise } = settings;
  const { validationShare } = settings;
  const { columns, needs } = readingOf(settings);
  const form = places === undefined ? undefined : await formIn(places.place, columns, needs);
  return {
    ...{ places, promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise, form },
    validationShare,
  };
}

/** Data that was read, and a digest of what it says, wherever it is read from. */
interface ReadData {
  readonly digest: string;
  /** The training rows, by which validation rows are told apart; none of what has no rows. */
  readonly trained: readonly MarkedRows[];
  /** What there is to train on, apart from the training rows of all stages. */
  readonly material: (trained: readonly MarkedRows[]) => Material;
}

/** The options of reading files. */
type ReadingOptions = Pick<DataOptions, "watch" | "keepsColumns" | "tables">;

/** The data in a place, and in that for validation. */
async function placesRead(
  places: StagePlaces,
  settings: TrainSettings,
  options: ReadingOptions,
): Promise<ReadData> {
  const { place, other } = places;
  const [texts, otherTexts] = [place, other].map((own) => own && textFiles(own));
  if (other !== undefined && (texts === undefined) !== (otherTexts === undefined)) {
    throw new UserError(
      `${place.name} and ${other.name} are not of one kind: give validation data of the same form`,
    );
  }
  return texts === undefined
    ? await rowsRead(places, settings, options)
    : await textRead(placeName(place), texts, otherTexts, settings);
}

/** Running text. */
async function textRead(
  name: string,
  files: readonly string[],
  others: readonly string[] | undefined,
  settings: TrainSettings,
): Promise<ReadData> {
  const { validationShare: share } = settings;
  const { columns } = readingOf(settings);
  const texts = await readTexts(files, columns);
  const dataset = others === undefined ? textDataset(texts, share) : {
    kind: "text" as const,
    train: joinedText(texts),
    validation: joinedText(await readTexts(others, columns)),
  };
  const digest = beginDigest();
  for (const part of [dataset.train, dataset.validation]) {
    digest.add(new TextEncoder().encode(`${part}\0`));
  }
  const material = datasetMaterial(name, dataset);
  return { digest: digest.value(), trained: [], material: () => material };
}

/** Rows. */
async function rowsRead(
  { place, other }: StagePlaces,
  settings: TrainSettings,
  options: ReadingOptions,
): Promise<ReadData> {
  const { validationShare: share } = settings;
  const { columns, needs } = readingOf(settings);
  const gathered = await readRows(place, columns, { needs, ...options });
  const aside = other === undefined
    ? undefined
    : { name: other.name, ...await readRows(other, columns, { needs, ...options }) };
  const { kind, key } = gathered;
  if (aside !== undefined && aside.kind !== kind) {
    throw new UserError(
      `${place.name} has ${kind}, and ${aside.kind} are in ${aside.name}: give validation data of ` +
        `the same form`,
    );
  }
  const { train, validation } = aside === undefined
    ? partsOf(gathered, place.name, share)
    : { train: gathered, validation: aside };
  const parts = [gathered, ...aside === undefined ? [] : [aside]];
  return {
    digest: digestOf(parts.map(({ digest }) => digest).join("\n")),
    trained: [train],
    material: (trained) => {
      const { rows, notes } = distinctRows(validation, trained);
      if (other !== undefined && rows.length === 0) {
        throw new UserError(
          `every row of ${other.name} is a training row as well: give other rows`,
        );
      }
      return datasetMaterial(placeName(place), datasetOf(kind, train.rows, rows), {
        characters: new Set(parts.map(({ characters }) => characters).join("")),
        notes,
        ...key !== undefined && { key },
      });
    },
  };
}

/** The built-in tasks. */
function tasksRead(settings: TrainSettings, watch: Watch): ReadData {
  const material = taskMaterial(settings, watch);
  const digest = beginDigest();
  const add = (value: unknown) =>
    digest.add(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  const { dataset: { train, validation }, examples } = material;
  for (const part of [train, validation]) for (const row of part) add(row);
  // The mistakes are data as well.
  for (const own of examples.train) for (const { rejected } of own) add(rejected);
  return { digest: digest.value(), trained: [], material: () => material };
}

function never(): never {
  throw new RangeError("prepare: a stage without data");
}
