/** The settings of the frozen lake. */
import { type OptionTable, type OptionValues, optionValues } from "@unitune/objectives";
import { maps } from "../frozen_lake/lake.ts";

/** The rows of a map, without spaces around them; a slash stands for the end of a line. */
export const rowsOfMap = (map: string): readonly string[] =>
  map.split(/[\n/]/).map((row) => row.trim()).filter((row) => row !== "");

/** A map on one line. */
export const mapOf = (rows: readonly string[]): string => rows.join("/");

/** The most cells of a side: the trajectories of larger lakes take long to search. */
export const LONGEST_SIDE = 8;

/** The most methods side by side. */
export const MOST_METHODS = 4;

/** The settings, by their names in an address. */
export const lakeTable = {
  map: {
    kind: "string",
    default: mapOf(rowsOfMap(maps.paper)),
    help: "The rows of the lake: S, F, H and G, with a slash between two rows.",
  },
  slippery: {
    kind: "boolean",
    default: false,
    help: "Whether the player slips: a move goes as it is meant in a third of the cases.",
  },
  methods: {
    kind: "string",
    default: "SFT,DPO,IFT",
    help: "The methods, with commas between them.",
  },
  lakeSeed: {
    kind: "integer",
    default: 0,
    min: 0,
    help: "The seed of the policies and of their games.",
  },
  lakeSteps: {
    kind: "integer",
    default: 400,
    min: 1,
    max: 10_000,
    help: "The steps of each method.",
  },
} as const satisfies OptionTable;

/** The values of these settings. */
export type LakeValues = OptionValues<typeof lakeTable>;

/** The lake that a visitor finds. */
export const firstLake: LakeValues = optionValues("lake", lakeTable);

/** The names of methods in a setting. */
export const methodsIn = (methods: string): readonly string[] =>
  methods.split(",").map((name) => name.trim()).filter((name) => name !== "");
