/**
 * An objective as a row: everything that callers need to know of it, before and during training.
 */
import type { Demonstrations } from "../gold.ts";
import type { Guidance } from "../hints.ts";
import type { Objective } from "../objective.ts";
import {
  type GivenOptions,
  type OptionTable,
  type OptionValues,
  optionValues,
} from "../options.ts";
import { type Model, modelOfLogits } from "../policy.ts";
import type { ObjectiveDescription } from "../description.ts";
import type { Guided } from "../privileged.ts";
import type { RewardParts } from "../reward_parts.ts";
import type { Rollouts, ValueScores } from "../rollouts.ts";
import type { ScoredDemonstrations } from "../catalogue/demonstrations.ts";
import type {
  LabelledAnswers,
  Pairs,
  ScoredLabelledAnswers,
  ScoredPairs,
} from "../catalogue/pairs.ts";
import type { ScoredRollouts } from "../catalogue/rollouts.ts";
import type { ScoredTriples, Triples } from "../catalogue/triples.ts";
import type { LabelledSteps } from "../process_reward_model.ts";

/**
 * The data that an objective reads: demonstrations of right answers; pairs of a chosen and a
 * rejected answer; triples of these and a gold answer; single answers with labels; answers in steps,
 * each with a label; or the policy's own answers with rewards.
 */
export type DataKind = "demonstrations" | "pairs" | "triples" | "labels" | "steps" | "rollouts";

/**
 * The use of a reference, the policy that a training starts from: none; its log-probabilities,
 * computed beforehand and stored in the batch; or the model itself, evaluated in each step.
 */
export type ReferenceUse = "none" | "log-probs" | "model";

/** Batches of each kind of data. */
export interface Batches {
  /** Answers. */
  readonly demonstrations: Demonstrations;
  /** Chosen and rejected answers. */
  readonly pairs: Pairs;
  /** Chosen, rejected and gold answers. */
  readonly triples: Triples;
  /** Answers with labels. */
  readonly labels: LabelledAnswers;
  /** Answers in steps with labels. */
  readonly steps: LabelledSteps;
  /**
   * Sampled answers, with values where the policy has a value head, what guides them, and each reward by itself where
   * the objective reads it so.
   */
  readonly rollouts: Rollouts & ValueScores & RewardParts & Guided;
}

/** Batches of each kind of data, whose tokens a reference has scored. */
export interface ScoredBatches {
  /** Answers. */
  readonly demonstrations: ScoredDemonstrations;
  /** Chosen and rejected answers. */
  readonly pairs: ScoredPairs;
  /** Chosen, rejected and gold answers. */
  readonly triples: ScoredTriples;
  /** Answers with labels. */
  readonly labels: ScoredLabelledAnswers;
  /** Answers in steps with labels. */
  readonly steps: LabelledSteps & ScoredDemonstrations;
  /**
   * Sampled answers, with values where the policy has a value head, what guides them, and each reward by itself where
   * the objective reads it so.
   */
  readonly rollouts: ScoredRollouts & ValueScores & RewardParts & Guided;
}

/** A batch of a kind of data, with the log-probabilities of a reference where they are read. */
export type BatchOf<K extends DataKind, R extends ReferenceUse> = R extends "log-probs"
  ? ScoredBatches[K]
  : Batches[K];

/** The models that objectives evaluate in a step, beside the policy that learns. */
export interface AskedModels {
  /** The policy that the training starts from. */
  readonly reference?: Model;
  /** The model whose predictions are the target. */
  readonly teacher?: Model;
}

/** The models that an objective of this kind evaluates. */
export type AskedOf<R extends ReferenceUse, T extends boolean> =
  & (R extends "model" ? { readonly reference: Model } : unknown)
  & (T extends true ? { readonly teacher: Model } : unknown);

/**
 * An objective by its name, with its data, models and options.
 *
 * @typeParam K The data that it reads.
 * @typeParam R Its use of a reference.
 */
export interface EntryOf<K extends DataKind, R extends ReferenceUse> {
  /** The name, in kebab case. Any spelling of it finds the entry. */
  readonly name: string;
  /** Its other names, such as those in papers. */
  readonly aliases: readonly string[];
  /** The data that it reads. */
  readonly data: K;
  /** Its use of a reference, the policy that the training starts from. */
  readonly reference: R;
  /** Whether it learns from the predictions of a teacher. */
  readonly teacher: boolean;
  /** Whether the policy has a value head, which predicts returns. */
  readonly values: boolean;
  /**
   * The model that it trains: the policy, or a model whose head has one output: the score of an answer
   * (a reward model), or of a step of one.
   */
  readonly trains: "policy" | "reward model" | "process reward model";
  /**
   * Whether a batch that is cut has another loss: its rows are compared with each other, or what is
   * drawn for a row depends on its place.
   */
  readonly needsWholeBatch: boolean;
  /** The usual number of steps on the same rollouts. */
  readonly rolloutEpochs: number;
  /** Its options, each with its default. */
  readonly options: OptionTable;
  /**
   * The objective with the given options, and defaults for the others.
   *
   * @throws {RangeError} If an option is unknown or out of its range, or a model that the objective
   * evaluates is missing.
   */
  readonly make: (given?: GivenOptions, models?: AskedModels) => Objective<BatchOf<K, R>>;
  /**
   * The right answers that its rollouts hold, with the given options and defaults for the others
   * (default: none).
   *
   * @throws {RangeError} If an option is unknown or out of its range.
   */
  readonly guidance?: (given?: GivenOptions) => Guidance;
  /**
   * The number of steps after which the reference whose log-probabilities it reads is the policy, as
   * it is then (default: the reference stays the policy that the training starts from).
   *
   * @throws {RangeError} If an option is unknown or out of its range.
   */
  readonly referenceSteps?: (given?: GivenOptions) => number;
  /**
   * The reference's share in the logits of the mixture that samples the other answers of a group
   * (default: no mixture does).
   *
   * @throws {RangeError} If an option is unknown or out of its range.
   */
  readonly mixture?: (given?: GivenOptions) => number;
  /**
   * The number of earlier groups that are kept, to take the places of groups of equal rewards (default:
   * none are).
   *
   * @throws {RangeError} If an option is unknown or out of its range.
   */
  readonly keptGroups?: (given?: GivenOptions) => number;
}

