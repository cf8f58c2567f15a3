/**
 * Right answers in batches of rollouts, and the predictions of a model whose prompt says more than
 * the policy's.
 */
import {
  add,
  argmax,
  cast,
  clip,
  dims,
  gather,
  iota,
  mul,
  reshape,
  sub,
  type Tensor,
} from "@unitune/core";
import { type Demonstrations, onTargets, predicted, readOf, targetsOf } from "./gold.ts";
import { type Model, withoutDropout } from "./policy.ts";
import type { Distribution, TargetPrediction } from "./prediction.ts";

/** What a batch of rollouts may hold of right answers. */
export interface Guided {
  /**
   * 1 on tokens that were given to the policy (a demonstration among its answers, or the beginning
   * of one), 0 on its own, `[B, T]` (default: not known).
   */
  readonly given?: Tensor;
  /**
   * The same answers behind prompts that say more, such as the right answer (default: not known). In
   * each row, the learned tokens are those of the rollout, in the same order and distances.
   */
  readonly privileged?: Demonstrations;
}

/**
 * What a model reads when it is asked about answers: the prompts that the policy reads
 * (`"same"`), or prompts that say more (`"privileged"`).
 */
export type TeacherReading = "same" | "privileged";

/** A part of a guided batch that has to be there. */
export function guidedPart<K extends keyof Guided>(
  name: string,
  batch: Guided,
  part: K,
): NonNullable<Guided[K]> {
  const value = batch[part];
  if (value !== undefined && value !== null) return value;
  throw new TypeError(
    `${name}: got rollouts without ${part}; expected a feed that knows right answers to give it`,
  );
}

/** Predictions of targets that a signal may ask of a model. */
export type AskedPrediction = Pick<TargetPrediction, "logProbs" | "argmax" | "distribution">;

/** The place of the first learned token of each row, `[B, 1]` (i32); 0 in a row without any. */
function firstOf(mask: Tensor): Tensor {
  return reshape(argmax(cast(mask, "f32")), [-1, 1]);
}

/**
 * A model's predictions of answers behind other prompts, at the positions of the policy's.
 *
 * @param model The model.
 * @param privileged The answers behind the other prompts.
 * @param batch The answers of the policy, at whose temperature the model is read as well.
 * @returns The predictions at the policy's positions; off the answer, of some other token.
 */
export function predictedBehind(
  model: Model,
  privileged: Demonstrations,
  batch: Pick<Demonstrations, "mask" | "temperature">,
): AskedPrediction {
  const mask = targetsOf(batch.mask);
  const fixed = withoutDropout(model);
  const read = fixed.embed(readOf(privileged));
  const { temperature = 1 } = batch;
  const there = onTargets(predicted(fixed, read, { ...privileged, temperature }, {}), privileged);
  const { B, S } = dims(there.mask, "B S", "privileged: mask");
  // An answer is shifted as a whole, so that one distance aligns a row.
  const shift = sub(firstOf(there.mask), firstOf(mask));
  const own = clip(add(iota(mask.shape, 1), shift), 0, S - 1);
  const places = add(own, mul(iota(mask.shape, 0), S));
  const moved = (x: Tensor) => {
    const rest = x.shape.slice(2);
    return gather(reshape(x, [B * S, ...rest]), places);
  };
  return {
    logProbs: () => moved(there.logProbs()),
    argmax: () => moved(there.argmax()),
    distribution: () => movedDistribution(there.distribution(), moved),
  };
}

function movedDistribution(
  distribution: Distribution,
  moved: (x: Tensor) => Tensor,
): Distribution {
  return distribution.kind === "logits"
    ? { ...distribution, logits: moved(distribution.logits) }
    : { ...distribution, hidden: moved(distribution.hidden) };
}
