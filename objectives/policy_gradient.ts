/** Losses of sampled tokens: the policy gradient, and its importance-weighted, clipped forms. */
import {
  and,
  broadcastTo,
  cast,
  checkOptions,
  clip,
  greater,
  less,
  maximum,
  minimum,
  mul,
  neg,
  type Range,
  ranges,
  stopGradient,
  type Tensor,
  where,
} from "@unitune/core";
import { aggregate, checkNormalizer, type Normalizer } from "./aggregation.ts";
import { checkName, checkShapes, perToken } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import { bounded, boundedExp, logRatio } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import { meanOver, type Metric, type Metrics } from "./metrics.ts";
import type { RolloutEvidence } from "./optimization.ts";
import { type TokenOptimization, tokenwise } from "./tokenwise.ts";
import { type RatioLevel, ratioLevels } from "./ratio_levels.ts";
import { SAMPLED_TRANSITION } from "./transitions.ts";
import type { Expression } from "./unified/expression.ts";
import { slots } from "./unified/gradient.ts";
import { A, p, pOld } from "./unified/ratios.ts";
import { literal, write, ZERO } from "./unified/write.ts";

export type { RatioLevel };

/**
 * Importance ratios `rho = pi / pi_old` of sampled tokens, or of their sequences. Log-ratios are
 * cut to -80..80, without gradient beyond.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { importanceRatio } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const old = zeros([1, 3], "f64");
 * const ratio = importanceRatio(logProbs, old, tensor([[1, 1, 1]]), "sequence-mean");
 * assertAlmostEquals(await ratio.item(), 0.9086, 1e-4);
 * ```
 *
 * @param logProbs Log-probabilities of the sampled tokens, `[B, T]`, in nats.
 * @param oldLogProbs Log-probabilities under the policy that sampled the tokens, `[B, T]`.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param level The level of the ratios (default `"token"`).
 * @returns Ratios, `[B, T]` or, of sequences, `[B, 1]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function importanceRatio(
  logProbs: Tensor,
  oldLogProbs: Tensor,
  mask: Tensor,
  level: RatioLevel = "token",
): Tensor {
  checkShapes("importanceRatio", ["B", "T"], { logProbs, oldLogProbs, mask });
  checkName("importanceRatio: level", level, ratioLevels);
  return boundedExp(ratioLevels[level].logRatios(logRatio(logProbs, oldLogProbs), mask));
}

/** The options of the plain policy gradient. */
export interface PolicyGradientOptions {
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/**
 * The policy gradient (REINFORCE, Williams 1992): `-A log p` of each sampled token.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, reinforceLoss } from "@unitune/objectives";
 *
 * const loss = reinforceLoss(tensor([[-1, -3]]), tensor([2]), tensor([[1, 1]]));
 * assertEquals(await lossValue(loss).item(), 4);
 * ```
 *
 * @param logProbs Log-probabilities of the sampled tokens, `[B, T]`, in nats.
 * @param advantages Of sequences `[B]` or of tokens `[B, T]`; no gradient flows into them.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function reinforceLoss(
  logProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  { normalizer = objectiveDefaults.normalizer }: PolicyGradientOptions = {},
): Loss {
  checkShapes("reinforceLoss", ["B", "T"], { logProbs, mask });
  return aggregate(reinforced("reinforceLoss", logProbs, advantages), mask, normalizer);
}

/** `-A log p` of each token. */
function reinforced(name: string, logProbs: Tensor, advantages: Tensor): Tensor {
  return neg(mul(stopGradient(perToken(name, advantages, logProbs)), bounded(logProbs)));
}

/** The options of a clipped loss. */
export interface ClippedOptions {
  /** Lower clip range: ratios below `1 - epsilon` are clipped (default 0.2; `Infinity`: none). */
  readonly epsilon?: number;
  /** Upper clip range: ratios above `1 + epsilonHigh` are clipped (default `epsilon`). */
  readonly epsilonHigh?: number;
  /**
   * For negative advantages, the ratio beyond which the loss no longer grows, above 1 and finite
   * (default: none).
   */
  readonly dualClip?: number;
  /** The level at which ratios are taken (default `"token"`). */
  readonly ratio?: RatioLevel;
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

const clippedRanges: Readonly<Record<"epsilon" | "epsilonHigh" | "dualClip", Range>> = {
  epsilon: ranges.upToInfinity,
  epsilonHigh: ranges.upToInfinity,
  dualClip: { above: 1 },
};

/** The bounds of the ratio, and the other options of a clipped loss; all of them checked. */
interface ClippedConstants extends Required<Pick<ClippedOptions, "ratio" | "normalizer">> {
  readonly low: number;
  readonly high: number;
  readonly dualClip: number | undefined;
}

function clippedConstants(
  name: string,
  {
    epsilon = objectiveDefaults.clipRange,
    epsilonHigh = epsilon,
    dualClip,
    ratio = "token",
    normalizer = objectiveDefaults.normalizer,
  }: ClippedOptions,
): ClippedConstants {
  checkOptions(name, clippedRanges, { epsilon, epsilonHigh, dualClip });
  checkName(`${name}: ratio`, ratio, ratioLevels);
  checkNormalizer(`${name}: normalizer`, normalizer);
  return { low: 1 - epsilon, high: 1 + epsilonHigh, dualClip, ratio, normalizer };
}

/**
 * The clipped surrogate of PPO (arXiv 1707.06347), `-min(rho A, clip(rho, 1-lo, 1+hi) A)` of each
 * sampled token; with a dual clip c (arXiv 1912.09729), where A < 0, no more than `-c A`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { clippedLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = clippedLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.6333, 1e-4);
 * ```
 *
 * @param logProbs Log-probabilities of the sampled tokens, `[B, T]`, in nats.
 * @param oldLogProbs Log-probabilities under the policy that sampled the tokens, `[B, T]`.
 * @param advantages Of sequences `[B]` or of tokens `[B, T]`; no gradient flows into them.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options Clipping, ratios, and the normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function clippedLoss(
  logProbs: Tensor,
  oldLogProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  options: ClippedOptions = {},
): Loss {
  const known = clippedConstants("clippedLoss", options);
  const losses = clippedTokens(logProbs, oldLogProbs, advantages, mask, known);
  return aggregate(losses, mask, known.normalizer);
}

/** The clipped surrogate of each token, negated. */
function clippedTokens(
  logProbs: Tensor,
  oldLogProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  { low, high, dualClip, ratio: level }: ClippedConstants,
): Tensor {
  const a = stopGradient(perToken("clippedLoss", advantages, logProbs));
  const ratio = importanceRatio(logProbs, oldLogProbs, mask, level);
  const clipped = maximum(neg(mul(ratio, a)), neg(mul(clip(ratio, low, high), a)));
  const losses = dualClip === undefined
    ? clipped
    : where(less(a, 0), minimum(clipped, mul(a, -dualClip)), clipped);
  return broadcastTo(losses, mask.shape);
}

/** A clipped loss; see {@linkcode clippedLoss} for its parameters. */
export type RolloutLoss<O> = (
  logProbs: Tensor,
  oldLogProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  options?: O,
) => Loss;

/** The clipped loss with other defaults. */
function withDefaults(defaults: ClippedOptions): RolloutLoss<ClippedOptions> {
  return (logProbs, oldLogProbs, advantages, mask, options = {}) =>
    clippedLoss(logProbs, oldLogProbs, advantages, mask, { ...defaults, ...options });
}

/** The options of a clipped loss whose form says where it clips. */
export type ClippedForm = ClippedOptions & { readonly epsilon: number };

const { clipRange: epsilon } = objectiveDefaults;

/** The defaults of the named forms, which differ in nothing else. */
export const clippedDefaults: {
  /** Token ratios, clip 0.2, token mean. */
  readonly ppo: ClippedForm;
  /** As PPO, by sequence. */
  readonly grpo: ClippedForm;
  /** As PPO, with a higher upper clip (arXiv 2503.14476). */
  readonly dapo: ClippedForm;
  /** As PPO, divided by a constant: give the longest completion as `normalizer`. */
  readonly drGrpo: ClippedForm;
  /** Geometric means of sequences, with a far narrower clip (arXiv 2507.18071). */
  readonly gspo: ClippedForm;
  /** As GSPO, each token with the gradient of its own probability. */
  readonly gspoToken: ClippedForm;
  /** As GSPO, its sequences weighed by their lengths, with a wider clip (arXiv 2602.05261). */
  readonly luspo: ClippedForm;
  /** Ratios of whole sequences (arXiv 2402.14740). */
  readonly rloo: ClippedForm;
} = {
  ppo: { epsilon, normalizer: "token" },
  grpo: { epsilon, normalizer: "sequence" },
  dapo: { epsilon, epsilonHigh: 0.28, normalizer: "token" },
  drGrpo: { epsilon, normalizer: 1 },
  gspo: { epsilon: 3e-4, epsilonHigh: 4e-4, ratio: "sequence-mean", normalizer: "sequence" },
  gspoToken: {
    epsilon: 3e-4,
    epsilonHigh: 4e-4,
    ratio: "sequence-token",
    normalizer: "sequence",
  },
  luspo: { epsilon: 2e-3, epsilonHigh: 2.5e-3, ratio: "sequence-mean", normalizer: 1 },
  rloo: { epsilon, ratio: "sequence-sum", normalizer: "sequence" },
};

/**
 * {@linkcode clippedLoss} as PPO has it (arXiv 1707.06347): token ratios, clip 0.2, token mean.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { ppoLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = ppoLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.6333, 1e-4);
 * ```
 */
export const ppoLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.ppo);

/**
 * {@linkcode clippedLoss} as GRPO has it (arXiv 2402.03300): token ratios, clip 0.2, mean over
 * sequences of the token mean.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { grpoLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = grpoLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.6333, 1e-4);
 * ```
 */
export const grpoLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.grpo);

