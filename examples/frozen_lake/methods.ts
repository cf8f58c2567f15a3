/** The methods that are compared: objectives, and the batches that each is fed. */
import { type Tensor, tensor } from "@unitune/core";
import {
  type Demonstrations,
  dpo,
  grpo,
  ift,
  type IftOptions,
  type Objective,
  orpo,
  ppo,
  type PropagationForm,
  type ScoredPairs,
  type ScoredRollouts,
  sft,
  simpo,
} from "@unitune/objectives";
import type { Game } from "./dynamics.ts";
import { play, type Playout, type PolicyMatrix } from "./evaluation.ts";
import { actions, neighbour } from "./lake.ts";
import { environmentOf } from "./policy.ts";
import type { Trajectories, Trajectory } from "./search.ts";
import {
  after,
  type FedObjective,
  type Reading,
  type Setting,
  type Situation,
  type Trainer,
  trainerOf,
} from "./training.ts";

/** The part of the report that shows a method. */
export type MethodGroup = "paper" | "beyond" | "cause" | "propagation" | "lambda" | "gamma";

/** A method of the comparison. */
export interface Method {
  /** Its name in tables. */
  readonly name: string;
  /** Its distinction, in a few words. */
  readonly note: string;
  /** The part of the report that shows it. */
  readonly group: MethodGroup;
  /** The name of the method that it varies, whose colour it shares in figures. */
  readonly variantOf?: string;
  readonly trainer: (game: Game, trajectories: Trajectories, setting: Setting) => Trainer;
}

/** Rows of numbers, padded with 0 to the longest, or to a length. */
function paddedTensor(
  rows: readonly (readonly number[])[],
  { dtype = "f32", length }: { readonly dtype?: "f32" | "i32"; readonly length?: number } = {},
): Tensor {
  const width = length ?? rows.reduce((longest, row) => Math.max(longest, row.length), 0);
  const padded = rows.map((row) => Array.from({ length: width }, (_, t) => row[t] ?? 0));
  return tensor(padded, { dtype });
}

/**
 * Trajectories as demonstrations, one a row: each move is learned in the cell where it was made.
 */
export function demonstrationsOf(
  trajectories: readonly Pick<Trajectory, "actions" | "cells">[],
  length?: number,
): Demonstrations {
  const size = length === undefined ? {} : { length };
  const ofMoves = (of: (action: number) => number) =>
    trajectories.map(({ actions }) => [0, ...actions.map(of)]);
  return {
    ids: paddedTensor(ofMoves((action) => action), { dtype: "i32", ...size }),
    mask: paddedTensor(ofMoves(() => 1), size),
    observations: paddedTensor(trajectories.map(({ cells }) => cells), { dtype: "i32", ...size }),
  };
}

/** The cells in which the moves of a trajectory are made, each read alike. */
function readingsOf({ cells }: Pick<Trajectory, "cells">, weight = 1): readonly Reading[] {
  return cells.slice(0, -1).map((cell) => ({ cell, weight }));
}

/** Log-probabilities of a trajectory's moves, as batches hold them. */
function scoresOf({ actions, cells }: Trajectory, matrix: PolicyMatrix): number[] {
  return [0, ...actions.map((action, t) => Math.log(matrix[cells[t] ?? -1]?.[action] ?? NaN))];
}

function supervised({ optimal }: Trajectories): FedObjective<Demonstrations> {
  const batch = demonstrationsOf([optimal]);
  return { objective: sft(), feed: () => () => ({ batch, read: readingsOf(optimal) }) };
}

/** The options of IFT, with a fixed lambda. */
type LakeIftOptions = IftOptions & { readonly lambda?: number };

/** IFT whose own states are the outcomes of own moves: `env.step(s*_{i-1}, argmax pi)`. */
function intuitiveCourse(
  game: Game,
  { optimal }: Trajectories,
  options: LakeIftOptions,
): FedObjective<Demonstrations> {
  const batch = demonstrationsOf([optimal]);
  const { lambda = 0.2, ...others } = options;
  const [gold, own] = [readingsOf(optimal, 1 - lambda), readingsOf(optimal, lambda).slice(0, -1)];
  return {
    objective: ift({ ...others, environment: environmentOf(game), lambda }),
    feed: () => ({ matrix }) => ({
      batch,
      read: lambda === 0 ? gold : [
        ...gold,
        ...own.map(({ cell, weight }) => ({ cell: wayOf(game, cell, matrix), weight })),
      ],
    }),
  };
}

