/** Random policies with a batch of every kind of data, so that the whole registry can be run. */
import {
  add,
  cast,
  evaluate,
  type FloatDType,
  type Head,
  key,
  mul,
  normal,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  type Demonstrations,
  type GivenOptions,
  type Guided,
  type LabelledSteps,
  modelOf,
  type Objective,
  type ObjectiveEntry,
  objectiveRegistry,
  type Policy,
  type RewardParts,
  type ScoredDemonstrations,
  type ScoredLabelledAnswers,
  type ScoredPairs,
  type ScoredRollouts,
  type ScoredTriples,
  scoreTokens,
  type ValueScores,
} from "@unitune/objectives";
import fc from "fast-check";
import { idsOf, type Parameters, policy as wordPolicy } from "./arbitrary.ts";

const total: Head = (hidden) => sum(hidden, { axes: [-1], keepDims: true });

/** The policy of the other tests, with a value head over the same hidden states. */
export const actorCritic: Policy<Parameters> = {
  ...wordPolicy,
  value: () => total,
};

/** A reward model: its head has one output. */
export const scorer: Policy<Parameters> = { ...wordPolicy, head: () => total };

/** A batch of every kind, in groups of two. */
export interface World {
  readonly dtype: FloatDType;
  readonly params: Parameters;
  readonly reference: Parameters;
  readonly demonstrations: ScoredDemonstrations;
  readonly pairs: ScoredPairs;
  readonly triples: ScoredTriples;
  readonly labels: ScoredLabelledAnswers;
  readonly steps: LabelledSteps & ScoredDemonstrations;
  readonly rollouts: ScoredRollouts & Required<ValueScores> & Required<Guided> & RewardParts;
}

/** Two rewards of each row, with their weights. */
function rewardsOneByOne(rows: number, dtype: FloatDType): Required<RewardParts> {
  const table = (of: (row: number) => number[]) =>
    tensor(Array.from({ length: rows }, (_, row) => of(row)), { dtype });
  return {
    rewardParts: table((row) => [row % 2, (row * row) % 3]),
    rewardWeights: table(() => [1, 0.5]),
  };
}

export const GROUP = 2;

/** What a world is made of. */
export interface WorldOptions {
  readonly seed: number;
  /** How far the reference and the policy that sampled are from the policy; 0 for step 0. */
  readonly distance: number;
  readonly rows?: number;
  readonly length?: number;
  readonly vocabulary?: number;
  readonly dtype?: FloatDType;
  /** The observations that the policy reads in place of tokens (default: the tokens). */
  readonly observe?: (ids: Tensor) => Tensor;
  /** The temperature that rollouts were sampled at (default 1). */
  readonly temperature?: number;
  /** Whether batches say how many tokens are learned, so that no others are predicted (default no). */
  readonly onlyLearned?: boolean;
}

