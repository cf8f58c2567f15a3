/**
 * Prompts, which the policy answers: what a stage on rollouts trains on.
 *
 * @module
 */

import { abs, cast, div, maximum, notEqual, sub, sum, type Tensor, where } from "@unitune/core";
import { actorCritic, type LanguageModel } from "@unitune/models";
import {
  type Guidance,
  type Model,
  type ObjectiveDescription,
  type Rollouts,
  scoreTokens,
} from "@unitune/objectives";
import { maxNewTokensOf } from "../sampling/answer_length.ts";
import { askedConversation, checkSome } from "../data/checks.ts";
import { answeredFit, dataOf, promptFit, type TrainingPrompt } from "../data/examples.ts";
import { fitInto } from "../data/fit.ts";
import { guidedTable, promptTable } from "../data/table_forms.ts";
import { UserError } from "../text/errors.ts";
import {
  type AnswerBatch,
  type BatchScoring,
  fresh,
  onFreshAnswers,
  type OtherAnswers,
  rolloutFeed,
  type RolloutPlan,
  scoredByReference,
  unscored,
} from "../feeds/rollouts.ts";
import { answerUse } from "../feeds/guidance.ts";
import { askingObjective, followsPolicy, type StageObjective } from "../learner/average.ts";
import { LOG_RATIO } from "../learner/identities.ts";
import type { Learner } from "../learner/learner.ts";
import { fittedNotes, requireRows } from "../data/material.ts";
import { message, setting } from "../text/message.ts";
import {
  gatherUnscorable,
  requireScorable,
  rewardTerms,
  unscorable,
  unscorableNotes,
} from "../rewards/terms.ts";
import { rewardModelReward, type RewardTerm } from "../rewards/rewards.ts";
import { objectiveOptions, type TrainSettings } from "../settings.ts";
import { learnerOf } from "../learner/stage_learner.ts";
import type { TrainablePolicy } from "../learner/trainee.ts";
import { entryOn, type KindRow, type LearnerPlan, partsOf, type PreparedStage } from "./stage.ts";

/** Prompts that the policy answers. */
export const rollouts: KindRow = {
  async prepare(settings, material, encoding) {
    const { tokenizer, context, watch, source, tables, keyOf } = encoding;
    const { dataset, examples, judges, format } = material;
    requireRows(dataset, settings.objective.name, source);
    const checks = checkSome(tokenizer, examples.train, (own) => own, {
      ...{ source, watch },
      conversations: askedConversation,
    });
    const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
    const use = answerUse(guidanceOf(settings));
    const [key, table] = use === undefined ? ["rollouts", promptTable] : ["guided", guidedTable];
    const { rows, summary } = await tables.keep(keyOf(key), table, async (add) => {
      const { fit, sizes } = promptFit(tokenizer, context, use);
      const gathering = gatherUnscorable();
      const gathered = (prompt: TrainingPrompt) => {
        gathering.add(prompt);
        add(prompt);
      };
      const counts = await fitInto(examples.train, context, answeredFit(fit), gathered, { tell });
      return { ...counts, ...sizes(), unscorable: gathering.counts() };
    });
    const notes = fittedNotes(summary, {
      ...{ what: "prompts", header: "prompts to train on", source },
      ...{ validation: dataset.validation.length, objective: settings.objective.name },
    });
    const { longestAnswer, longestText } = summary;
    const terms = rewardTerms(settings, {
      ...{ judges, longestAnswer, longestText },
      ...(format !== undefined && { format }),
    });
    const found = unscorable(terms, rows, summary.unscorable);
    return {
      notes: [...notes, ...checks, ...unscorableNotes(found, terms, rows.length)],
      data: {
        kind: "rollouts",
        train: rows,
        longestPrompt: summary.longest,
        longestAnswer,
        longestText,
        unscorable: found,
      },
    };
  },
  async learner(plan) {
    const entry = entryOn(plan.settings.objective, "rollouts");
    const { settings } = plan;
    const { asked, reference } = partsOf(plan);
    if (entry.reference === "log-probs") {
      const asking = askingObjective(entry.make, settings, asked);
      return await learnerOn(plan, asking, scoredByReference(reference), ratioAtStart);
    }
    const asking = askingObjective(entry.make, settings, asked);
    // Answers that are used for one step come from the policy as it is then.
    const isFresh = settings.rolloutEpochs === 1 && !settings.objective.values &&
      settings.objective.keptGroups?.(objectiveOptions(settings)) === undefined;
    if (!isFresh) return await learnerOn(plan, asking, unscored, ratioAtStart);
    const { objective, objectiveOf } = asking;
    const onFresh: StageObjective<AnswerBatch> = {
      objective: onFreshAnswers<AnswerBatch>(objective),
      ...objectiveOf && { objectiveOf: (model) => onFreshAnswers<AnswerBatch>(objectiveOf(model)) },
    };
    return await learnerOn(plan, onFresh, fresh);
  },
};

