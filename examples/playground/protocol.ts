/** The messages between the page and its workers, closed unions on both sides. */
import type { PolicyMatrix } from "../frozen_lake/evaluation.ts";
import type { Snapshot } from "../frozen_lake/experiment.ts";
import type { Lake } from "../frozen_lake/lake.ts";
import type { Experiment } from "./experiment.ts";

/** A question to the models: what each expects along an answer. */
export interface Wondering {
  readonly prompt: string;
  /** The gold answer. */
  readonly answer: string;
  /** The share of the model's own token in the mix, from 0 to 1. */
  readonly lambda: number;
  /** A wrong token that the models have to say, if one was clicked. */
  readonly forced?: ForcedToken;
}

/** A token in place of another in an answer. */
export interface ForcedToken {
  /** The number of the token in the answer, from 0. */
  readonly at: number;
  readonly token: string;
}

/** A token and its probability. */
export interface Expectation {
  readonly token: string;
  readonly probability: number;
}

/** What a model expects at a position of an answer. */
export interface Position {
  /** The token that stands there. */
  readonly said: string;
  /** The likeliest tokens, a few, the likeliest first. */
  readonly expected: readonly Expectation[];
  /** The probability of the gold token there; undefined beyond the gold answer. */
  readonly gold: number | undefined;
}

/** What a model expects along an answer. */
export interface Belief {
  /** The index of the objective; -1 for the common checkpoint. */
  readonly lane: number;
  /** The number of steps that the model has been trained for. */
  readonly step: number;
  /** Along the gold answer, each token after the gold prefix. */
  readonly gold: readonly Position[];
  /** Along its own greedy answer, after the forced token if there is one. */
  readonly own: readonly Position[];
  /** Along the gold answer, each token after the mix of gold and own tokens. */
  readonly mixed: readonly Position[];
}

/** What the page wants to see. */
export interface LakeWish {
  /** Rows of S, F, H and G. */
  readonly map: string;
  readonly slippery: boolean;
  /** The names of the methods. */
  readonly methods: readonly string[];
  readonly seed: number;
  readonly steps: number;
}

/** The lake, before the first step. */
export interface LakeScene extends Lake {
  /** The optimal policy. */
  readonly optimal: PolicyMatrix;
  /** The cells of the demonstrated trajectory. */
  readonly demonstrated: readonly number[];
  /** The probability that the optimal policy reaches the goal, from each cell. */
  readonly successFrom: readonly number[];
  /** The methods, in the order of their moments. */
  readonly methods: readonly { readonly name: string; readonly note: string }[];
}

/** A policy at a step. */
export interface LakeMoment
  extends Pick<Snapshot, "step" | "matrix" | "reach" | "successFrom" | "teacherForced"> {
  /** The index of the method. */
  readonly method: number;
  /** The mean squared distance to the optimal policy. */
  readonly distance: number;
}

/** A request of the page. */
export type Request =
  /** Prepares an experiment, and trains its common checkpoint. */
  | { readonly kind: "open"; readonly experiment: Experiment }
  /** Takes steps until it is told to pause. */
  | { readonly kind: "play" }
  | { readonly kind: "pause" }
  /** Takes one step of each training. */
  | { readonly kind: "step" }
  /** The most steps a second; 0 for as many as there can be. */
  | { readonly kind: "pace"; readonly stepsPerSecond: number }
  /** Asks what the models expect. */
  | { readonly kind: "wonder"; readonly number: number; readonly wondering: Wondering }
  /** Trains on a frozen lake. */
  | { readonly kind: "lake"; readonly wish: LakeWish };

/** The values that one training measured at a step. */
export interface Point {
  /** The index of the objective. */
  readonly lane: number;
  /** The index of the seed. */
  readonly seed: number;
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A question of the held-out data, to start a prompt of one's own from. */
export interface KnownQuestion {
  readonly prompt: string;
  readonly gold: string;
}

/** What a worker tells. */
export type Tiding =
  /** An experiment is begun: what was told before is of another one. */
  | { readonly kind: "begun" }
  /** The base is trained; `step` of `steps`. */
  | { readonly kind: "base"; readonly step: number; readonly steps: number }
  /** The trainings can begin. */
  | {
    readonly kind: "ready";
    readonly device: string;
    readonly exactMatch: number;
    readonly questions: readonly KnownQuestion[];
  }
  | { readonly kind: "points"; readonly points: readonly Point[] }
  /** All trainings have taken all their steps. */
  | { readonly kind: "done" }
  | {
    readonly kind: "beliefs";
    readonly number: number;
    readonly beliefs: readonly Belief[];
  }
  | { readonly kind: "scene"; readonly scene: LakeScene }
  | { readonly kind: "moment"; readonly moment: LakeMoment }
  /** Something was wrong: a sentence for the visitor. */
  | { readonly kind: "failed"; readonly during: Request["kind"]; readonly message: string };