/**
 * The cell that the likeliest move leads to if it does not slip, since the step's key is not known
 * here.
 */
function wayOf({ lake }: Game, cell: number, matrix: PolicyMatrix): number {
  const row = matrix[cell] ?? [];
  // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
  return neighbour(lake, cell, row.indexOf(Math.max(...row)));
}

/** Pairs of trajectories, one a row. */
export interface PairData {
  readonly chosen: readonly Trajectory[];
  readonly rejected: readonly Trajectory[];
}

/** The paper's pair: the optimal trajectory over the sub-optimal one. */
function paperPair(_: Game, { optimal, suboptimal }: Trajectories): PairData {
  return { chosen: [optimal], rejected: [suboptimal] };
}

/**
 * Pairs whose rejected side makes one wrong step: it follows the optimal trajectory, and falls into
 * a hole from a cell of it. There is one pair for each such cell; if there is none, the paper's
 * pair.
 */
function wrongSteps(game: Game, trajectories: Trajectories): PairData {
  const { lake } = game;
  const { optimal } = trajectories;
  const rejected = optimal.actions.flatMap((_, t) => {
    const cell = optimal.cells[t] ?? lake.start;
    const fall = actions.findIndex((_, action) =>
      lake.cells[neighbour(lake, cell, action)] === "H"
    );
    return fall < 0 ? [] : [{
      actions: [...optimal.actions.slice(0, t), fall],
      cells: [...optimal.cells.slice(0, t + 1), neighbour(lake, cell, fall)],
    }];
  });
  if (rejected.length === 0) return paperPair(game, trajectories);
  return { chosen: rejected.map(() => optimal), rejected };
}

/** An objective on pairs of trajectories; the reference is the policy before training. */
function onPairs(
  { chosen, rejected }: PairData,
  objective: Objective<ScoredPairs>,
): FedObjective<ScoredPairs> {
  const sideOf = (trajectories: readonly Trajectory[], reference: PolicyMatrix) => ({
    ...demonstrationsOf(trajectories),
    referenceLogProbs: paddedTensor(trajectories.map((one) => scoresOf(one, reference))),
  });
  const read = [...chosen, ...rejected].flatMap((one) => readingsOf(one));
  return {
    objective,
    feed: () => {
      let batch: ScoredPairs | undefined;
      return ({ reference }) => {
        batch ??= { chosen: sideOf(chosen, reference), rejected: sideOf(rejected, reference) };
        return { batch, read };
      };
    },
  };
}

/** The number of games played before a step, and the number of steps that use them. */
const [GAMES, REUSE] = [32, 4] as const;

/** Games that the policy plays itself. */
function onGames(
  game: Game,
  objective: Objective<ScoredRollouts>,
  hasValues: boolean,
): FedObjective<ScoredRollouts> {
  const longest = game.lake.cells.length;
  return {
    objective,
    hasValues,
    feed: () => {
      let last: { readonly batch: ScoredRollouts; readonly read: readonly Reading[] } | undefined;
      return (situation) => {
        if (last === undefined || situation.step % REUSE === 0) {
          const games = Array.from(
            { length: GAMES },
            () => play(game, situation.matrix, situation.random, longest),
          );
          last = {
            batch: rolloutsOf(games, situation, longest),
            read: games.flatMap((game) => readingsOf(game)),
          };
        }
        return last;
      };
    },
  };
}

/** Games as a batch, padded to the longest possible. */
function rolloutsOf(
  games: readonly Playout[],
  { matrix, reference }: Situation,
  longest: number,
): ScoredRollouts {
  const length = longest + 1;
  const scores = (policy: PolicyMatrix) =>
    paddedTensor(games.map((game) => scoresOf(game, policy)), { length });
  return {
    ...demonstrationsOf(games, length),
    oldLogProbs: scores(matrix),
    referenceLogProbs: scores(reference),
    rewards: tensor(games.map(({ reward }) => reward)),
    temperature: 1,
  };
}