/** An objective of any data. `data` and `reference` determine the batches that it reads. */
export type ObjectiveEntry = {
  [K in DataKind]: { [R in ReferenceUse]: EntryOf<K, R> }[ReferenceUse];
}[DataKind];

/** Objectives in the order in which they are listed. */
export type ObjectiveRegistry = readonly ObjectiveEntry[];

/** The row of {@linkcode defineObjective}: an entry whose options and models have types. */
export interface ObjectiveDefinition<
  K extends DataKind,
  R extends ReferenceUse,
  T extends boolean,
  Table extends OptionTable,
> extends
  Pick<EntryOf<K, R>, "name" | "data" | "reference" | "values" | "trains">,
  Partial<Pick<EntryOf<K, R>, "aliases" | "needsWholeBatch" | "rolloutEpochs">> {
  /** Whether it learns from the predictions of a teacher. */
  readonly teacher: T;
  /** Its options, each with its default. */
  readonly options: Table;
  /** The right answers that its rollouts hold, from all options (default: none). */
  readonly guidance?: (options: OptionValues<Table>) => Guidance;
  /** The steps after which the reference is renewed, from all options (default: it is not). */
  readonly referenceSteps?: (options: OptionValues<Table>) => number;
  /** The reference's share in a mixture that samples, from all options (default: none does). */
  readonly mixture?: (options: OptionValues<Table>) => number;
  /** The number of earlier groups that are kept, from all options (default: none are). */
  readonly keptGroups?: (options: OptionValues<Table>) => number;
  /** The objective from all options and from the models that it evaluates. */
  readonly make: (
    options: OptionValues<Table>,
    models: AskedOf<R, T>,
  ) => Objective<BatchOf<K, R>>;
}

/** Whether all models that an objective evaluates are given. */
function areAsked<R extends ReferenceUse, T extends boolean>(
  models: AskedModels,
  reference: R,
  teacher: T,
): models is AskedModels & AskedOf<R, T> {
  return (reference !== "model" || models.reference !== undefined) &&
    (!teacher || models.teacher !== undefined);
}

/**
 * An entry of a registry. The types of its options come from their table, and stay inside: users of
 * an entry give values by name, which are checked against the table.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { defineObjective, estimate, formulaText, gold, indicator, nll, objective, weight } from "@unitune/objectives";
 *
 * const timid = defineObjective({
 *   name: "timid-sft",
 *   data: "demonstrations",
 *   reference: "none",
 *   teacher: false,
 *   values: false,
 *   trains: "policy",
 *   options: {
 *     courage: { kind: "number", above: 0, max: 1, default: 0.5, help: "The weight of the loss." },
 *   },
 *   make: ({ courage }) => objective(estimate(gold, indicator), weight(courage, nll())),
 * });
 * const { formula } = timid.make({ courage: 0.25 }).description;
 * assertEquals(formulaText(formula), "0.25 (sum_b sum_t l_bt / sum_b M_b), where l = -log p");
 * assertThrows(() => timid.make({ courage: 2 }), RangeError, "timid-sft: courage must be a number");
 * ```
 *
 * @param definition The row.
 * @returns The entry.
 */
export function defineObjective<
  const K extends DataKind,
  const R extends ReferenceUse,
  const T extends boolean,
  const Table extends OptionTable,
>(definition: ObjectiveDefinition<K, R, T, Table>): EntryOf<K, R> {
  const { name, reference, teacher, options, make, ...declared } = definition;
  const { guidance, referenceSteps, mixture, keptGroups, ...others } = declared;
  const values = (given: GivenOptions) => optionValues(name, options, given);
  return {
    aliases: [],
    needsWholeBatch: false,
    rolloutEpochs: 1,
    ...others,
    ...{ name, reference, teacher, options },
    ...guidance && { guidance: (given = {}) => guidance(values(given)) },
    ...referenceSteps && { referenceSteps: (given = {}) => referenceSteps(values(given)) },
    ...mixture && { mixture: (given = {}) => mixture(values(given)) },
    ...keptGroups && { keptGroups: (given = {}) => keptGroups(values(given)) },
    make(given = {}, models = {}) {
      if (!areAsked(models, reference, teacher)) {
        throw new RangeError(
          `${name}: expected the models that it asks: ` + [
            ...reference === "model" ? ["a reference"] : [],
            ...teacher ? ["a teacher"] : [],
          ].join(" and "),
        );
      }
      return make(values(given), models);
    },
  };
}

/** A model for descriptions, which evaluate none. */
const nobody = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });

/**
 * The description of an entry's objective, for which no model is needed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeEntry, entryNamed, objectiveRegistry } from "@unitune/objectives";
 *
 * const grpo = entryNamed(objectiveRegistry, "grpo");
 * assertEquals(grpo && describeEntry(grpo, { groupSize: 4 }).groupSize, 4);
 * ```
 *
 * @param entry The entry.
 * @param given Some of its options.
 * @returns The row of Table 1.
 * @throws {RangeError} If an option is unknown or out of its range.
 */
export function describeEntry(entry: ObjectiveEntry, given?: GivenOptions): ObjectiveDescription {
  return entry.make(given, { reference: nobody, teacher: nobody }).description;
}
