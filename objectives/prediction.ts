/** The predictions of a model, each part computed on demand. */
import {
  add,
  arange,
  argmax,
  cast,
  checkRange,
  dims,
  div,
  type Head,
  headLogits,
  headScores,
  type LinearHead,
  mul,
  ranges,
  reshape,
  sizeOf,
  stopGradient,
  sub,
  type Tensor,
} from "@unitune/core";
import { tokenEntropy, tokenLogProbs } from "./log_probs.ts";
import { jsdInBlocks } from "./blocked_jsd.ts";
import { generalizedJsd, jsdConstants, type JsdOptions } from "./jsd.ts";
import { everywhere, fewerThanAll, type Positions, selectionOf } from "./positions.ts";
import { blockSize, inBlocks, noiseOf, type TokenPrediction } from "./vocabulary_blocks.ts";

/**
 * The prediction of a model after each of T positions. All of its parts come from the same hidden
 * states, which are computed once. Each part is computed on demand. Log-probabilities, entropies
 * and arg max are separate parts, so that a head may compute them without holding the logits.
 */
export interface Prediction {
  /** The hidden states that all heads read, `[B, T, D]`. */
  readonly hidden: Tensor;
  /** The number of tokens, V. */
  readonly vocabulary: () => number;
  /** The log-probabilities of given tokens `[B, T]` (i32): `[B, T]`, in nats. */
  readonly logProbs: (ids: Tensor) => Tensor;
  /** The entropy of the next token, `[B, T]`, in nats. */
  readonly entropy: () => Tensor;
  /** `log sum_a p(a)^2` of the next token, `[B, T]`, in nats. */
  readonly collision: () => Tensor;
  /** The most likely token, `[B, T]` (i32). */
  readonly argmax: () => Tensor;
  /**
   * A token that is drawn from the prediction, `[B, T]` (i32), by a key (u32 `[2]`) that is used for
   * nothing else. What is drawn at a position depends on the key and the position alone.
   */
  readonly draw: (key: Tensor) => Tensor;
  /** The logits of the next token, `[B, T, V]`. */
  readonly logits: () => Tensor;
  /** The whole prediction as data, for {@linkcode Prediction.divergence}. */
  readonly distribution: () => Distribution;
  /**
   * The {@linkcode generalizedJsd} of this prediction, the student's, from a teacher's, `[B, T]`, in
   * nats. The teacher is a constant.
   *
   * @throws {ShapeError} If the predictions have different shapes.
   * @throws {RangeError} If an option is out of range.
   */
  readonly divergence: (teacher: Distribution, options?: JsdOptions) => Tensor;
  /**
   * The scores of a reward model, `[B, T]`: the only output of its head.
   *
   * @throws {ShapeError} If the head has another number of outputs.
   */
  readonly scores: () => Tensor;
  /**
   * The values of the states, `[B, T]`.
   *
   * @throws {TypeError} If the policy has no value head.
   */
  readonly values: () => Tensor;
}

/** Predictions of whole distributions as data: logits, or what they are computed from where they are many. */
export type Distribution =
  | { readonly kind: "logits"; readonly logits: Tensor }
  | {
    readonly kind: "head";
    /** Hidden states, `[B, T, D]`. */
    readonly hidden: Tensor;
    /** The head that reads them. */
    readonly head: LinearHead;
  };

/**
 * A prediction of the targets of T - 1 prior states. Each part is computed once, on demand, so a
 * loss that needs only log-probabilities computes no logits.
 */
export interface TargetPrediction extends
  Pick<
    Prediction,
    "entropy" | "collision" | "argmax" | "logits" | "distribution" | "divergence" | "values"
  > {
  /** The target tokens, `[B, T-1]` (i32). */
  readonly targets: Tensor;
  /** 1 where the target belongs to an answer, 0 elsewhere, `[B, T-1]`, of the model's dtype. */
  readonly mask: Tensor;
  /** The log-probabilities of the targets, `[B, T-1]`, in nats. */
  readonly logProbs: () => Tensor;
}

/** A function that computes its result at the first call, and keeps it. */
export function once<T>(make: () => T): () => T {
  let made: { readonly result: T } | undefined;
  return () => (made ??= { result: make() }).result;
}

/** A head whose logits are divided by a temperature. */
function tempered(head: LinearHead, temperature: number): LinearHead;
function tempered(head: Head, temperature: number): Head;
function tempered(head: Head, temperature: number): Head {
  checkRange("temperature", temperature, ranges.positive);
  if (temperature === 1) return head;
  if (typeof head === "function") return (hidden) => div(head(hidden), temperature);
  const { temperature: own = 1 } = head;
  return { ...head, temperature: own * temperature };
}

/** Predictions where they are needed; NaN elsewhere, and 0 for the arg max. */
function tokensAt(head: Head, hidden: Tensor, needed: Positions): TokenPrediction {
  const { select, spread } = selectionOf(needed);
  const own = select(hidden); // [count, D]
  const tokens = tokensOf(head, own, once(() => headLogits(head, own)));
  return {
    logProbs: (ids) => spread(tokens.logProbs(select(ids))),
    entropy: () => spread(tokens.entropy()),
    argmax: () => spread(tokens.argmax()),
    draw: (key, numbers) => spread(tokens.draw(key, select(numbers))),
  };
}

/** Predictions from all logits at once. */
function ofLogits(logits: () => Tensor): TokenPrediction {
  return {
    logProbs: (ids) => tokenLogProbs(logits(), ids),
    entropy: () => tokenEntropy(logits()),
    argmax: () => argmax(logits()),
    draw(key, numbers) {
      const scores = cast(logits(), "f32");
      const { V } = dims(scores, "... V");
      const noise = noiseOf(key, reshape(numbers, [sizeOf(numbers.shape)]), V);
      return argmax(add(scores, reshape(noise, scores.shape)));
    },
  };
}