/**
 * The number of steps of SFT before PPO and GRPO, where they do not start from an untrained policy.
 */
const WARM_UP = 40;

const ppoTrainer: Method["trainer"] = (game, _, setting) =>
  trainerOf(game, setting, onGames(game, ppo(), true));
const grpoTrainer: Method["trainer"] = (game, _, setting) =>
  trainerOf(game, setting, onGames(game, grpo({ groupSize: GAMES }), false));
const sftTrainer: Method["trainer"] = (game, trajectories, setting) =>
  trainerOf(game, setting, supervised(trajectories));
const afterSft = (trainer: Method["trainer"]): Method["trainer"] => (...args) =>
  after(sftTrainer(...args), WARM_UP, trainer(...args));
const pairTrainer = (
  pairs: (game: Game, trajectories: Trajectories) => PairData,
  objective: Objective<ScoredPairs>,
): Method["trainer"] =>
(game, trajectories, setting) =>
  trainerOf(game, setting, onPairs(pairs(game, trajectories), objective));
const iftTrainer = (options: LakeIftOptions): Method["trainer"] => (game, trajectories, setting) =>
  trainerOf(game, setting, intuitiveCourse(game, trajectories, options));

const forms = [
  "none",
  "eq21",
  "eq21-decay",
  "as-run-detached",
] as const satisfies readonly PropagationForm[];

/** The methods, the paper's first. */
export const methods: readonly Method[] = [
  { name: "SFT", note: "optimal trajectory", group: "paper", trainer: sftTrainer },
  {
    name: "DPO",
    note: "optimal over sub-optimal, beta 0.1, the start as reference",
    group: "paper",
    trainer: pairTrainer(paperPair, dpo()),
  },
  {
    name: "ORPO",
    note: "optimal over sub-optimal, beta 0.25",
    group: "paper",
    trainer: pairTrainer(paperPair, orpo({ beta: 0.25 })),
  },
  {
    name: "IFT",
    note: "optimal trajectory, lambda 0.2, gamma 0.95, propagation as run",
    group: "paper",
    trainer: iftTrainer({}),
  },
  {
    name: "SimPO",
    note: "optimal over sub-optimal, beta 2, gamma 1.6",
    group: "beyond",
    trainer: pairTrainer(paperPair, simpo({ beta: 2, gamma: 1.6 })),
  },
  {
    name: "DPO falls",
    note: "DPO, but the rejected trajectory falls into a hole",
    group: "cause",
    variantOf: "DPO",
    trainer: pairTrainer(wrongSteps, dpo()),
  },
  {
    name: "ORPO falls",
    note: "ORPO, but the rejected trajectory falls into a hole",
    group: "cause",
    variantOf: "ORPO",
    trainer: pairTrainer(wrongSteps, orpo({ beta: 0.25 })),
  },
  { name: "PPO", note: "own games from the start", group: "beyond", trainer: ppoTrainer },
  { name: "GRPO", note: "own games from the start", group: "beyond", trainer: grpoTrainer },
  {
    name: "SFT+PPO",
    note: `own games after ${WARM_UP} steps of SFT`,
    group: "beyond",
    variantOf: "PPO",
    trainer: afterSft(ppoTrainer),
  },
  {
    name: "SFT+GRPO",
    note: `own games after ${WARM_UP} steps of SFT`,
    group: "beyond",
    variantOf: "GRPO",
    trainer: afterSft(grpoTrainer),
  },
  ...forms.map((propagation): Method => ({
    name: `IFT ${propagation}`,
    note: `propagation ${propagation}`,
    group: "propagation",
    variantOf: "IFT",
    trainer: iftTrainer({ propagation }),
  })),
  ...[0, 0.1, 0.4, 0.6, 0.8, 1].map((lambda): Method => ({
    name: `IFT l=${lambda}`,
    note: `lambda ${lambda}`,
    group: "lambda",
    variantOf: "IFT",
    trainer: iftTrainer({ lambda }),
  })),
  ...[0, 0.5, 0.9, 1].map((gamma): Method => ({
    name: `IFT g=${gamma}`,
    note: `gamma ${gamma}`,
    group: "gamma",
    variantOf: "IFT",
    trainer: iftTrainer({ gamma }),
  })),
];
