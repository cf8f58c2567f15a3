/** Demonstrations, and their own prefixes as prior states. */
import {
  cast,
  checkRange,
  dims,
  ranges,
  ShapeError,
  type SharedPrefix,
  showShape,
  slice,
  type Tensor,
} from "@unitune/core";
import type { PriorStates } from "./estimation.ts";
import { checkMask, checkTargets, countOnes } from "./host.ts";
import { tokenMetrics } from "./metrics.ts";
import { checkPacking, type Packing, unpacked, unpackedMask } from "./packing.ts";
import type { Context, Model } from "./policy.ts";
import { once, type Prediction, type TargetPrediction } from "./prediction.ts";

/** A batch of demonstrations: sequences, and a mask of their learned tokens. */
export interface Demonstrations {
  /** Token ids `[B, T]` (i32); padding may be any token, at the end. */
  readonly ids: Tensor;
  /**
   * 1 on the tokens to learn (an answer and the stop token that ends it), 0 elsewhere, `[B, T]`.
   * Other numbers are refused where the mask is on the host; on a device they are not checked, and
   * have no meaning.
   */
  readonly mask: Tensor;
  /**
   * The world's answer to each token, which the policy reads in place of it, `[B, T]` (i32) (default:
   * the token itself, as in a text).
   */
  readonly observations?: Tensor;
  /**
   * The temperature T, above 0, at which every model predicts these tokens: its predictions are
   * `softmax(logits / T)` (default 1). Sampled tokens have the temperature that sampled them.
   */
  readonly temperature?: number;
  /**
   * The texts of each row, where rows hold several (default: one). The mask is 0 on the first token
   * of each text, which nothing predicts.
   */
  readonly packing?: Packing;
  /**
   * The most predicted tokens with a 1 in the mask, an integer from 1 (default: all tokens). The token
   * head predicts at so many positions only; see {@linkcode learnedPositions}.
   */
  readonly learned?: number;
  /**
   * The tokens that rows have in common, such as the prompt of a group of answers (default: none are
   * known). A policy may read them once; see {@linkcode commonPrefix}.
   */
  readonly prefix?: SharedPrefix;
}