/**
 * {@linkcode clippedLoss} as DAPO has it (arXiv 2503.14476): clip 0.2 below and 0.28 above, token
 * mean over the whole step (within one batch also BNPO's).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { dapoLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = dapoLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.6867, 1e-4);
 * ```
 */
export const dapoLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.dapo);

/**
 * {@linkcode clippedLoss} as Dr. GRPO has it (arXiv 2503.20783): the sum divided by rows times a
 * constant, rows without an answer included. Give the longest completion as `normalizer` (default 1:
 * the sum of a sequence).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { drGrpoLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = drGrpoLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -1.9, 1e-4);
 * ```
 */
export const drGrpoLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.drGrpo);

/**
 * {@linkcode clippedLoss} as GSPO has it (arXiv 2507.18071): ratios `exp(mean_t log rho_t)`, clip
 * 3e-4 below and 4e-4 above, mean over sequences.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { gspoLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = gspoLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.5753, 1e-4);
 * ```
 */
export const gspoLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.gspo);

/**
 * {@linkcode clippedLoss} as RLOO has it (arXiv 2402.14740): ratios of whole sequences, clip 0.2,
 * mean over sequences. Advantages are leave-one-out.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log, tensor, zeros } from "@unitune/core";
 * import { rlooLoss, lossValue } from "@unitune/objectives";
 *
 * const logProbs = log(tensor([[0.5, 1, 1.5]], { dtype: "f64" }));
 * const advantages = tensor([[1, -1, 2]], { dtype: "f64" });
 * const loss = rlooLoss(logProbs, zeros([1, 3], "f64"), advantages, tensor([[1, 1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), -0.4833, 1e-4);
 * ```
 */
