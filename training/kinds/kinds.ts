/**
 * The kinds of data that objectives read, a row each.
 *
 * @module
 */

import type { DataKind } from "@unitune/objectives";
import { demonstrations } from "./demonstrations.ts";
import { labels } from "./labels.ts";
import { pairs } from "./pairs.ts";
import { rollouts } from "./rollouts.ts";
import type { KindRow } from "./stage.ts";
import { steps } from "./steps.ts";
import { triples } from "./triples.ts";

/** The kinds of data: how rows are prepared, and what learns from them. */
export const dataKinds: { readonly [Kind in DataKind]: KindRow } = {
  demonstrations,
  pairs,
  triples,
  labels,
  steps,
  rollouts,
};