/** Predictions at positions of any shape, in blocks of a vocabulary with many logits. */
function tokensOf(head: Head, hidden: Tensor, logits: () => Tensor): TokenPrediction {
  const positions = hidden.shape.slice(0, -1);
  const size = typeof head === "function" ? undefined : blockSize(head, sizeOf(positions));
  if (typeof head === "function" || size === undefined) return ofLogits(logits);
  const { select, spread } = everywhere(positions);
  const blocks = inBlocks(head, select(hidden), size);
  return {
    logProbs: (ids) => spread(blocks.logProbs(select(ids))),
    entropy: () => spread(blocks.entropy()),
    argmax: () => spread(blocks.argmax()),
    draw: (key, numbers) => spread(blocks.draw(key, select(numbers))),
  };
}

/** A prediction as data; as logits where these are few. */
function distributionOf(head: Head, hidden: Tensor, logits: () => Tensor): Distribution {
  const positions = sizeOf(hidden.shape.slice(0, -1));
  return typeof head === "function" || blockSize(head, positions) === undefined
    ? { kind: "logits", logits: logits() }
    : { kind: "head", hidden, head };
}

/** The logits of a distribution. */
function logitsOf(distribution: Distribution): Tensor {
  return distribution.kind === "logits"
    ? distribution.logits
    : headLogits(distribution.head, distribution.hidden);
}

/** The divergence of a student from a teacher where it is needed, in blocks if both have many logits. */
function divergenceOf(
  student: Distribution,
  teacher: Distribution,
  needed: Positions | undefined,
  options: JsdOptions = {},
): Tensor {
  if (student.kind === "logits" || teacher.kind === "logits") {
    const own = logitsOf(student);
    return generalizedJsd(own, stopGradient(cast(logitsOf(teacher), own.dtype)), options);
  }
  const { temperature, ...compared } = jsdConstants("generalizedJsd", options);
  const shape = student.hidden.shape.slice(0, -1);
  const { select, spread } = needed === undefined ? everywhere(shape) : selectionOf(needed);
  const of = ({ head, hidden }: typeof student) => ({
    head: tempered(head, temperature),
    hidden: select(hidden),
  });
  const [own, other] = [of(student), of(teacher)];
  const positions = sizeOf(own.hidden.shape.slice(0, -1));
  const size = blockSize(own.head, positions) ?? dims(own.head.weight, "V D").V;
  return spread(jsdInBlocks(own, other, size, compared));
}

/** The prediction of heads that read hidden states `[B, T, D]`, the token head at a temperature. */
export function predictionOf(
  hidden: Tensor,
  { head, value, temperature, needed }: {
    readonly head: Head;
    readonly value?: Head;
    readonly temperature: number;
    readonly needed?: Positions;
  },
): Prediction {
  const tokens = tempered(head, temperature);
  const logits = once(() => headLogits(tokens, hidden));
  const some = fewerThanAll(needed);
  const predictionsOf = (tokens: Head, logits: () => Tensor) =>
    some === undefined ? tokensOf(tokens, hidden, logits) : tokensAt(tokens, hidden, some);
  const { logProbs, entropy, argmax, draw } = predictionsOf(tokens, logits);
  const likeliest = once(argmax);
  // The logits z, doubled, predict p^2 / sum_a p(a)^2: so the sum is found from one token's
  // log-probabilities, in blocks of the vocabulary where there are any.
  const collision = once(() => {
    const ids = likeliest();
    const doubled = predictionsOf(tempered(tokens, 1 / 2), () => mul(logits(), 2));
    return sub(mul(logProbs(ids), 2), doubled.logProbs(ids));
  });
  const distribution = once(() => distributionOf(tokens, hidden, logits));
  return {
    hidden,
    distribution,
    divergence: (teacher, options) => divergenceOf(distribution(), teacher, some, options),
    vocabulary: () =>
      typeof head === "function" ? dims(logits(), "... V").V : dims(head.weight, "V D").V,
    logProbs,
    entropy: once(entropy),
    collision,
    argmax: likeliest,
    draw(key) {
      const positions = hidden.shape.slice(0, -1);
      return draw(key, reshape(arange(sizeOf(positions), "u32"), positions));
    },
    logits,
    scores: once(() => headScores(head, hidden)),
    values: once(() => {
      if (value === undefined) {
        throw new TypeError("values: the policy has no value head; give it a head `value`");
      }
      return headScores(value, hidden);
    }),
  };
}

/** A prediction with every tensor of its parts replaced. */
export function mapPrediction(
  prediction: Prediction,
  f: (answer: Tensor) => Tensor,
): Prediction {
  const { hidden, vocabulary, logProbs, entropy, collision, argmax, logits } = prediction;
  const { draw, divergence, scores, values } = prediction;
  const mapped = once(() => f(logits()));
  return {
    distribution: once(() => ({ kind: "logits", logits: mapped() })),
    divergence: (teacher, options) => f(divergence(teacher, options)),
    hidden: f(hidden),
    vocabulary,
    logProbs: (ids) => f(logProbs(ids)),
    entropy: once(() => f(entropy())),
    collision: once(() => f(collision())),
    argmax: once(() => f(argmax())),
    draw: (key) => f(draw(key)),
    logits: mapped,
    scores: once(() => f(scores())),
    values: once(() => f(values())),
  };
}
