/**
 * Optimizations token by token: a loss for each token, and one normalizer of their sum. So they can
 * be weighed token by token, and two of them can share out the tokens of an answer.
 */
import {
  checkRange,
  equal,
  mul,
  ranges,
  stopGradient,
  sub,
  type Tensor,
  where as select,
} from "@unitune/core";
import {
  aggregate,
  aggregateFormula,
  checkNormalizer,
  describeNormalizer,
  type Normalizer,
} from "./aggregation.ts";
import { factor, type Formula } from "./arithmetic.ts";
import { type LossFormula, within as inside } from "./formula.ts";
import type { Metrics } from "./metrics.ts";
import type { GivenEvidence, MaskEvidence, Optimization } from "./optimization.ts";
import type { Expression } from "./unified/expression.ts";
import {
  mapUnified,
  multiplied,
  ofOwner,
  type OtherTerm,
  type SlotFactor,
  type UnifiedSlots,
} from "./unified/gradient.ts";
import { literal } from "./unified/write.ts";

/** The losses of single tokens, and the normalizer of their sum. */
export interface TokenLoss<E> {
  /** The losses, `[B, T-1]`, with gradient; those under a 0 of the mask are not read. */
  readonly losses: (evidence: E) => Tensor;
  /** The normalizer of their sum. */
  readonly normalizer: Normalizer;
  /** The loss of a token as a formula. */
  readonly formula: Formula;
  /** The definitions of the symbols in it. */
  readonly where: LossFormula["where"];
  /** The terms of a token's gradient, in the form of UPGE where they have it. */
  readonly gradient: readonly (UnifiedSlots | OtherTerm)[];
  /** Metrics to log beside the loss (default: none). */
  readonly metrics?: (evidence: E) => Metrics;
}

/** A transition optimization that is a sum over tokens. */
export interface TokenOptimization<E> extends Optimization<E> {
  /** The losses of its tokens. */
  readonly tokens: TokenLoss<E>;
}

/**
 * The optimization of losses of tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, quantity, slots, type TokenEvidence, tokenwise, write } from "@unitune/objectives";
 * import { square } from "@unitune/core";
 *
 * // -2 log p (1/p) grad p
 * const two = write.constant({ constant: 2, name: "2" });
 * const advantage = write.neg(write.mul(two, write.log(quantity("p"))));
 * const squares = tokenwise<TokenEvidence>("T -> T*", {
 *   losses: ({ logProbs }) => square(logProbs()),
 *   normalizer: "token",
 *   formula: { text: "(log p)^2", binding: "call" },
 *   where: {},
 *   gradient: [slots({ advantage })],
 * });
 * assertEquals(formulaText(squares.description.formula), "sum_b sum_t (log p)^2 / sum_b M_b");
 * ```
 *
 * @param transition The move of the transition matrix, as in Table 1.
 * @param tokens The losses, their normalizer and their formula.
 * @returns The optimization.
 * @throws {RangeError} If the normalizer is invalid.
 */
export function tokenwise<E extends MaskEvidence>(
  transition: string,
  tokens: TokenLoss<E>,
): TokenOptimization<E> {
  const { losses, normalizer, formula, where, gradient, metrics } = tokens;
  checkNormalizer("tokenwise: normalizer", normalizer);
  return {
    description: {
      transition,
      normalizer: describeNormalizer(normalizer),
      formula: aggregateFormula(normalizer, formula.text, where),
      gradient: mapUnified(gradient, (own) => ({
        ...own,
        side: "single" as const,
        normalizer,
        counts: "all" as const,
      })),
    },
    tokens,
    optimize: (evidence) => ({
      terms: [aggregate(losses(evidence), evidence.mask, normalizer)],
      metrics: metrics === undefined ? {} : metrics(evidence),
    }),
  };
}

/** A factor of tokens or of sequences, computed from evidence; no gradient flows through it. */
export interface TokenWeight<E> {
  /** The factor: of tokens `[B, T-1]`, of sequences `[B, 1]`, or a scalar. */
  readonly of: (evidence: E) => Tensor;
  /** The factor as a formula. */
  readonly formula: Formula;
  /** The definitions of the symbols in it. */
  readonly where: LossFormula["where"];
  /** The slot of UPGE that it is a factor of. */
  readonly slot: SlotFactor["slot"];
  /** The factor as an expression. */
  readonly by: Expression;
}

/**
 * `weight x loss`, 0 where the weight is 0, even if the loss is infinite. Off the mask weights are 0, as
 * there they may be no numbers, which a gradient of 0 would not undo.
 */
function product(weight: Tensor, loss: Tensor, mask: Tensor): Tensor {
  const own = select(equal(mask, 0), 0, weight);
  return select(equal(own, 0), 0, mul(own, loss));
}

/**
 * An optimization whose tokens are weighed, by a number or by a factor from evidence, which is held
 * constant. The normalizer stays as it is: it counts tokens, not weights.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, nll, probability, weighed } from "@unitune/objectives";
 *
 * const { formula } = weighed(probability(), nll()).description;
 * assertEquals(formulaText(formula), "sum_b sum_t sg(p_bt) l_bt / sum_b M_b, where l = -log p");
 * ```
 *
 * @param by A finite number, or the factor.
 * @param part The optimization.
 * @returns The weighed optimization.
 * @throws {RangeError} If the number is not finite.
 */
