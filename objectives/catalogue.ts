/** The catalogue as data: every objective at its defaults, by name. */
import {
  dft,
  distillation,
  ift,
  iwSft,
  scheduledSampling,
  type ScoredDemonstrations,
  sft,
} from "./catalogue/demonstrations.ts";
import {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bco,
  cpo,
  discopop,
  dpo,
  exo,
  exponential,
  hinge,
  intuitiveDpo,
  ipo,
  kto,
  mpo,
  nca,
  orpo,
  type Pairs,
  rewardModel,
  robust,
  rpo,
  type ScoredLabelledAnswers,
  type ScoredPairs,
  simpo,
  sppo,
} from "./catalogue/pairs.ts";
import {
  bestOfN,
  cispo,
  dapo,
  drGrpo,
  type GroupObjectiveOptions,
  grpo,
  grpoKl,
  gspo,
  intuitiveGrpo,
  maxRlGradient,
  onlineDpo,
  ppo,
  reinforce,
  reinforcePlusPlus,
  rloo,
  type ScoredRollouts,
} from "./catalogue/rollouts.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Objective } from "./objective.ts";
import type { Model } from "./policy.ts";

/** A name of {@linkcode catalogue}'s, with the objective at its defaults. */
export type Entries<B> = Readonly<Record<string, () => Objective<B>>>;

/**
 * The catalogue: objectives by name, at their defaults, in the groups of data that they read. So
 * that Table 1 can be printed from what runs.
 */
export interface Catalogue {
  /** On demonstrations, some scored by a reference. */
  readonly demonstrations: Entries<ScoredDemonstrations>;
  /** On pairs, some scored by a reference. */
  readonly pairs: Entries<ScoredPairs>;
  /** On pairs, for a policy whose only logit is a score. */
  readonly rewardModels: Entries<Pairs>;
  /** On unpaired answers with labels. */
  readonly labels: Entries<ScoredLabelledAnswers>;
  /** On rollouts in groups, some scored by a reference. */
  readonly rollouts: Entries<ScoredRollouts>;
  /** On rollouts, for a policy with a value head. */
  readonly actorCritics: Entries<ScoredRollouts>;
}

/**
 * The catalogue. Objectives that ask another model get it here.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { catalogue, modelOfLogits } from "@unitune/objectives";
 *
 * const other = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * const { demonstrations } = catalogue({ reference: other, groupSize: 2 });
 * assertEquals(demonstrations.sft?.().description.models, ["policy"]);
 * ```
 *
 * @param options The reference or teacher that is asked, and how many answers a prompt has.
 * @returns The objectives.
 */
export function catalogue(
  { reference, groupSize = objectiveDefaults.groupSize }: GroupObjectiveOptions & {
    readonly reference: Model;
  },
): Catalogue {
  const inGroups = { groupSize };
  return {
    demonstrations: {
      sft,
      dft,
      iwSft,
      ift,
      scheduledSampling,
      distillation: () => distillation(reference),
    },
    pairs: {
      dpo,
      ipo,
      hinge,
      exponential,
      robust,
      exo,
      nca,
      bco,
      sppo,
      aot,
      aotUnpaired,
      apoZero,
      apoDown,
      discopop,
      rpo,
      mpo,
      intuitiveDpo: () => intuitiveDpo(reference),
      orpo,
      simpo,
      cpo,
    },
    rewardModels: { rewardModel },
    labels: { kto },
    rollouts: {
      reinforce,
      reinforcePlusPlus,
      rloo: () => rloo(inGroups),
      grpo: () => grpo(inGroups),
      grpoKl: () => grpoKl(inGroups),
      dapo: () => dapo(inGroups),
      drGrpo: () => drGrpo(inGroups),
      gspo: () => gspo(inGroups),
      cispo: () => cispo(inGroups),
      maxRlGradient: () => maxRlGradient(inGroups),
      intuitiveGrpo: () => intuitiveGrpo(inGroups),
      onlineDpo: () => onlineDpo(inGroups),
      bestOfN: () => bestOfN(inGroups),
    },
    actorCritics: { ppo },
  };
}