/** A generator of small integers, the same for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed + 1;
  return (sides) => {
    state = (state * 48271 + 11) % 2147483647;
    return Math.floor(state / 65536) % sides;
  };
}

export function worldOf(
  {
    seed,
    distance,
    rows = 4,
    length = 6,
    vocabulary = 4,
    dtype = "f64",
    observe,
    temperature = 1,
    onlyLearned = false,
  }: WorldOptions,
): World {
  const roll = dice(seed);
  const matrix = (k: number, height: number, scale: number) =>
    mul(cast(normal(key(seed * 8 + k), [height, 3]), dtype), scale);
  const params = evaluate({ table: matrix(0, vocabulary, 1), mixing: matrix(1, 3, 1) });
  const reference = evaluate({
    table: add(params.table, matrix(2, vocabulary, distance)),
    mixing: params.mixing,
  });
  const sampler = evaluate({
    table: add(params.table, matrix(3, vocabulary, distance)),
    mixing: params.mixing,
  });
  const table = <T>(cell: (b: number, t: number) => T) =>
    Array.from({ length: rows }, (_, b) => Array.from({ length }, (_, t) => cell(b, t)));
  const answers = (): Demonstrations => {
    // A prompt of one or two tokens, an answer of at least two, then padding.
    const ends = Array.from({ length: rows }, () => 4 + roll(length - 3));
    const starts = Array.from({ length: rows }, () => 1 + roll(2));
    const inAnswer = (b: number, t: number) => t >= (starts[b] ?? 0) && t < (ends[b] ?? 0);
    const ids = idsOf(table(() => roll(vocabulary)));
    const learned = ends.reduce((total, end, b) => total + end - (starts[b] ?? 0), 0);
    return {
      ids,
      ...(onlyLearned ? { learned } : {}),
      ...(observe === undefined ? {} : { observations: observe(ids) }),
      mask: tensor(table((b, t) => inAnswer(b, t) ? 1 : 0), { dtype }),
    };
  };
  // On the tokens, whatever is observed: scores are data here.
  const scoredBy = (by: Parameters, { observations: _unread, ...batch }: Demonstrations) =>
    evaluate(scoreTokens(modelOf(wordPolicy, by), batch));
  const valuedBy = (by: Parameters, { ids }: Demonstrations) => {
    const { embed, predict } = modelOf(actorCritic, by);
    return evaluate(predict(embed(ids)).values());
  };
  const scored = (beside: Pick<Demonstrations, "temperature"> = {}): ScoredDemonstrations => {
    const own = { ...answers(), ...beside };
    return { ...own, referenceLogProbs: scoredBy(reference, own) };
  };
  const rollouts = scored({ temperature });
  // The last answer of each group was given, of every second one its first half.
  const given = table((b, t) => b % GROUP === GROUP - 1 && (b < GROUP || t < length / 2) ? 1 : 0);
  const labelled = scored();
  return {
    dtype,
    params,
    reference,
    demonstrations: scored(),
    pairs: { chosen: scored(), rejected: scored() },
    labels: {
      ...labelled,
      labels: tensor(Array.from({ length: rows }, (_, b) => b % 2), { dtype }),
      mismatched: scored(),
    },
    rollouts: {
      ...rollouts,
      rewards: tensor(Array.from({ length: rows }, (_, b) => b % 2 + roll(3) / 4), { dtype }),
      ...rewardsOneByOne(rows, dtype),
      temperature,
      oldLogProbs: scoredBy(sampler, rollouts),
      oldValues: valuedBy(reference, rollouts),
      given: tensor(given, { dtype }),
      privileged: { ids: rollouts.ids, mask: rollouts.mask, temperature },
    },
    steps: { ...scored(), labels: tensor(table((b, t) => (b + t) % 2), { dtype }) },
    triples: { chosen: scored(), rejected: scored(), gold: scored() },
  };
}

/** Worlds whose policy has moved from its reference; options, which print in a line. */
export const worlds: fc.Arbitrary<WorldOptions> = fc.record({
  seed: fc.nat(1e5),
  rows: fc.constantFrom(2, 4),
  length: fc.integer({ min: 5, max: 7 }),
  vocabulary: fc.integer({ min: 2, max: 5 }),
}).map((options) => ({ ...options, distance: 0.3 }));

/** An entry of the registry, with what it runs on: whatever the data are. */
export interface Entry extends Pick<ObjectiveEntry, "name" | "data" | "trains" | "values"> {
  /** Calls a function with the entry's parts, of which only it knows the kind of data. */
  readonly use: <R>(f: <B>(parts: Parts<B>) => R) => R;
}

/** An objective, its policy and its batch. */
export interface Parts<B> {
  readonly policy: Policy<Parameters>;
  readonly objective: Objective<B>;
  readonly batch: B;
}

/**
 * All entries of the registry in a world, the model that some of them ask, and values of options, for
 * the entries that have them.
 */
export function entriesOf(
  world: World,
  reference = modelOf(wordPolicy, world.reference),
  chosen: GivenOptions = {},
): Entry[] {
  const models = { reference, teacher: reference };
  return objectiveRegistry.map((entry): Entry => {
    const { name, data, trains, values } = entry;
    const policy = trains !== "policy" ? scorer : values ? actorCritic : wordPolicy;
    const options = Object.fromEntries(
      Object.entries({ ...chosen, groupSize: GROUP })
        .filter(([name]) => Object.hasOwn(entry.options, name)),
    );
    const use: Entry["use"] = (f) => {
      switch (entry.data) {
        case "demonstrations": {
          const objective: Objective<ScoredDemonstrations> = entry.make(options, models);
          return f({ policy, objective, batch: world.demonstrations });
        }
        case "pairs": {
          const objective: Objective<ScoredPairs> = entry.make(options, models);
          return f({ policy, objective, batch: world.pairs });
        }
        case "triples": {
          const objective: Objective<ScoredTriples> = entry.make(options, models);
          return f({ policy, objective, batch: world.triples });
        }
        case "labels": {
          const objective: Objective<ScoredLabelledAnswers> = entry.make(options, models);
          return f({ policy, objective, batch: world.labels });
        }
        case "steps": {
          const objective: Objective<LabelledSteps & ScoredDemonstrations> = entry.make(
            options,
            models,
          );
          return f({ policy, objective, batch: world.steps });
        }
        case "rollouts": {
          const objective: Objective<World["rollouts"]> = entry.make(options, models);
          return f({ policy, objective, batch: world.rollouts });
        }
        default:
          return entry satisfies never;
      }
    };
    return { name, data, trains, values, use };
  });
}
