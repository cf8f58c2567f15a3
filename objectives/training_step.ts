/**
 * The training step: pure functions for the caller to compile. One step, with gradient and
 * optimizer, is one program; or one program for each micro-batch and one for the update.
 */
import {
  type Accumulation,
  applyUpdates,
  averaged,
  type AveragedParameters,
  globalNorm,
  type GradientTransform,
  type ParameterAverage,
  type Schedule,
  valueAndGradAux,
} from "@unitune/autodiff";
import {
  add,
  asTensor,
  cast,
  foldKey,
  inFloats,
  isStorage,
  mapTree,
  mul,
  roundStochastically,
  type Tensor,
  type TensorLike,
  zeros,
  zipTrees,
} from "@unitune/core";
import type { Evaluation } from "./evaluation.ts";
import type { Loss } from "./loss.ts";
import { firstMemory, type Memory, nextMemory, type Remembered } from "./memory.ts";
import type { Metrics } from "./metrics.ts";
import { evaluationLoss, type Objective, summarize } from "./objective.ts";
import { type Context, type Model, modelOf, type Policy } from "./policy.ts";

/**
 * The whole state of a training: saved and restored, the training continues with the same numbers.
 */
export interface TrainingState<P, S> {
  /**
   * The policy's parameters. Those of 16 bits are computed with as f32, and rounded stochastically
   * after each step.
   */
  readonly params: P;
  /** The optimizer's state. */
  readonly optimizer: S;
  /** Optimizer steps done, an i32 scalar. */
  readonly step: Tensor;
  /** The key of the whole training, u32 `[2]`. */
  readonly key: Tensor;
  /** The scalars that the objective remembers, by name. */
  readonly memory: Remembered;
  /** The average of the parameters, in f32 where they have 16 bits (default: none is kept). */
  readonly average?: AveragedParameters<P>;
  /**
   * The place on the schedule of the learning rate, in steps, an f32 scalar, which whoever calls the
   * step gives anew each time; the optimizer then has a rate of 1, and its updates are multiplied by
   * that of the schedule (default: the optimizer has its own rate).
   */
  readonly clock?: Tensor;
}

/** A policy and the objective that it is compared by. */
export interface PolicyAndObjective<P, B> {
  /** The policy. */
  readonly policy: Policy<P>;
  /** The objective. */
  readonly objective: Objective<B>;
  /**
   * The objective in a step, where it asks the policy at the averaged parameters, such as a reference
   * that follows (default: `objective`, in every step).
   */
  readonly objectiveOf?: (average: Model) => Objective<B>;
}

/** The parts of a training step: a policy, its objective, and the optimizer that changes it. */
export interface StepParts<P, B, S> extends PolicyAndObjective<P, B> {
  /** The optimizer, from the gradient to the update of the parameters. */
  readonly optimizer: GradientTransform<S>;
  /** The schedule of the optimizer's learning rate, to be logged as `learning_rate`. */
  readonly learningRate?: Schedule;
  /** The average of the parameters that the training keeps (default: none). */
  readonly average?: ParameterAverage;
}

