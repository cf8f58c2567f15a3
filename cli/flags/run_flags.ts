/**
 * The flags of `train` that are no settings.
 *
 * @module
 */

import { rewardDefaults } from "../rewards/open.ts";
import type { FlagTable } from "./flags.ts";

/** Seconds of a day. */
const MOST_SECONDS = 86_400;

/** Where a run is kept and what it goes on from. */
export const runFlags = {
  out: {
    kind: "string",
    placeholder: "DIR",
    group: "Run",
    help: "The folder of the run.",
    defaultHelp: "a new one under runs/",
  },
  resume: {
    kind: "string",
    placeholder: "DIR",
    group: "Run",
    help: "Resumes the run in a folder from its last checkpoint, with the run's own settings.",
  },
  fromStep: {
    kind: "integer",
    min: 0,
    group: "Run",
    help: "With --resume: goes on from the checkpoint of this step, and makes later ones again.",
  },
  plan: {
    kind: "boolean",
    group: "Run",
    help: "Prints the memory that each stage takes, by what it is for, and about how long a step " +
      "takes. Nothing is trained, and no weights are read.",
  },
  showExample: {
    kind: "boolean",
    group: "Run",
    help: "Shows the first training example of each stage token by token, before the first step.",
  },
  rewardAllow: {
    kind: "string",
    placeholder: "NAMES",
    group: "Rollouts",
    help: "What rewards of files may do, by Deno's permissions joined by +, each perhaps with " +
      "places: read=words.txt,names.txt+net=localhost:8000.",
    defaultHelp: "nothing",
  },
  rewardTimeout: {
    kind: "number",
    default: rewardDefaults.seconds,
    above: 0,
    max: MOST_SECONDS,
    group: "Rollouts",
    help: "The most seconds that a reward of a file may take for a batch of answers.",
  },
  codeTimeout: {
    kind: "number",
    default: rewardDefaults.programSeconds,
    above: 0,
    max: MOST_SECONDS,
    group: "Rollouts",
    help: "The most seconds that the program of an answer may take, for the reward code.",
  },
  rewardMemory: {
    kind: "integer",
    default: rewardDefaults.mebibytes,
    min: 16,
    group: "Rollouts",
    help: "The most memory, in MiB, of a reward of a file, and of the program of an answer.",
  },
  cache: {
    kind: "boolean",
    default: true,
    group: "Data",
    help: "Keeps the rows of large files in memory, not in the cache, where the next start finds " +
      "them.",
  },
  config: {
    kind: "string",
    placeholder: "FILE",
    group: "Run",
    help: "A file of settings, JSON such as a run's config.json, or YAML. Flags override it.",
  },
  configFormat: {
    kind: "choice",
    choices: ["unitune", "trl"],
    default: "unitune",
    group: "Run",
    help:
      "Whose settings the file of --config has. Keys of TRL are read where they mean the same " +
      "here, and refused by name where not.",
  },
} as const satisfies FlagTable;
