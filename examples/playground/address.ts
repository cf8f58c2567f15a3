/** The address of the page: every setting that differs from its default, so that a link is a run. */
import { quoted } from "@unitune/core";
import { defaultOf, type OptionTable, optionValues } from "@unitune/objectives";
import { UserError } from "@unitune/training";
import { misfit, readComposition } from "./compose/composition.ts";
import { type DeviceName, deviceNames } from "./device_names.ts";
import { type Experiment, experimentTable, firstExperiment, MOST_LANES } from "./experiment.ts";
import { firstLake, lakeTable, type LakeValues } from "./lake_settings.ts";
import { laneOf, nameIn, optionOf, untrainable } from "./lanes.ts";

/** The views of the page. */
export const views = ["train", "compose", "believe", "lake", "own"] as const;

/** A view of the page. */
export type View = typeof views[number];

/** What an address says. */
export interface Place {
  readonly view: View;
  readonly experiment: Experiment;
  /** The parts of Compose as the word of a lane; they need not fit together. */
  readonly parts: string;
  readonly lake: LakeValues;
  /** What the models of Train are trained on. */
  readonly device: DeviceName;
}

/** The place that a visitor finds. */
export const firstPlace: Place = {
  view: "train",
  experiment: firstExperiment,
  parts: "intuitive*indicator*propagated",
  lake: firstLake,
  device: "wasm",
};

/** What was read of an address, and what could not be. */
export interface ReadPlace {
  readonly place: Place;
  /** A sentence for each part that is wrong; its default stands in its place. */
  readonly faults: readonly string[];
}

const isView = (text: string): text is View => views.some((view) => view === text);
const isDevice = (text: string): text is DeviceName => deviceNames.some((name) => name === text);

/**
 * Refuses objectives that cannot be trained by side by side.
 *
 * @throws {UserError} If a word is wrong, its objective cannot be trained by, or there are too many.
 */
export function checkLanes(words: readonly string[]): void {
  if (words.length === 0 || words.length > MOST_LANES) {
    throw new UserError(`choose 1 to ${MOST_LANES} objectives, not ${words.length}`);
  }
  const twice = words.find((word, i) => words.indexOf(word) !== i);
  if (twice !== undefined) {
    throw new UserError(`${twice} stands there twice: give one of them other options`);
  }
  for (const word of words) {
    const { entry } = laneOf(word);
    const reason = untrainable(entry);
    if (reason !== undefined) {
      throw new UserError(`${entry.name} cannot be trained here: ${reason}`);
    }
  }
}

/**
 * Refuses parts that there are not, or options of those that fit together which they do not take.
 *
 * @throws {UserError} If a part or an option is wrong.
 */
function checkParts(word: string): void {
  if (misfit(readComposition(nameIn(word))) === undefined) laneOf(word);
}

/** The names in an address that are no settings of a table. */
const otherNames: readonly string[] = ["view", "lanes", "parts", "device"];

/** Both tables, whose names differ. */
const tables: OptionTable = { ...experimentTable, ...lakeTable };

/** The entries of values that are of a table. */
function ofTable<V>(table: OptionTable, values: Readonly<Record<string, V>>): Record<string, V> {
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => Object.hasOwn(table, name)),
  );
}

/**
 * Reads the part of an address behind `#`.
 *
 * @param hash The part, with or without `#`.
 * @returns The place; where a part is wrong, its default, and a sentence that says so.
 */
export function readAddress(hash: string): ReadPlace {
  const faults: string[] = [];
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const orFault = <T>(read: () => T, usual: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      faults.push(error.message);
      return usual;
    }
  };
  const values: Record<string, string | number | boolean> = {};
  for (const [name, text] of given) {
    const option = Object.hasOwn(tables, name) ? tables[name] : undefined;
    if (option !== undefined) {
      const usual = defaultOf(option);
      const value = orFault(() => optionOf(name, option, text), usual);
      if (value !== undefined) values[name] = value;
    } else if (!otherNames.includes(name)) {
      faults.push(`the address has a setting ${quoted(name)} that the playground does not know`);
    }
  }
  const view = given.get("view") ?? firstPlace.view;
  if (!isView(view)) faults.push(`there is no view ${quoted(view)}: ${views.join(", ")}`);
  const device = given.get("device") ?? firstPlace.device;
  if (!isDevice(device)) {
    faults.push(`there is no device ${quoted(device)}: ${deviceNames.join(", ")}`);
  }
  const words = given.get("lanes");
  const lanes = words === null ? firstExperiment.lanes : orFault(() => {
    const own = words.split(";");
    checkLanes(own);
    return own;
  }, firstExperiment.lanes);
  const composed = given.get("parts") ?? firstPlace.parts;
  const parts = orFault(() => (checkParts(composed), composed), firstPlace.parts);
  const ofExperiment = optionValues("address", experimentTable, ofTable(experimentTable, values));
  return {
    place: {
      view: isView(view) ? view : firstPlace.view,
      experiment: { values: ofExperiment, lanes },
      parts,
      lake: optionValues("address", lakeTable, ofTable(lakeTable, values)),
      device: isDevice(device) ? device : firstPlace.device,
    },
    faults,
  };
}

/**
 * The address of a place: what differs from {@linkcode firstPlace}.
 *
 * @param place The place.
 * @returns The part of an address behind `#`.
 */
export function addressOf(
  { view, experiment: { values, lanes }, parts, lake, device }: Place,
): string {
  const said = new URLSearchParams();
  if (view !== firstPlace.view) said.set("view", view);
  if (lanes.join(";") !== firstExperiment.lanes.join(";")) said.set("lanes", lanes.join(";"));
  if (parts !== firstPlace.parts) said.set("parts", parts);
  if (device !== firstPlace.device) said.set("device", device);
  const usual = new Map<string, unknown>(
    Object.entries({ ...firstExperiment.values, ...firstLake }),
  );
  for (const [name, value] of Object.entries({ ...values, ...lake })) {
    if (value !== usual.get(name)) said.set(name, String(value));
  }
  return said.toString();
}
