/**
 * The forms of rows that each kind of data needs.
 *
 * @module
 */

import type { DataKind } from "@unitune/objectives";
import type { FormName } from "./row_forms.ts";

/** The forms of each kind of data that are read first, where the rows of a file fit several. */
export const neededForms: Readonly<Record<DataKind, readonly FormName[]>> = {
  // With labels, a completion may be one that nobody liked.
  demonstrations: ["messages", "conversations", "labels", "completions"],
  pairs: ["pairs", "implicit-pairs", "scores"],
  triples: ["triples", "scores"],
  labels: ["labels", "pairs", "implicit-pairs", "scores"],
  steps: ["steps"],
  // The completion is what answers are compared with.
  rollouts: [
    ...["labels", "completions", "pairs", "implicit-pairs", "scores"] as const,
    ...["messages", "conversations", "prompts"] as const,
  ],
};
