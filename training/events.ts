/**
 * What happens in a run, told to whoever carries it out.
 *
 * @module
 */

import type { Cost } from "./cost.ts";
import type { SplitReport } from "./evaluation.ts";
import type { RolloutSample } from "./feeds/feed.ts";
import type { Message } from "./message.ts";

/** Where in a run an event happens. */
export interface EventPlace {
  /** Steps done since the start of the run. */
  readonly step: number;
  /** The stage, from 0. */
  readonly stage: number;
}

/** What some steps have measured, in short. */
export interface Measured {
  /** The last loss. */
  readonly loss?: number | undefined;
  /** The mean reward of answers, where answers are rewarded. */
  readonly reward?: number | undefined;
}

/** Something that happens in a run. */
export type TrainingEvent =
  & EventPlace
  & (
    | {
      /** Something to know of a stage's data. */
      readonly kind: "note";
      /** A sentence. */
      readonly text: Message;
    }
    | {
      /** What is done until the next step. */
      readonly kind: "phase";
      /** What is done. */
      readonly phase: "preparing" | "evaluating" | "saving";
      /** The split that is evaluated. */
      readonly split?: string;
    }
    | {
      /** A stage begins, or goes on: the next event of a step is its first. */
      readonly kind: "stage";
    }
    | {
      /** A step is done. */
      readonly kind: "step";
      /** What the steps since the last time have measured, where it was read after this one. */
      readonly measured?: Measured;
    }
    | {
      /** The metrics of a step that is logged. They are read before the step's own event. */
      readonly kind: "metrics";
      /** How often the data was seen. */
      readonly epoch: number;
      /** The metrics by name, `loss` among them. */
      readonly metrics: Readonly<Record<string, number>>;
      /** What the run has cost so far. */
      readonly cost: Cost;
    }
    | {
      /** Some steps show the answers that they train on. */
      readonly kind: "rollouts";
      /** The answers and their rewards. */
      readonly samples: readonly RolloutSample[];
    }
    | {
      /** The model was evaluated on a split. */
      readonly kind: "evaluation";
      /** Its metrics and answers. */
      readonly report: SplitReport;
    }
    | {
      /** A checkpoint is safe. */
      readonly kind: "saved";
    }
  );