export function weighed<E extends MaskEvidence, F = unknown>(
  by: number | TokenWeight<F>,
  part: TokenOptimization<E>,
): TokenOptimization<E & F> {
  const { losses, formula, where, gradient, ...others } = part.tokens;
  const times = (name: string): Formula => ({
    text: `${name} ${factor(formula)}`,
    binding: "product",
  });
  if (typeof by === "number") {
    checkRange("weighed: by", by, ranges.finite);
    return tokenwise<E & F>(part.description.transition, {
      ...others,
      losses: (evidence) => mul(losses(evidence), by),
      formula: times(`${by}`),
      where,
      gradient: multiplied(gradient, { slot: "advantage", by: literal(by) }),
    });
  }
  return tokenwise<E & F>(part.description.transition, {
    ...others,
    losses: (evidence) => product(stopGradient(by.of(evidence)), losses(evidence), evidence.mask),
    formula: times(`sg(${by.formula.text})`),
    where: { ...by.where, ...where },
    gradient: multiplied(gradient, by),
  });
}

/** Evidence whose mask is 1 only where another one is 1 as well. */
function within<E extends MaskEvidence>(evidence: E, part: Tensor): E {
  return { ...evidence, mask: mul(evidence.mask, part) };
}

/**
 * Two optimizations that share out the tokens of an answer under one normalizer: the tokens that
 * were given to the policy (a demonstration, or its beginning) have the losses of one, the policy's
 * own tokens those of the other. Each sees its own tokens only, also in what it computes of
 * sequences.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { clipped, formulaText, nll, byOrigin, weighed } from "@unitune/objectives";
 *
 * const { formula } = byOrigin(weighed(0.001, nll()), clipped()).description;
 * assertStringIncludes(formulaText(formula), "(given ? 0.001 l_bt : -min(");
 * ```
 *
 * @param theirs The optimization of given tokens.
 * @param own The optimization of the policy's own tokens, with the same normalizer.
 * @returns The optimization of both.
 * @throws {RangeError} If the normalizers differ.
 */
export function byOrigin<E extends MaskEvidence, F extends MaskEvidence>(
  theirs: TokenOptimization<E>,
  own: TokenOptimization<F>,
): TokenOptimization<E & F & GivenEvidence> {
  const [a, b] = [theirs.tokens, own.tokens];
  if (a.normalizer !== b.normalizer) {
    throw new RangeError(
      `byOrigin: got the normalizers ${a.normalizer} and ${b.normalizer}; expected one for both parts`,
    );
  }
  const parts = (evidence: E & F & GivenEvidence) => {
    const { given } = evidence;
    return [within<E>(evidence, given), within<F>(evidence, sub(1, given))] as const;
  };
  const [x, y] = [theirs.description.transition, own.description.transition];
  return tokenwise<E & F & GivenEvidence>(x === y ? x : `${x}; ${y}`, {
    losses(evidence) {
      const [first, second] = parts(evidence);
      return select(equal(evidence.given, 0), b.losses(second), a.losses(first));
    },
    normalizer: a.normalizer,
    formula: { text: `(given ? ${a.formula.text} : ${b.formula.text})`, binding: "call" },
    where: { ...a.where, ...b.where },
    gradient: [...ofOwner(a.gradient, "given"), ...ofOwner(b.gradient, "own")],
    metrics(evidence) {
      const [first, second] = parts(evidence);
      return { ...a.metrics?.(first), ...b.metrics?.(second) };
    },
  });
}

/** An optimization of a part of the tokens, which is also all that its normalizer counts. */
function onPart<E extends MaskEvidence>(
  name: "given" | "own",
  part: Optimization<E>,
  select: (given: Tensor) => Tensor,
): Optimization<E & GivenEvidence> {
  const { formula, gradient } = part.description;
  return {
    description: {
      ...part.description,
      gradient: mapUnified(ofOwner(gradient, name), (own) => ({ ...own, counts: name })),
      formula: inside(formula, (expression) => ({ expression: `${name}: ${expression}` })),
    },
    optimize: (evidence, context) =>
      part.optimize(within<E>(evidence, select(evidence.given)), context),
  };
}

/**
 * An optimization of the tokens that were given to the policy, with a normalizer that counts no
 * others.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, nll, onGiven } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(onGiven(nll()).description.formula), "given: sum_b");
 * ```
 *
 * @param part The optimization.
 * @returns The optimization of given tokens.
 */
export function onGiven<E extends MaskEvidence>(
  part: Optimization<E>,
): Optimization<E & GivenEvidence> {
  return onPart("given", part, (given) => given);
}

/**
 * An optimization of the policy's own tokens, with a normalizer that counts no others.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { clipped, formulaText, onOwn } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(onOwn(clipped()).description.formula), "own: sum_b");
 * ```
 *
 * @param part The optimization.
 * @returns The optimization of own tokens.
 */
export function onOwn<E extends MaskEvidence>(
  part: Optimization<E>,
): Optimization<E & GivenEvidence> {
  return onPart("own", part, (given) => sub(1, given));
}