/** The right answers that a stage's rollouts hold, if any. */
function guidanceOf(settings: TrainSettings): Guidance | undefined {
  return settings.objective.guidance?.(objectiveOptions(settings));
}

/** A learner whose objective reads the batches of a scoring. */
async function learnerOn<B extends AnswerBatch>(
  plan: LearnerPlan,
  asking: StageObjective<B>,
  scoring: BatchScoring<B>,
  startMetrics?: (model: Model, batch: B) => Readonly<Record<string, Tensor>>,
): Promise<Learner> {
  const { settings, stage, device, collective, tokenizer, evaluation } = plan;
  const { isOutline = false } = plan;
  const { trainee, reference } = partsOf(plan);
  const sampling = samplingOf(plan);
  const feed = rolloutFeed(sampling, actorOf(plan), tokenizer, reference, scoring);
  return await learnerOf({
    ...{ settings, stage, device, collective, trainee, asking, feed },
    ...{ isOutline, evaluation },
    held: [
      ...settings.objective.reference === "log-probs" && !followsPolicy(settings)
        ? [reference.start.policy]
        : [],
      ...sampling.rewards.some(({ reward }) => reward === rewardModelReward)
        ? [reference.start.rewardModel]
        : [],
    ],
    ...startMetrics && { startMetrics },
  });
}

/** The policy that answers: the one that is trained, with its critic where it has one. */
function actorOf({ settings: { objective }, model }: LearnerPlan): LanguageModel & TrainablePolicy {
  if (objective.trains !== "policy") {
    throw new RangeError(`${objective.name}: a ${objective.trains} gives no answers to learn from`);
  }
  return objective.values ? actorCritic(model) : model;
}

/** The sampling of a stage: prompts, rewards, sizes. */
function samplingOf(plan: LearnerPlan): RolloutPlan {
  const { settings, prepared, start } = plan;
  const { seed, description } = partsOf(plan);
  const { train, longestPrompt, longestAnswer } = dataOf(prepared.data, "rollouts");
  const rewards = requireRewards(settings, prepared, start.rewardModel !== undefined);
  const guidance = guidanceOf(settings);
  const kept = settings.objective.keptGroups?.(objectiveOptions(settings));
  return {
    prompts: train,
    longestPrompt,
    rewards,
    groupSize: description.groupSize,
    batchSize: settings.batchSize,
    microBatches: settings.gradientAccumulation,
    epochs: settings.rolloutEpochs,
    maxNewTokens: maxNewTokensOf(settings, { longestAnswer }),
    temperature: settings.temperature,
    seed,
    // Both sides of a pair are one answer each.
    forwardPasses: description.forwardPasses / description.sequences,
    learnedShare: description.learnedShare,
    longestAnswer,
    ...guidance && { guidance },
    ...kept !== undefined && { kept },
    others: othersOf(settings, description),
    hasParts: description.data.includes("reward parts"),
  };
}

/**
 * The author of the answers of each group after the first.
 *
 * @param settings The settings of the stage.
 * @param description What its objective says of itself.
 * @returns The author.
 */
export function othersOf(
  settings: TrainSettings,
  { data }: Pick<ObjectiveDescription, "data">,
): OtherAnswers {
  const referenceShare = settings.objective.mixture?.(objectiveOptions(settings));
  if (referenceShare !== undefined) return { referenceShare };
  return data.includes("reference rollouts") ? "reference" : "policy";
}

/**
 * The mean of `|log p - log p_old|` over the tokens of answers: 0 before the first step, since the
 * policy that learns is the one that has sampled, at its temperature.
 */
function ratioAtStart(model: Model, batch: Rollouts): Readonly<Record<string, Tensor>> {
  const difference = abs(sub(scoreTokens(model, batch), batch.oldLogProbs));
  const answer = notEqual(batch.mask, 0);
  const tokens = maximum(sum(cast(answer, "f32")), 1);
  return { [LOG_RATIO]: div(sum(where(answer, difference, 0)), tokens) };
}

/**
 * The rewards of a stage, all of which can be given.
 *
 * @param settings The settings of the stage.
 * @param prepared Its data.
 * @param hasJudge Whether there is a reward model by then.
 * @returns The rewards and their weights.
 * @throws {UserError} Where one is unknown, can judge no answer, or asks a reward model that there is
 * none of.
 */
export function requireRewards(
  settings: TrainSettings,
  { data, judges, format }: PreparedStage,
  hasJudge: boolean,
): readonly RewardTerm[] {
  const { train, longestAnswer, longestText, unscorable } = dataOf(data, "rollouts");
  const known = { judges, longestAnswer, longestText, ...format !== undefined && { format } };
  const terms = rewardTerms(settings, known);
  const { objective } = settings;
  if (!hasJudge && terms.some(({ reward }) => reward === rewardModelReward)) {
    throw new UserError(
      message(
        setting("rewards"),
        ` names reward-model, and there is none: train one in a stage before ${objective.name}, ` +
          `or name a run that has by `,
        setting("rewardModel"),
      ),
    );
  }
  requireScorable(objective.name, unscorable, train);
  return terms;
}