/** The part of a batch that prior states are made of, without the scores beside it. */
export function tokensOf(
  { ids, mask, observations, temperature, packing, learned, prefix }: Demonstrations,
): Demonstrations {
  return {
    ids,
    mask,
    ...(observations === undefined ? {} : { observations }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(packing === undefined ? {} : { packing }),
    ...(learned === undefined ? {} : { learned }),
    ...(prefix === undefined ? {} : { prefix }),
  };
}

/**
 * Throws unless a batch holds at least one sequence of at least two tokens, with its mask.
 *
 * @throws {ShapeError} If it does not.
 * @throws {RangeError} If the mask is on the host and neither 0 nor 1 somewhere.
 */
export function checkDemonstrations(
  { ids, mask, observations, packing, learned }: Demonstrations,
): void {
  const fits = ids.dtype === "i32" && ids.shape.length === 2 &&
    showShape(ids.shape) === showShape(mask.shape);
  if (!fits) {
    throw new ShapeError(
      `demonstrations: got ids ${ids.dtype}${showShape(ids.shape)} and ` +
        `mask ${showShape(mask.shape)}; expected ids i32[B, T] and mask [B, T]`,
    );
  }
  if (
    observations !== undefined &&
    (observations.dtype !== "i32" || showShape(observations.shape) !== showShape(ids.shape))
  ) {
    throw new ShapeError(
      `demonstrations: got observations ${observations.dtype}${showShape(observations.shape)}; ` +
        `expected i32${showShape(ids.shape)}, one for each token`,
    );
  }
  const { B, T } = dims(ids, "B T");
  if (B === 0 || T < 2) {
    throw new ShapeError(
      `demonstrations: got ${showShape(ids.shape)}; ` +
        `expected at least one row, of at least two tokens (one to read, one to predict)`,
    );
  }
  checkMask("demonstrations", mask);
  if (packing !== undefined) checkPacking(packing, ids);
  if (learned !== undefined) checkLearned(mask, learned);
}

/** Refuses a number of positions in which not all learned tokens fit, if the mask is on the host. */
function checkLearned(mask: Tensor, learned: number): void {
  checkRange("demonstrations: learned", learned, ranges.integerFrom(1));
  const { T } = dims(mask, "B T");
  const tokens = countOnes(mask, (i) => i % T !== 0);
  if (tokens <= learned) return;
  throw new RangeError(
    `demonstrations: learned: got ${learned}; expected at least ${tokens}, the predicted tokens ` +
      `with a 1 in the mask`,
  );
}

/** The entries at the positions that are read: all but the last, `[B, T-1]`. */
export function inputsOf(x: Tensor): Tensor {
  return slice(x, 1, 0, -1);
}

/** The ids that a policy reads, `[B, T-1]`: tokens, or the world's answers to them. */
export function readOf(
  { ids, observations = ids }: Pick<Demonstrations, "ids" | "observations">,
): Tensor {
  return inputsOf(observations);
}

/** The tokens that are predicted: all but the first, `[B, T-1]`. */
export function targetsOf(x: Tensor): Tensor {
  return slice(x, 1, 1);
}

/**
 * The prediction from embeddings `[B, T-1, E]`, at the temperature of the batch, within its texts
 * where it is packed, and with dropout where the context has keys; of learned tokens only where the
 * batch says how many there are.
 *
 * @throws {RangeError} If the temperature is not a number above 0.
 */
export function predicted(
  model: Model,
  embeddings: Tensor,
  { temperature = 1, packing, mask, learned, prefix }: Partial<
    Pick<Demonstrations, "temperature" | "packing" | "mask" | "learned" | "prefix">
  >,
  { keys }: Pick<Context, "keys">,
): Prediction {
  return model.predict(embeddings, {
    temperature,
    ...(packing === undefined ? {} : {
      positions: inputsOf(packing.positions),
      segments: inputsOf(packing.segments),
    }),
    ...(mask === undefined || learned === undefined
      ? {}
      : { needed: { mask: targetsOf(mask), count: learned } }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(keys === undefined ? {} : { key: keys.batch }),
  });
}

/**
 * A prediction of the targets of demonstrations, by text where they are packed. Its `logProbs` throws
 * a RangeError if a learned token is on the host and outside the vocabulary.
 */
export function onTargets(
  prediction: Prediction,
  { ids, mask, packing }: Demonstrations,
): TargetPrediction {
  const { hidden, vocabulary, logProbs, entropy, collision, argmax, logits } = prediction;
  const { distribution, divergence, values } = prediction;
  const targets = targetsOf(ids);
  const byText = (x: Tensor) => packing === undefined ? x : unpacked(x, packing);
  const learned = targetsOf(mask);
  return {
    targets: byText(targets),
    mask: cast(packing === undefined ? learned : unpackedMask(learned, packing), hidden.dtype),
    logProbs: once(() => {
      checkTargets("demonstrations", ids, mask, vocabulary());
      return byText(logProbs(targets));
    }),
    entropy: once(() => byText(entropy())),
    collision: once(() => byText(collision())),
    argmax: once(() => byText(argmax())),
    logits: once(() => byText(logits())),
    distribution,
    divergence: (teacher, options) => byText(divergence(teacher, options)),
    values: once(() => byText(values())),
  };
}

/**
 * Teacher forcing: the human's prefixes stand for the model's own, `s_n = s*_n`. This assumes that
 * the model would have reached them, and so overestimates the model (arXiv 2405.11870).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { gold, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[1, 0], [0, 1]]), ids),
 *   logits: (embeddings) => embeddings,
 * });
 * const { argmax, mask } = gold.evaluate(
 *   model,
 *   { ids: tensor([[0, 1, 1]], { dtype: "i32" }), mask: tensor([[0, 0, 1]]) },
 *   { step: tensor(0, { dtype: "i32" }) },
 * );
 * assertEquals(await argmax().data(), new Int32Array([0, 1]));
 * assertEquals(await mask.data(), new Float32Array([0, 1]));
 * ```
 */
export const gold: PriorStates<Demonstrations, Demonstrations> = {
  description: {
    humanStates: { kind: "prefix", of: "demonstrated" },
    modelStates: { kind: "prefix", of: "demonstrated" },
    models: ["policy"],
    data: ["demonstration"],
    forwardPasses: 1,
  },
  collect(_model, batch) {
    checkDemonstrations(batch);
    return batch;
  },
  evaluate(model, batch, context) {
    const states = onTargets(predicted(model, model.embed(readOf(batch)), batch, context), batch);
    return { ...states, metrics: () => tokenMetrics(states) };
  },
};