/** The result of an optimizer step. */
export interface StepResult<P, S> {
  /** The state for the next step. */
  readonly state: TrainingState<P, S>;
  /**
   * Scalars to log: `loss`, the metrics of the objective, `grad_norm` (of the whole gradient, as
   * the optimizer gets it), and `learning_rate` where it is known.
   */
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/**
 * The state before the first step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sgd } from "@unitune/autodiff";
 * import { key, tensor } from "@unitune/core";
 * import { initTrainingState } from "@unitune/objectives";
 *
 * const { step } = initTrainingState({ w: tensor([1]) }, sgd(0.1), key(0));
 * assertEquals(await step.item(), 0);
 * ```
 *
 * @param params The policy's parameters.
 * @param optimizer The optimizer.
 * @param key The key of the whole training, u32 `[2]`.
 * @param memory What the objective remembers (default: nothing).
 * @param average The average that the training keeps (default: none).
 * @returns The state.
 */
export function initTrainingState<P, S>(
  params: P,
  optimizer: GradientTransform<S>,
  key: Tensor,
  memory?: Memory,
  average?: ParameterAverage,
): TrainingState<P, S> {
  const floats = inFloats(params);
  return {
    params,
    optimizer: optimizer.init(floats),
    step: zeros([], "i32"),
    key,
    memory: firstMemory(memory),
    ...(average === undefined ? {} : { average: average.init(floats) }),
  };
}

/** The state before the step of an objective that asks the averaged policy. */
type Averaged<P> = Pick<TrainingState<P, unknown>, "average">;

/** The average of a state; a RangeError where it has none. */
function averageIn<P>({ average }: Averaged<P>): AveragedParameters<P> {
  if (average !== undefined) return average;
  throw new RangeError(
    "the training's state has no average, which a step reads: give initTrainingState the average",
  );
}

/** The policy, and its objective in a step. */
function partsAt<P, B>(
  { policy, objective, objectiveOf }: PolicyAndObjective<P, B>,
  state: Averaged<P>,
): Omit<PolicyAndObjective<P, B>, "objectiveOf"> {
  if (objectiveOf === undefined) return { policy, objective };
  return { policy, objective: objectiveOf(modelOf(policy, averageIn(state).params)) };
}

/**
 * Step, memory and keys for one micro-batch. Keys come from the training's key, the step and the
 * micro-batch's index alone: so a resumed training draws the same numbers as an uninterrupted one.
 * Noise drawn once a step is the same however a batch is cut; dropout is drawn for each
 * micro-batch, so with dropout 1 x 8 and 8 x 1 differ in their masks.
 */
function contextOf(
  { step, key, memory }: TrainingState<unknown, unknown>,
  microBatch: TensorLike,
): Context {
  const stepKey = foldKey(key, step);
  return {
    step,
    memory,
    keys: {
      step: foldKey(stepKey, 0),
      batch: foldKey(stepKey, add(asTensor(microBatch, "i32"), 1)),
    },
  };
}

/** The key of the random bits by which the weights of a step are rounded; micro-batches have others. */
function roundingKey({ step, key }: TrainingState<unknown, unknown>): Tensor {
  return foldKey(foldKey(key, step), -1);
}

/**
 * The weights after a step in the types of those before: in 16 bits by stochastic rounding, with a
 * key for each tensor.
 */
function storedLike<P>(stored: P, weights: P, key: Tensor): P {
  let tensors = 0;
  return zipTrees(stored, weights, (before, after) => {
    const own = tensors++;
    if (!isStorage(before.dtype)) return after;
    return roundStochastically(foldKey(key, own), after, before.dtype);
  });
}

/** The gradient of one scalar of an evaluation, with the evaluation itself. */
function gradientOf<P, B>(
  { policy, objective }: PolicyAndObjective<P, B>,
  params: P,
  collected: unknown,
  context: Context,
  scalar: (evaluation: Evaluation) => Tensor,
): { readonly evaluation: Evaluation; readonly gradient: P } {
  const { aux, gradient } = valueAndGradAux((p: P) => {
    const evaluation = objective.evaluate(modelOf(policy, p), collected, context);
    return { value: scalar(evaluation), aux: evaluation };
  })(params);
  return { evaluation: aux, gradient };
}

function termAt(terms: readonly Loss[], k: number): Loss {
  const term = terms[k];
  if (term === undefined) throw new RangeError(`the objective's loss has no term ${k}`);
  return term;
}

/** The step from a gradient: update, count and log. */
function update<P, B, S>(
  { objective, optimizer, learningRate, average }: StepParts<P, B, S>,
  before: TrainingState<P, S>,
  gradient: P,
  evaluation: Evaluation,
): StepResult<P, S> {
  const { params, optimizer: optimizerState, step, key, memory, clock } = before;
  const weights = inFloats(params);
  const { updates, state } = optimizer.update(gradient, optimizerState, weights);
  const rate = learningRate?.(clock ?? step);
  const scaled = clock === undefined || rate === undefined
    ? updates
    : mapTree(updates, (update) => mul(update, cast(rate, update.dtype)));
  const after = storedLike(params, applyUpdates(weights, scaled), roundingKey(before));
  const done = add(step, 1);
  return {
    state: {
      params: after,
      optimizer: state,
      step: done,
      key,
      memory: nextMemory(objective.memory, memory, evaluation),
      ...(average === undefined
        ? {}
        : { average: average.update(averageIn(before), inFloats(after), done) }),
    },
    metrics: {
      ...summarize(evaluation),
      grad_norm: globalNorm(gradient),
      ...(rate === undefined ? {} : { learning_rate: rate }),
    },
  };
}

/**
 * One optimizer step on one batch: states are collected, the loss is differentiated, the parameters
 * are updated. Compile it with the state donated.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { sgd } from "@unitune/autodiff";
 * import { compile, gather, key, type Tensor, tensor, zeros } from "@unitune/core";
 * import { initTrainingState, policyOfLogits, sft, trainingStep } from "@unitune/objectives";
 *
 * const bigram = policyOfLogits<{ table: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: (_, embeddings) => embeddings,
 * });
 * const training = { policy: bigram, objective: sft(), optimizer: sgd(1) };
 * const step = compile(trainingStep(training), { donate: [0] });
 *
 * const state = initTrainingState({ table: zeros([2, 2]) }, training.optimizer, key(0));
 * const batch = { ids: tensor([[0, 1, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
 * const first = step(state, batch);
 * const second = step(first.state, batch);
 * const [before, after] = [first.metrics.loss, second.metrics.loss];
 * assert(before && after && await after.item() < await before.item());
 * ```
 *
 * @param parts Policy, objective and optimizer.
 * @returns The step: state and batch to the next state and metrics.
 */
export function trainingStep<P, B, S>(
  parts: StepParts<P, B, S>,
): (state: TrainingState<P, S>, batch: B) => StepResult<P, S> {
  return (state, batch) => {
    const context = contextOf(state, 0);
    const params = inFloats(state.params);
    const own = partsAt(parts, state);
    const collected = own.objective.collect(modelOf(own.policy, params), batch, context);
    const { evaluation, gradient } = gradientOf(own, params, collected, context, evaluationLoss);
    return update(parts, state, gradient, evaluation);
  };
}

/** The sums over some micro-batches of one step. */
export interface Accumulated<P> {
  /** For each term of the loss its total, its normalizer, and the gradient of the total. */
  readonly terms: readonly Accumulation<P>[];
  /** The metrics. */
  readonly metrics: Metrics;
  /** The number of micro-batches, an i32 scalar. */
  readonly microBatches: Tensor;
}

/**
 * One micro-batch of a step: totals, normalizers, metrics and the gradients of the totals, added to
 * the sums of the micro-batches before. Nothing is divided before {@linkcode applyAccumulated}, so
 * that a batch has the same gradient however it is cut. Each term of the loss is differentiated
 * separately. Compile it with the sums donated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sgd } from "@unitune/autodiff";
 * import { compile, gather, key, type Tensor, tensor, zeros } from "@unitune/core";
 * import {
 *   accumulateGradients,
 *   applyAccumulated,
 *   initTrainingState,
 *   policyOfLogits,
 *   sft,
 * } from "@unitune/objectives";
 *
 * const policy = policyOfLogits<{ table: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: (_, embeddings) => embeddings,
 * });
 * const training = { policy, objective: sft(), optimizer: sgd(1) };
 * const accumulate = compile(accumulateGradients(training), { donate: [2] });
 * const apply = compile(applyAccumulated(training), { donate: [0, 1] });
 *
 * const state = initTrainingState({ table: zeros([2, 2]) }, training.optimizer, key(0));
 * const long = { ids: tensor([[0, 1, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
 * const short = { ids: tensor([[0, 0, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 0]]) };
 * const { metrics } = apply(state, accumulate(state, short, accumulate(state, long)));
 * assertEquals(await metrics.num_tokens?.item(), 3);
 * ```
 *
 * @param parts Policy and objective.
 * @returns The function: state, micro-batch and the sums so far (none at first) to the new sums.
 */
export function accumulateGradients<P, B>(
  parts: PolicyAndObjective<P, B>,
): (
  state: TrainingState<P, unknown>,
  batch: B,
  accumulated?: Accumulated<P>,
) => Accumulated<P> {
  return (state, batch, accumulated) => {
    const context = contextOf(state, accumulated?.microBatches ?? 0);
    const params = inFloats(state.params);
    const own = partsAt(parts, state);
    const collected = own.objective.collect(modelOf(own.policy, params), batch, context);
    const term = (k: number) =>
      gradientOf(own, params, collected, context, ({ terms }) => termAt(terms, k).total);
    const { evaluation: { terms, metrics }, gradient } = term(0);
    const gradients = [gradient, ...terms.slice(1).map((_, k) => term(k + 1).gradient)];
    const sums: Accumulated<P> = {
      terms: gradients.map((gradient, k) => ({ ...termAt(terms, k), gradient })),
      metrics,
      microBatches: asTensor(1, "i32"),
    };
    return accumulated === undefined ? sums : zipTrees(sums, accumulated, add);
  };
}

/**
 * The optimizer step from the sums over all micro-batches: the gradient of
 * `sum_k total_k / normalizer_k` is `sum_k gradient_k / normalizer_k`. Compile it with state and
 * sums donated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sgd } from "@unitune/autodiff";
 * import { gather, key, type Tensor, tensor } from "@unitune/core";
 * import { applyAccumulated, initTrainingState, policyOfLogits, sft } from "@unitune/objectives";
 *
 * const policy = policyOfLogits<{ table: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: (_, embeddings) => embeddings,
 * });
 * const training = { policy, objective: sft(), optimizer: sgd(1) };
 * const params = { table: tensor([[1]]) };
 * const after = applyAccumulated(training)(initTrainingState(params, training.optimizer, key(0)), {
 *   terms: [{ total: tensor(6), normalizer: tensor(4), gradient: { table: tensor([[2]]) } }],
 *   metrics: {},
 *   microBatches: tensor(2, { dtype: "i32" }),
 * });
 * assertEquals(await after.metrics.loss?.item(), 1.5);
 * assertEquals(await after.state.params.table.item(), 0.5);
 * ```
 *
 * @param parts Policy, objective and optimizer, as they were accumulated with.
 * @returns The function: state and sums to the next state and metrics.
 */
export function applyAccumulated<P, B, S>(
  parts: StepParts<P, B, S>,
): (state: TrainingState<P, S>, accumulated: Accumulated<P>) => StepResult<P, S> {
  return (state, accumulated) => {
    const gradient = accumulated.terms
      .map((term) => averaged(term).gradient)
      .reduce((total, term) => zipTrees(total, term, add));
    return update(parts, state, gradient, accumulated);
  };
}

/**
 * The evaluation of an objective on a batch, without training and without randomness: for
 * validation. Sum the evaluations of several batches, then {@linkcode summarize} them.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gather, type Tensor, tensor, zeros } from "@unitune/core";
 * import { evaluationStep, policyOfLogits, sft, summarize } from "@unitune/objectives";
 *
 * const bigram = policyOfLogits<{ table: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: (_, embeddings) => embeddings,
 * });
 * const validate = evaluationStep({ policy: bigram, objective: sft() });
 * const batch = { ids: tensor([[0, 1]], { dtype: "i32" }), mask: tensor([[0, 1]]) };
 * const state = { params: { table: zeros([2, 2]) }, step: tensor(0, { dtype: "i32" }) };
 * const { nll } = summarize(validate(state, batch));
 * assertAlmostEquals(await nll?.item() ?? NaN, Math.LN2, 1e-6);
 * ```
 *
 * @param parts Policy and objective.
 * @returns The function: parameters, step, the average that the objective asks, and batch to the
 * evaluation.
 */
export function evaluationStep<P, B>(
  parts: PolicyAndObjective<P, B>,
): (
  state: Pick<TrainingState<P, unknown>, "params" | "step" | "average">,
  batch: B,
) => Evaluation {
  return (state, batch) => {
    const { policy, objective } = partsAt(parts, state);
    const context = { step: state.step };
    const model = modelOf(policy, inFloats(state.params));
    return objective.evaluate(model, objective.collect(model, batch, context), context);
  };
}
