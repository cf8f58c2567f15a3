/** Training the game's policy by any objective, one compiled program for all seeds. */
import { adamw, type GradientTransform, rmsprop, sgd } from "@unitune/autodiff";
import { compile, evaluate, gather, key, tensor } from "@unitune/core";
import {
  distillation,
  initTrainingState,
  modelOf,
  modelOfLogits,
  type Objective,
  type TrainingState,
  trainingStep,
} from "@unitune/objectives";
import { type Random, randomStream } from "@unitune/training";
import type { Game } from "./dynamics.ts";
import type { PolicyMatrix } from "./evaluation.ts";
import { decisionCells } from "./lake.ts";
import {
  allCells,
  type Architecture,
  initialWeights,
  lakePolicy,
  matrixOf,
  type Weights,
} from "./policy.ts";

/** The name of an optimizer, at its usual constants. */
export type Optimizer = "adam" | "rmsprop" | "sgd";

/** The setting that all methods of an experiment share, which the paper leaves open. */
export interface Setting extends Architecture {
  readonly optimizer: Optimizer;
  readonly learningRate: number;
}

/** The policy at some moment of its training. */
export interface Moment {
  readonly weights: Weights;
  /** Its transition matrix. */
  readonly matrix: PolicyMatrix;
  /** The states that were read in the step before; none before the first step. */
  readonly read: readonly Reading[];
}

/** A cell that was read, and its weight among the others of its step. */
export interface Reading {
  readonly cell: number;
  readonly weight: number;
}

/** The situation that a batch may depend on. */
export interface Situation {
  /** The policy now. */
  readonly matrix: PolicyMatrix;
  /** The policy when the training began. */
  readonly reference: PolicyMatrix;
  /** Steps done. */
  readonly step: number;
  readonly random: Random;
}

/** A batch, and the cells that were read for it. */
export interface ReadBatch<B> {
  readonly batch: B;
  readonly read: readonly Reading[];
}

/** An objective and its feed of batches. */
export interface FedObjective<B> {
  readonly objective: Objective<B>;
  /** Gives the batches of one training, one at a time. */
  readonly feed: (random: Random) => (situation: Situation) => ReadBatch<B>;
  /** Whether the policy has a value head. */
  readonly hasValues?: boolean;
}

/** Trains by one method; holds its programs until it is disposed of. */
export interface Trainer extends Disposable {
  /**
   * Trains from given weights, which are consumed. Yields the moment before the first step and
   * after each one; the weights of a moment stay valid until the next.
   */
  readonly train: (start: Weights, seed: number, steps: number) => AsyncGenerator<Moment>;
}

/**
 * A trainer by an objective. Its step is compiled once, with the transition matrix beside it.
 *
 * @param game The game.
 * @param setting Policy and optimizer.
 * @param course The objective and its batches.
 * @returns The trainer.
 */
export function trainerOf<B>(game: Game, setting: Setting, course: FedObjective<B>): Trainer {
  const { optimizer, learningRate } = setting;
  if (optimizer === "adam") {
    return trainerBy(adamw(learningRate, { weightDecay: 0 }), game, setting, course);
  }
  if (optimizer === "rmsprop") return trainerBy(rmsprop(learningRate), game, setting, course);
  optimizer satisfies "sgd";
  return trainerBy(sgd(learningRate), game, setting, course);
}

function trainerBy<B, S>(
  optimizer: GradientTransform<S>,
  { lake }: Game,
  architecture: Architecture,
  { objective, feed, hasValues = false }: FedObjective<B>,
): Trainer {
  const policy = lakePolicy(lake, architecture, hasValues);
  const cells = allCells(lake);
  const logitsOf = (weights: Weights) => {
    const model = modelOf(policy, weights);
    return model.predict(model.embed(cells)).logits();
  };
  const look = compile(logitsOf);
  const advance = trainingStep({ policy, objective, optimizer });
  const step = compile((state: TrainingState<Weights, S>, batch: B) => {
    const result = advance(state, batch);
    return { state: result.state, logits: logitsOf(result.state.params) };
  }, { donate: [0] });
  async function* train(start: Weights, seed: number, steps: number): AsyncGenerator<Moment> {
    const reference = matrixOf(await look(start).data());
    let moment: Moment = { weights: start, matrix: reference, read: [] };
    yield moment;
    const random = randomStream(seed, 1);
    const next = feed(random);
    let state = initTrainingState(start, optimizer, key(seed));
    for (let i = 0; i < steps; i++) {
      const { batch, read } = next({ matrix: moment.matrix, reference, step: i, random });
      const result = step(state, batch);
      state = result.state;
      moment = { weights: state.params, matrix: matrixOf(await result.logits.data()), read };
      yield moment;
    }
  }
  return {
    train,
    [Symbol.dispose]() {
      look[Symbol.dispose]();
      step[Symbol.dispose]();
    },
  };
}

/** One trainer for some steps, then another from its last weights, with a new optimizer. */
export function after(first: Trainer, warmUp: number, second: Trainer): Trainer {
  async function* train(start: Weights, seed: number, steps: number): AsyncGenerator<Moment> {
    let weights = start;
    const warm = Math.min(warmUp, steps);
    for await (const moment of first.train(start, seed, warm)) {
      weights = moment.weights;
      yield moment;
    }
    let isFirst = true;
    for await (const moment of second.train(weights, seed, steps - warm)) {
      if (!isFirst) yield moment;
      isFirst = false;
    }
  }
  return {
    train,
    [Symbol.dispose]() {
      first[Symbol.dispose]();
      second[Symbol.dispose]();
    },
  };
}

/** Weights before training, already evaluated. */
export function startOf({ lake }: Game, setting: Setting, seed: number): Weights {
  return evaluate(initialWeights(lake, setting, seed));
}

/**
 * The optimal parameterised policy: the same two layers, trained to the optimal state-action matrix
 * of classical reinforcement learning by distillation, until they hold it.
 *
 * @param game The game.
 * @param setting The policy's setting.
 * @param optimal The optimal matrix.
 * @returns The trained policy's matrix.
 */
export async function parameterisedOptimum(
  game: Game,
  setting: Setting,
  optimal: PolicyMatrix,
): Promise<PolicyMatrix> {
  const { lake } = game;
  const cells = decisionCells(lake);
  const ids = tensor([[0, ...cells.map(() => 0)]], { dtype: "i32" });
  const batch = {
    ids,
    mask: tensor([[0, ...cells.map(() => 1)]]),
    observations: tensor([[...cells, 0]], { dtype: "i32" }),
  };
  // e^-30 is negligible beside 1 in f32.
  const table = tensor(optimal.map((row) => row.map((p) => p > 0 ? Math.log(p) : -30)));
  const teacher = modelOfLogits({ embed: (cells) => gather(table, cells), logits: (rows) => rows });
  using trainer = trainerOf(game, { ...setting, optimizer: "adam", learningRate: 0.03 }, {
    objective: distillation(teacher, { beta: 0 }),
    feed: () => () => ({ batch, read: [] }),
  });
  let matrix: PolicyMatrix = [];
  for await (const moment of trainer.train(startOf(game, setting, 0), 0, OPTIMUM_STEPS)) {
    matrix = moment.matrix;
  }
  return matrix;
}

/** After this many steps no entry is off by more than about 0.01. */
const OPTIMUM_STEPS = 400;
