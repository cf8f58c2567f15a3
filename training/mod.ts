/**
 * Training of language models: settings, data, rewards, sampling, evaluation, and the trainer, which
 * carries out a run as a stream of events over a store of checkpoints.
 *
 * @module
 */
export { maxNewTokensOf, withAnswerLength } from "./sampling/answer_length.ts";
export { answerLimit, type GivenAnswer, givenAnswer } from "./sampling/answers.ts";
export {
  type Bucketing,
  inRandomOrder,
  paddedLength,
  paddedTo,
  type RowSource,
  shuffledRows,
  stageSeed,
  toBatch,
  windowRows,
} from "./data/batches.ts";
export { classOf, inClasses, lengthClasses } from "./data/lengths.ts";
export { bestFitDecreasing, type PackedRow, packedRow, packedRows } from "./data/packing.ts";
export { packedForm } from "./feeds/packed.ts";
export { type Cut, type MicroBatch, microBatches } from "./feeds/micro_batches.ts";
export {
  alone,
  type Collective,
  collectiveOf,
  type CollectiveOptions,
} from "./collective/collective.ts";
export { gatherArrays } from "./collective/arrays.ts";
export { collectivesInMemory } from "./collective/in_memory.ts";
export { gatherValues } from "./collective/plain.ts";
export { type Owners, ownersOf } from "./collective/owners.ts";
export { isAsked } from "./collective/requests.ts";
export { requireShares } from "./kinds/stage.ts";
export { shareOf, type Sharing, type StepShare } from "./collective/shares.ts";
export type { Transport } from "./collective/transport.ts";
export { allGatherTree, allReduceTree, gatherTree } from "./collective/trees.ts";
export { type ElementRange, type Floats, rangeOf } from "./collective/vector.ts";
export { addCost, type Cost, noCost, tokenCost } from "./learner/cost.ts";
export {
  keepsActivations,
  memoryLimit,
  memoryWords,
  type StepMemory,
  type StepPlan,
  totalMemory,
} from "./learner/step_plan.ts";
export { parseBytes, showBytes } from "./text/byte_count.ts";
export { type CheckOptions, checkRows, type RowConversation } from "./data/checks.ts";
export {
  type CharacterGathering,
  charactersOf,
  type Conversation,
  type Dataset,
  datasetKinds,
  detailsOf,
  gatherCharacters,
  isOfTexts,
  type LabelledAnswer,
  messagesOf,
  type Pair,
  placeText,
  type Prompt,
  type RowDataset,
  type RowDetails,
  type RowKind,
  type Rows,
  type ScoredAnswer,
  type ScoredAnswers,
  type Source,
  type Steps,
  type TextRow,
  textsOf,
  trainingLength,
} from "./data/dataset.ts";
export {
  type AnswerUse,
  candidateOf,
  dataOf,
  encodeAnswer,
  type EncodedLabel,
  type EncodedPair,
  type EncodedTriple,
  type Example,
  exampleOf,
  type FittedPrompts,
  type KnownSizes,
  labelFit,
  labelsOf,
  type PairCandidate,
  pairFit,
  type PairParts,
  pairsOf,
  promptFit,
  promptsOf,
  type StageData,
  type TrainingPrompt,
  tripleFit,
  type TripleMessages,
} from "./data/examples.ts";
export {
  describeFit,
  encodedTokens,
  type Fit,
  fitConversations,
  type FitCounts,
  fitInto,
  type FitOptions,
  fitRows,
  fitSequence,
  type Fitted,
  type FittedList,
  isFitCounts,
  isSameSequence,
  longestRow,
  readFit,
  readLength,
  requireFit,
  type RowFit,
  type SkipReason,
  skipReasons,
} from "./data/fit.ts";
export { type EncodedSteps, encodeSteps, stepsFit } from "./data/steps.ts";
export { fitTexts } from "./data/texts.ts";
export { type MatchedLabel, mismatchedAnswers } from "./data/mismatched.ts";
export { describeExample } from "./data/shown_example.ts";
export {
  generateTasks,
  mistakeFor,
  mistakeIn,
  type Reach,
  reformatted,
  type Task,
  taskConversation,
  taskDataset,
  type TaskExample,
  type TaskOptions,
  tasks,
  tasksNamed,
  type TaskSplits,
  verifyAnswer,
  verifyPrompt,
  withNoise,
} from "./data/tasks.ts";
export {
  defineWorld,
  END,
  type Mistaken,
  mistaken,
  type ReadAnswer,
  readAnswer,
  type ReadStep,
  rightAnswer,
  type Rules,
  type Situation,
  solves,
  type World,
} from "./worlds/world.ts";
export { digit, digits, type Form, readForm, type Slot, whole } from "./worlds/forms.ts";
export { worlds } from "./worlds/worlds.ts";
export { type Part, silentWatch, type Tell, type Watch } from "./data/watch.ts";
export { DeviceFailedError, DivergedError, type FailurePlace, UserError } from "./text/errors.ts";
export {
  type Answer,
  createEvaluator,
  type Evaluator,
  type EvaluatorOptions,
  type SplitReport,
} from "./evaluation.ts";
export { type EvaluationSizes, evaluationSizes, type SizedSettings } from "./evaluation_sizes.ts";
export type { EventPlace, Measured, TrainingEvent } from "./run/events.ts";
export type { Feed, RolloutSample, StepBatches } from "./feeds/feed.ts";
export {
  demonstrationForm,
  labelForm,
  type Padding,
  pairForm,
  type RowForm,
  stepForm,
  tripleForm,
} from "./feeds/forms.ts";
export type { Reference } from "./feeds/offline.ts";
export {
  type AnswerBatch,
  type AnswerReading,
  type BatchScoring,
  type Experience,
  fresh,
  onFreshAnswers,
  type OtherAnswers,
  type PolicyScores,
  type RolloutBatch,
  rolloutFeed,
  type RolloutPlan,
  scoredByReference,
  type ScoringModels,
  unscored,
} from "./feeds/rollouts.ts";
export { graphemeCount, graphemesOf, shortened } from "./text/graphemes.ts";
export { checkIdentities, identitiesOf, type Identity } from "./learner/identities.ts";
export type { PreparedStage } from "./kinds/stage.ts";
export type { Learner, SharedState, StepOutcome } from "./learner/learner.ts";
export { longest } from "./longest.ts";
export {
  datasetMaterial,
  type KnownMaterial,
  type Material,
  type MaterialExamples,
} from "./data/material.ts";
export {
  message,
  messageText,
  setting,
  type SettingName,
  type UserMessage,
  type UserMessageParts,
} from "./text/message.ts";
export { copyTree, type Models, type Teacher } from "./learner/models.ts";
export { editDistance, nearest } from "./text/nearest.ts";
export { stopTexts } from "./text/stop_texts.ts";
export { type OwnPairs, withOwnAnswers } from "./sampling/own_answers.ts";
export {
  type BaseModel,
  dataTokenizerNames,
  newModel,
  type PreparationOptions,
  type PreparedRun,
  prepareRun,
  prepareTasks,
  type StageMaterial,
  TASKS_SOURCE,
  withDropout,
} from "./data/preparation.ts";
export { integerFrom, type Random, randomStream, shuffled, shuffledNumbers } from "./random.ts";
export { accuracy, finalAnswer } from "./rewards/accuracy.ts";
export { type Fraction, isSameNumber, readNumber, type WrittenNumber } from "./rewards/numbers.ts";
export { overlongPenalty, type OverlongSizes, repetitionPenalty } from "./rewards/penalties.ts";
export {
  gatherUnscorable,
  requireScorable,
  unscorable,
  type UnscorableCounts,
  type UnscorableGathering,
} from "./rewards/terms.ts";
export type { Unscorable } from "./data/examples.ts";
export {
  type Answered,
  type AnswerReward,
  type AnswerScores,
  type Asked,
  eachAnswer,
  editSimilarity,
  exactMatch,
  formatReward,
  GOLD,
  goldOf,
  lengthPenalty,
  type NamedTerm,
  namedTerms,
  parseRewards,
  placeOf,
  readScores,
  type RewardFunction,
  rewardsOf,
  type RewardTerm,
  type TextReward,
  verifierReward,
} from "./rewards/rewards.ts";
export {
  type AnswerSampler,
  type BatchScores,
  createSampler,
  type SampledAnswer,
  type Sampler,
  type SamplerOptions,
  type SamplingOptions,
} from "./sampling/sampler.ts";
export type { ScoredBatch, Scores } from "./sampling/scorer.ts";
export {
  describeObjective,
  type GivenSettings,
  objectiveOptions,
  type PretrainedUse,
  readSettings,
  requireBudgets,
  requireShared,
  type Setting,
  SettingsError,
  type SettingTable,
  settingTable,
  type SettingValues,
  type TrainSettings,
  trainSettings,
  writtenSettings,
} from "./settings.ts";
export {
  conversationSplit,
  type Exam,
  type Question,
  questionOf,
  type Split,
  type SplitLimits,
  textSplit,
} from "./data/splits.ts";
export {
  checkStages,
  createLearner,
  initialModels,
  type LentModels,
  looksBack,
  planOf,
  type RunSettings,
  type RunStage,
} from "./run/stages.ts";
export {
  type CheckpointReader,
  type KeptSteps,
  type MemoryStore,
  memoryStore,
  sharedStore,
  type StateOptions,
  type Store,
  type StoredCheckpoint,
  type TrainingCheckpoint,
} from "./run/store.ts";
export { markOf, textMark } from "./data/marks.ts";
export { answerMarks, type MatchedLabels, matchedLabels } from "./data/mismatched.ts";
export {
  foundRows,
  joinedTables,
  mappedTable,
  pickedRows,
  readTable,
  rowAt,
  type RowReader,
  type RowTable,
  spread,
} from "./data/table.ts";
export {
  type AddRow,
  type GrowingNumbers,
  growingNumbers,
  listTables,
  type MemoryRecords,
  memoryRecords,
  memoryTable,
  memoryTables,
  type StoredTable,
  type TableForm,
  type TableStore,
} from "./data/table_store.ts";
export {
  readSequence,
  type RecordReader,
  recordReader,
  type RecordWriter,
  recordWriter,
  writeSequence,
} from "./data/records.ts";
export {
  guidedTable,
  labelTable,
  pairTable,
  type PromptCounts,
  promptTable,
  sequenceTable,
  stepTable,
  tripleTable,
} from "./data/table_forms.ts";
export { taskMaterial, type TaskSettings } from "./data/task_material.ts";
export {
  type Agenda,
  agendaOf,
  type Intervals,
  type Timetable,
  timetableOf,
} from "./run/timetable.ts";
export type { TrainablePolicy } from "./learner/trainee.ts";
export { type StagePlan, train, type TrainingPlan } from "./run/trainer.ts";
