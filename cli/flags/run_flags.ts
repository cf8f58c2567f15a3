/**
 * The flags of `train` that are no settings.
 *
 * @module
 */

import type { FlagTable } from "./flags.ts";

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
  showExample: {
    kind: "boolean",
    group: "Run",
    help: "Shows the first training example of each stage token by token, before the first step.",
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
