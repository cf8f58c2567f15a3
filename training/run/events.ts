/**
 * Events of a training run.
 *
 * @module
 */

import type { Cost } from "../learner/cost.ts";
import type { SplitReport } from "../evaluation.ts";
import type { RolloutSample } from "../feeds/feed.ts";
import type { UserMessage } from "../text/message.ts";

/** The place of an event in a run. */
export interface EventPlace {
  /** The number of finished steps since the start of the run. */
  readonly step: number;
  /** The index of the stage, from 0. */
  readonly stage: number;
}

/** The main metrics of some steps. */
export interface Measured {
  /** The loss of the last step. */
  readonly loss?: number | undefined;
  /** The mean reward of answers; undefined for objectives without rewards. */
  readonly reward?: number | undefined;
  /** The share of answers that no reward could judge, above 0; undefined where there are none. */
  readonly unscorable?: number | undefined;
  /** The share of padding in the last step; undefined where it is not known. */
  readonly padding?: number | undefined;
}

/** An event of a run. */
export type TrainingEvent =
  & EventPlace
  & (
    | {
      /** A note on the data of a stage. */
      readonly kind: "note";
      /** The sentence for the user. */
      readonly text: UserMessage;
    }
    | {
      /** The work before the next step begins. */
      readonly kind: "phase";
      /** The name of the work. */
      readonly phase: "preparing" | "evaluating" | "saving";
      /** The split that is evaluated. */
      readonly split?: string;
    }
    | {
      /** A stage begins or is resumed, before its first step. */
      readonly kind: "stage";
    }
    | {
      /** A step is finished. */
      readonly kind: "step";
      /** The metrics since the last reading, if they were read after this step. */
      readonly measured?: Measured;
      /** The cost of the run so far. */
      readonly cost: Cost;
    }
    | {
      /** The metrics of a logged step, before the event of the step itself. */
      readonly kind: "metrics";
      /** The epoch: how often all data was read. */
      readonly epoch: number;
      /** The metrics by name, `loss` among them. */
      readonly metrics: Readonly<Record<string, number>>;
      /** The cost of the run so far. */
      readonly cost: Cost;
    }
    | {
      /** Sampled answers of a step; only some steps have this event. */
      readonly kind: "rollouts";
      /** The answers and their rewards. */
      readonly samples: readonly RolloutSample[];
    }
    | {
      /** The model was evaluated on a split. */
      readonly kind: "evaluation";
      /** The metrics and answers. */
      readonly report: SplitReport;
    }
    | {
      /** A checkpoint was saved. */
      readonly kind: "saved";
    }
  );
