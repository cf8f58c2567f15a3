/** Objectives by the field's names, each one expression of the parts. */
import { estimate } from "./estimation.ts";
import { type Demonstrations, gold } from "./gold.ts";
import { indicator } from "./indicator.ts";
import { intuitive, type IntuitiveDemonstrations, type IntuitiveOptions } from "./intuitive.ts";
import { nll, type NllOptions } from "./nll.ts";
import { type Objective, objective } from "./objective.ts";
import { propagated, type PropagationForm } from "./propagation.ts";

/**
 * Supervised fine-tuning: the gold prefixes stand for the model's own, and each target token's
 * likelihood is raised by itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sft } from "@unitune/objectives";
 *
 * assertEquals(sft().description.modelStates, "s*_n");
 * ```
 *
 * @param options What the loss is divided by: `"token"` unless told.
 * @returns The objective.
 */
export function sft(options: NllOptions = {}): Objective<Demonstrations, Demonstrations> {
  return objective(estimate(gold, indicator), nll(options));
}

/** What {@linkcode ift} can be told. */
export interface IftOptions extends IntuitiveOptions {
  /** The decay of the propagation for each position, from 0 to 1; 0.95 unless told. */
  readonly gamma?: number;
  /** The form of the propagation; `"as-run"` unless told. */
  readonly propagation?: PropagationForm;
}

/**
 * Intuitive Fine-Tuning (arXiv 2405.11870): the model is asked on states between the gold prefix
 * and its own, and a token's loss is weighted by the losses that follow from it. With
 * `lambda = gamma = 0` it is {@linkcode sft} divided by sequence.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ift } from "@unitune/objectives";
 *
 * assertEquals(ift({ lambda: 0.2, gamma: 0.95 }).description.forwardPasses, 2);
 * ```
 *
 * @param options Of the prior states and of the propagation.
 * @returns The objective.
 */
export function ift(
  { gamma = 0.95, propagation = "as-run", ...states }: IftOptions = {},
): Objective<Demonstrations, IntuitiveDemonstrations> {
  return objective(
    estimate(intuitive(states), indicator),
    propagated({ form: propagation, gamma }),
  );
}

/**
 * The catalogue: objectives with their defaults by name, so that Table 1 can be printed from what
 * runs.
 */
export const catalogue: { readonly sft: typeof sft; readonly ift: typeof ift } = { sft, ift };