export const rlooLoss: RolloutLoss<ClippedOptions> = withDefaults(clippedDefaults.rloo);

/** The options of {@linkcode cispoLoss}. */
export interface CispoOptions {
  /**
   * The largest ratio, above 0 (default 5). For projects that cap at `1 + epsilon`, give that
   * number.
   */
  readonly cap?: number;
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/** The options of CISPO, checked, its defaults filled in. */
function cispoConstants(
  name: string,
  { cap = 5, normalizer = objectiveDefaults.normalizer }: CispoOptions,
): Required<CispoOptions> {
  checkOptions(name, { cap: ranges.positive }, { cap });
  checkNormalizer(`${name}: normalizer`, normalizer);
  return { cap, normalizer };
}

/**
 * CISPO (arXiv 2506.13585): `-sg(min(rho, cap)) A log p` of each sampled token. No token loses its
 * gradient by clipping.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { cispoLoss, lossValue } from "@unitune/objectives";
 *
 * const [logProbs, old] = [tensor([[-1]]), tensor([[-3]])];
 * const loss = cispoLoss(logProbs, old, tensor([1]), tensor([[1]]), { cap: 2 });
 * assertAlmostEquals(await lossValue(loss).item(), 2);
 * ```
 *
 * @param logProbs Log-probabilities of the sampled tokens, `[B, T]`, in nats.
 * @param oldLogProbs Log-probabilities under the policy that sampled the tokens, `[B, T]`.
 * @param advantages Of sequences `[B]` or of tokens `[B, T]`; no gradient flows into them.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The cap, and the normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the cap is not above 0.
 */
export function cispoLoss(
  logProbs: Tensor,
  oldLogProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  options: CispoOptions = {},
): Loss {
  const { cap, normalizer } = cispoConstants("cispoLoss", options);
  const losses = cispoTokens(logProbs, oldLogProbs, advantages, mask, cap);
  return aggregate(losses, mask, normalizer);
}

/** `-sg(min(rho, cap)) A log p` of each token. */
function cispoTokens(
  logProbs: Tensor,
  oldLogProbs: Tensor,
  advantages: Tensor,
  mask: Tensor,
  cap: number,
): Tensor {
  const a = perToken("cispoLoss", advantages, logProbs);
  const ratio = minimum(importanceRatio(logProbs, oldLogProbs, mask), cap);
  return neg(mul(stopGradient(mul(ratio, a)), bounded(logProbs)));
}

/**
 * {@linkcode reinforceLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, policyGradient } from "@unitune/objectives";
 *
 * assertEquals(formulaText(policyGradient().description.formula), "sum_b sum_t -A log p / sum_b M_b");
 * ```
 *
 * @param options The normalizer.
 * @returns The optimization.
 */
export function policyGradient(
  { normalizer = objectiveDefaults.normalizer }: PolicyGradientOptions = {},
): TokenOptimization<Omit<RolloutEvidence, "oldLogProbs">> {
  checkNormalizer("policyGradient: normalizer", normalizer);
  return tokenwise(SAMPLED_TRANSITION, {
    losses({ logProbs, advantages, mask }) {
      checkShapes("policyGradient", ["B", "T"], { logProbs: logProbs(), mask });
      return reinforced("policyGradient", logProbs(), advantages);
    },
    normalizer,
    formula: { text: "-A log p", binding: "sum" },
    where: {},
    gradient: [slots({ advantage: A })],
  });
}

/** A bound of ratios, with six digits. */
function shownBound(bound: number): Expression {
  return write.constant({ constant: bound, name: `${Number(bound.toPrecision(6))}` });
}

/** The slots of a clipped loss: where clipping removes the gradient, the mask is 0. */
function clippedSlots({ low, high, dualClip = Infinity, ratio: level }: ClippedConstants) {
  const { ratio: rho, denominator, times, advantages } = ratioLevels[level];
  const raised = write.atMost(rho, shownBound(high));
  const lowered = write.and(
    write.atMost(shownBound(low), rho),
    write.atMost(rho, literal(dualClip)),
  );
  return slots({
    mask: write.either(write.above(A, ZERO), raised, lowered),
    denominator,
    advantage: write.mul(times, A),
    advantages,
  });
}

/** The fraction of answer tokens for which a condition holds. */
function share(holds: Tensor, mask: Tensor): Metric {
  return meanOver(broadcastTo(cast(holds, mask.dtype), mask.shape), mask);
}

/** The fractions of tokens whose gradient clipping removed, below and above. */
function clipMetrics(
  { logProbs, oldLogProbs, advantages, mask }: RolloutEvidence,
  options: ClippedOptions,
): Metrics {
  const { low, high, ratio: level } = clippedConstants("clipped", options);
  const ratio = importanceRatio(logProbs(), oldLogProbs, mask, level);
  const a = perToken("clipped", advantages, logProbs());
  return {
    "clip_ratio/low": share(and(less(ratio, low), less(a, 0)), mask),
    "clip_ratio/high": share(and(greater(ratio, high), greater(a, 0)), mask),
  };
}

/**
 * {@linkcode clippedLoss} as a transition optimization. It logs `clip_ratio/low` and
 * `clip_ratio/high`: the fractions of tokens that clipping left without gradient.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { clipped, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(clipped({ epsilon: 0.1 }).description.formula), "clip(rho, 0.9, 1.1)");
 * ```
 *
 * @param options Clipping, ratios, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function clipped(options: ClippedOptions = {}): TokenOptimization<RolloutEvidence> {
  const known = clippedConstants("clipped", options);
  const { low, high, dualClip, ratio, normalizer } = known;
  const [from, to] = [low, high].map((bound) => Number(bound.toPrecision(6)));
  const surrogate = `-min(rho A, clip(rho, ${from}, ${to}) A)`;
  return tokenwise(SAMPLED_TRANSITION, {
    losses: ({ logProbs, oldLogProbs, advantages, mask }) =>
      clippedTokens(logProbs(), oldLogProbs, advantages, mask, known),
    normalizer,
    formula: dualClip === undefined
      ? { text: surrogate, binding: "sum" }
      : { text: `(A < 0 ? min(${surrogate}, ${dualClip} |A|) : ${surrogate})`, binding: "call" },
    where: { rho: ratioLevels[ratio].formula },
    gradient: [clippedSlots(known)],
    metrics: (evidence) => clipMetrics(evidence, options),
  });
}

/**
 * {@linkcode cispoLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { cappedPolicyGradient, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(cappedPolicyGradient({ cap: 3 }).description.formula), "min(rho, 3)");
 * ```
 *
 * @param options The cap, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If the cap is not above 0.
 */
export function cappedPolicyGradient(
  options: CispoOptions = {},
): TokenOptimization<RolloutEvidence> {
  const { cap, normalizer } = cispoConstants("cappedPolicyGradient", options);
  return tokenwise(SAMPLED_TRANSITION, {
    losses: ({ logProbs, oldLogProbs, advantages, mask }) =>
      cispoTokens(logProbs(), oldLogProbs, advantages, mask, cap),
    normalizer,
    formula: { text: `-sg(min(rho, ${cap})) A log p`, binding: "sum" },
    where: { rho: ratioLevels.token.formula },
    gradient: [
      slots({ denominator: write.max(pOld, write.div(p, literal(cap))), advantage: A }),
    ],
    metrics({ logProbs, oldLogProbs, mask }) {
      const ratio = importanceRatio(logProbs(), oldLogProbs, mask);
      return { "clip_ratio/high": share(greater(ratio, cap), mask) };
    },
  });
}
