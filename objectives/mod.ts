/**
 * Post-training objectives as `preference estimation x transition optimization`: on which prior
 * states the model and the human are compared and with what signal, and how the model's
 * transitions are moved there.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { evaluationLoss, ift, modelOfLogits, sft } from "@unitune/objectives";
 *
 * // A bigram table: the logits of the next token are the embedding of the last.
 * const table = tensor([[0, 1, 2], [2, 0, 3], [1, 2, 0]], { dtype: "f64" });
 * const bigram = modelOfLogits({ embed: (ids) => gather(table, ids), logits: (embeddings) => embeddings });
 * const batch = { ids: tensor([[0, 1, 2]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
 * const context = { step: tensor(0, { dtype: "i32" }) };
 *
 * const supervised = sft({ normalizer: "sequence" });
 * const intuitive = ift({ lambda: 0, gamma: 0 });
 * const a = supervised.evaluate(bigram, supervised.collect(bigram, batch, context), context);
 * const b = intuitive.evaluate(bigram, intuitive.collect(bigram, batch, context), context);
 * assertAlmostEquals(await evaluationLoss(a).item(), await evaluationLoss(b).item());
 * ```
 *
 * @module
 */
export {
  type AdvantageEstimator,
  type AdvantageForm,
  batchZScore,
  type CountedOptions,
  estimator,
  gaeAdvantages,
  type GaeOptions,
  groupMeanBaseline,
  groupMeanBatchStd,
  type GroupOptions,
  groupZScore,
  leaveOneOut,
  maskedWhiten,
  maxRl,
  passRate,
  type PassRateOptions,
  tokenRewards,
  type WhitenOptions,
  type ZScoreOptions,
} from "./advantages.ts";
export * from "./advantage_regression.ts";
export { aggregate, averageOver, type Normalizer } from "./aggregation.ts";
export {
  anchoredLabels,
  type AnchoredOptions,
  type AnswerLabels,
  binaryClassifier,
  liked,
  type LikedEvidence,
} from "./answer_labels.ts";
export * from "./catalogue/demonstrations.ts";
export * from "./catalogue/pairs.ts";
export * from "./catalogue/compared_rollouts.ts";
export * from "./catalogue/rollouts.ts";
export * from "./catalogue/shaped_rollouts.ts";
export * from "./catalogue/steps.ts";
export * from "./catalogue/taught_rollouts.ts";
export * from "./catalogue/triples.ts";
export * from "./catalogue/united.ts";
export * from "./combinators.ts";
export * from "./defaults.ts";
export type * from "./description.ts";
export type { Constant, Formula } from "./arithmetic.ts";
export { formulaOf, formulaText, type LossFormula, type LossTerm } from "./formula.ts";
export * from "./distillation.ts";
export { type DivergenceOptions, divergenceScore, type FDivergence } from "./divergences.ts";
export * from "./estimation.ts";
export type * from "./evaluation.ts";
export { type Demonstrations, gold } from "./gold.ts";
export * from "./guidance.ts";
export * from "./hints.ts";
export * from "./group_values.ts";
export * from "./intuitive.ts";
export {
  kahnemanTversky,
  ktoLoss,
  type KtoOptions,
  ktoReferencePoint,
  type Labelled,
  labelled,
  type Labels,
  type ScoredLabels,
} from "./kto.ts";
export * from "./lambda.ts";
export {
  logRatio,
  maskedMean,
  maskedSum,
  sequenceLogProbs,
  tokenEntropy,
  tokenLogProbs,
} from "./log_probs.ts";
export { type Loss, lossValue } from "./loss.ts";
export { firstMemory, type Memory, type Remembered } from "./memory.ts";
export * from "./metrics.ts";
export * from "./mixture_schedule.ts";
export * from "./names.ts";
export * from "./nll.ts";
export * from "./objective.ts";
export type * from "./optimization.ts";
export * from "./options.ts";
export type { Packing } from "./packing.ts";
export * from "./pairs.ts";
export * from "./passing.ts";
export { type Proximal, proximal } from "./proximal.ts";
export {
  type Context,
  type LogitsPolicy,
  type Model,
  modelOf,
  modelOfLogits,
  type Policy,
  policyOfLogits,
  type PredictOptions,
  type ReadOptions,
} from "./policy.ts";
export * from "./policy_gradient.ts";
export {
  aotLoss,
  aotUnpairedLoss,
  apoDownLoss,
  apoZeroLoss,
  bcoLoss,
  discopopLoss,
  dpoLoss,
  exoLoss,
  exponentialLoss,
  hingeLoss,
  ipoLoss,
  ncaLoss,
  type PairLengths,
  type PreferenceForm,
  type PreferenceLoss,
  type PreferenceOptions,
  robustLoss,
  sppoLoss,
} from "./preference_losses.ts";
export * from "./propagation.ts";
export {
  alphaPoLoss,
  type AlphaPoOptions,
  cpoLoss,
  type CpoOptions,
  oddsRatioLoss,
  orpoLoss,
  type OrpoOptions,
  simpoLoss,
  type SimpoOptions,
} from "./reference_free.ts";
export {
  entropyBonus,
  entropyLoss,
  kl,
  klEstimate,
  type KlEstimator,
  klLoss,
  type KlOptions,
} from "./regularizers.ts";
export { generalizedJsd, type JsdConstants, jsdConstants, type JsdOptions } from "./jsd.ts";
export type { Guided, TeacherReading } from "./privileged.ts";
export { learnedPositions, type Positions } from "./positions.ts";
export { type BatchElements, commonPrefix, type PrefixOptions } from "./shared_prefix.ts";
export * from "./process_reward_model.ts";
export type { Distribution, Prediction, TargetPrediction } from "./prediction.ts";
export * from "./registry/entry.ts";
export * from "./registry/registry.ts";
export {
  bradleyTerry,
  rewardBy,
  rewardModelDefaults,
  rewardModelLoss,
  type RewardModelOptions,
  scored,
} from "./reward_model.ts";
export * from "./reward_parts.ts";
export * from "./rollout_regularizers.ts";
export * from "./rollouts.ts";
export {
  againstReference,
  indicator,
  type Referenced,
  type ReferenceScores,
  type Taught,
  teacher,
  type TeacherOptions,
} from "./signals.ts";
export * from "./ratio_shapes.ts";
export * from "./token_masks.ts";
export * from "./tokenwise.ts";
export * from "./training_step.ts";
export * from "./triples.ts";
export * from "./turns.ts";
export {
  type Expression,
  named,
  type NamedExpression,
  type Pointwise,
  type Quantity,
  quantity,
  type Reduction,
} from "./unified/expression.ts";
export {
  type AnswerSide,
  type GradientTerm,
  gradientText,
  type LearnedTerm,
  namesInGradient,
  type ObjectiveTerm,
  type OtherTerm,
  type SlotFactor,
  slots,
  type SlotTexts,
  slotTexts,
  type TokenOwner,
  type UnifiedSlots,
  type UnifiedTerm,
} from "./unified/gradient.ts";
export {
  type MixedEmbeddings,
  type OwnState,
  type OwnToken,
  type State,
  type StateAnswer,
  stateText,
} from "./unified/states.ts";
export { definitionsOf, expressionText } from "./unified/text.ts";
export { type ExpressionWriter, literal, write } from "./unified/write.ts";
export * from "./value_loss.ts";
export * from "./weights.ts";
