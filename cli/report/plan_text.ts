/**
 * The plan of a run as text: what each stage takes, and about how long.
 *
 * @module
 */

import {
  keepsActivations,
  memoryWords,
  showBytes,
  type StepPlan,
  totalMemory,
  type TrainSettings,
} from "@unitune/training";
import { alignTable, showCount } from "../terminal/layout.ts";
import { formatDuration } from "../terminal/progress.ts";
import { type Pace, secondsOf } from "../run/pace.ts";

/** The plans of a stage: of a step that keeps what blocks compute, and of one that does not. */
export interface StagePlans {
  /** The settings of the stage. */
  readonly settings: TrainSettings;
  /** With what blocks compute kept for their gradient. */
  readonly kept: StepPlan;
  /** With it computed again. */
  readonly again: StepPlan;
}

/** What a plan is made for. */
export interface PlanFor {
  /** The bytes that a training may take; `Infinity` where that is unknown. */
  readonly limit: number;
  /** The name of the device. */
  readonly device: string;
  /** Its pace (default: unknown). */
  readonly pace?: Pace | undefined;
}

/**
 * The plan that a stage is going to follow.
 *
 * @param plans Both plans.
 * @param limit The bytes that it may take.
 * @returns The plan.
 */
export function chosenPlan({ settings, kept, again }: StagePlans, limit: number): StepPlan {
  return keepsActivations(settings.checkpointActivations, kept, limit) ? kept : again;
}

/** Memory of a kind is told if it is more than one part in so many. */
const LEAST_SHARE = 1000;

/**
 * The plan of a stage as lines: memory by what it is for, both ways to compute it, and the time.
 *
 * @param plans The plans of the stage.
 * @param on What it is made for.
 * @returns The lines.
 */
export function planLines(plans: StagePlans, { limit, device, pace }: PlanFor): string[] {
  const { settings, kept, again } = plans;
  const chosen = chosenPlan(plans, limit);
  const memory = new Map(Object.entries(chosen.memory));
  const needed = totalMemory(chosen.memory);
  const parts = Object.entries(memoryWords).flatMap(([kind, word]) => {
    const bytes = memory.get(kind) ?? NaN;
    return bytes * LEAST_SHARE < needed ? [] : [[`  ${word}`, showBytes(bytes)]];
  });
  const verdict = limit === Infinity
    ? `the memory of ${device} is unknown`
    : needed <= limit
    ? `it fits into the ${showBytes(limit)} of ${device}`
    : `it does not fit into the ${showBytes(limit)} of ${device}`;
  const ways = [[kept, "none"], [again, "blocks"]] as const;
  return [
    ...alignTable([...parts, ["  in all", showBytes(needed)]]),
    `${verdict}; gradients and activations are those at the moment when a step takes most`,
    ...alignTable(
      ways.map(([plan, name]) => [
        `  --checkpoint-activations ${name}${plan === chosen ? " (chosen)" : ""}`,
        showBytes(totalMemory(plan.memory)),
        ...pace === undefined ? [] : [`${showSeconds(secondsOf(plan, pace))} a step`],
      ]),
    ),
    ...pace === undefined ? [] : [timeText(settings.steps, chosen, device, pace)],
  ];
}

/** The time of a stage, and what it is estimated from. */
function timeText(steps: number, plan: StepPlan, device: string, pace: Pace): string {
  const seconds = secondsOf(plan, pace);
  return `a step takes about ${showSeconds(seconds)}, ${steps} steps about ` +
    `${showSeconds(seconds * steps)}: ${showCount(plan.multiplications)} multiplications at ` +
    `${showCount(pace.multiplications)} a second, and ${showBytes(plan.movedBytes)} read and ` +
    `written at ${
      showBytes(pace.bytes)
    } a second, the pace of a product and of a sum on ${device} ` +
    `just now. All rows count as the longest; evaluations, and answers that the model gives, do ` +
    `not count`;
}

/** A time with two digits where it is short. */
function showSeconds(seconds: number): string {
  return seconds < 60 ? `${Number(seconds.toPrecision(2))} s` : formatDuration(seconds);
}
