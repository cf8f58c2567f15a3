/**
 * The gradient of every loss in one form, that of UPGE (arXiv 2509.04419): a stability mask, a
 * denominator, an advantage, and the gradient of a likelihood.
 */
import type { Normalizer } from "../aggregation.ts";
import { type Expression, quantity } from "./expression.ts";
import { type State, stateText } from "./states.ts";
import { definitionsOf, expressionText, factorText, isCondition } from "./text.ts";
import { isOne, literal, ONE, write } from "./write.ts";

const { and: both, mul, div } = write;

/** The tokens of an answer that a term has: all of them, those given to the policy, or its own. */
export type TokenOwner = "all" | "given" | "own";

/**
 * The answer of a row whose tokens a term has: one of the two of a pair, or the gold one beside them;
 * `"single"` where rows have one answer.
 */
export type AnswerSide = "single" | "chosen" | "rejected" | "gold";

/**
 * The first three slots of a term; the loss has the gradient
 *
 * `-sum_t mask (1 / denominator) advantage grad p_t`,
 *
 * but for the bounds that keep numbers finite. Each slot is an expression of the quantities of a
 * token, in which nothing carries a gradient.
 */
export interface UnifiedSlots {
  /** It has the form of UPGE. */
  readonly kind: "unified";
  /** 1 for a token that is learned from, 0 for one that is left out; or between them. */
  readonly mask: Expression;
  /** The policy that the token's probability is divided by, or a number in its place. */
  readonly denominator: Expression;
  /** How much the token is to be raised. */
  readonly advantage: Expression;
  /** The tokens that it has. */
  readonly tokens: TokenOwner;
  /** `"answers"` where it holds only if all tokens of an answer have one advantage. */
  readonly advantages: "answers" | "tokens";
}

/** A term in the form of UPGE. */
export interface UnifiedTerm extends UnifiedSlots {
  /** The answer that it is of. */
  readonly side: AnswerSide;
  /** The normalizer of the sum over tokens; `"answers"`, the number of answers or pairs. */
  readonly normalizer: Normalizer | "answers";
  /** The tokens that the normalizer counts. */
  readonly counts: TokenOwner;
}

/**
 * A term that has no such form: its gradient is a sum over all tokens of the vocabulary, or that of
 * predicted values or of a reward model's scores; or nobody has said what form it has.
 */
export interface OtherTerm {
  /** What its gradient is of. */
  readonly kind: "vocabulary" | "values" | "scores" | "unstated";
}

/** A term of an optimization's gradient. */
export type GradientTerm = UnifiedTerm | OtherTerm;

/** A term in the form of UPGE, with the fourth slot. */
export interface LearnedTerm extends UnifiedTerm {
  /** The state at which the token's probability is raised. */
  readonly likelihood: State;
}

/** A term of an objective's gradient. */
export type ObjectiveTerm = LearnedTerm | OtherTerm;

/**
 * The slots of a loss of tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll, quantity, slots } from "@unitune/objectives";
 *
 * assertEquals(nll().tokens.gradient, [slots()]);
 * assertEquals(slots({ advantage: quantity("A") }).denominator, quantity("p"));
 * ```
 *
 * @param given The mask (default 1), the denominator (default p), and the advantage (default 1);
 * `advantages`, `"answers"` if they hold only where an answer has one advantage (default `"tokens"`).
 * @returns The slots.
 */
export function slots(
  { mask = ONE, denominator = quantity("p"), advantage = ONE, advantages = "tokens" }: Partial<
    Omit<UnifiedSlots, "kind" | "tokens">
  > = {},
): UnifiedSlots {
  return { kind: "unified", mask, denominator, advantage, advantages, tokens: "all" };
}

/** A term of answers or of one side of pairs, divided by how many of them count. */
export function ofAnswers(own: UnifiedSlots, side: AnswerSide): UnifiedTerm {
  return { ...own, side, normalizer: "answers", counts: "all" };
}

/** A slot, and the expression that the gradient is multiplied by; a denominator is divided by it. */
export interface SlotFactor {
  /** The slot. */
  readonly slot: "mask" | "denominator" | "advantage";
  /** The factor. */
  readonly by: Expression;
}

const factors: Readonly<
  Record<SlotFactor["slot"], (of: UnifiedSlots, by: Expression) => Partial<UnifiedSlots>>
> = {
  mask: ({ mask }, by) => ({ mask: both(by, mask) }),
  denominator: ({ denominator }, by) => ({ denominator: div(denominator, by) }),
  advantage: ({ advantage }, by) => ({ advantage: mul(by, advantage) }),
};

/** Terms whose gradient is multiplied. */
export function multiplied<T extends UnifiedSlots | OtherTerm>(
  terms: readonly T[],
  { slot, by }: SlotFactor,
): readonly T[] {
  return terms.map((term) =>
    term.kind === "unified" ? { ...term, ...factors[slot](term, by) } : term
  );
}

/**
 * The masks of HPT's gate: a prompt whose own answers pass often enough is learned from them, every
 * other prompt from answers with given tokens.
 */
export function gateOf(threshold: number): Readonly<Record<"open" | "shut", Expression>> {
  const [rate, least] = [quantity("pass rate"), literal(threshold)];
  return { open: write.above(rate, least), shut: write.atMost(rate, least) };
}

/** The masks of the same gate on answers of one batch, by whose tokens they are on. */
export function answerGate(threshold: number): Readonly<Record<TokenOwner, Expression>> {
  const { open, shut } = gateOf(threshold);
  const ofAnswer = write.either(quantity("helped"), shut, open);
  return { all: ofAnswer, own: ofAnswer, given: shut };
}

/** The terms of tokens that both a term and a part of an optimization have. */
export function ofOwner<T extends UnifiedSlots | OtherTerm>(
  terms: readonly T[],
  tokens: TokenOwner,
): readonly T[] {
  return terms.flatMap((term) => {
    if (term.kind !== "unified" || term.tokens === tokens) return [term];
    return term.tokens === "all" ? [{ ...term, tokens }] : [];
  });
}

/** Unified terms changed, and the others as they are. */
export function mapUnified<T extends UnifiedSlots, R>(
  terms: readonly (T | OtherTerm)[],
  change: (term: T) => R,
): readonly (R | OtherTerm)[] {
  return terms.map((term) => term.kind === "unified" ? change(term) : term);
}

/** The gradients of terms that have no unified form, in words. */
const otherForms: Readonly<Record<OtherTerm["kind"], string>> = {
  vocabulary: "a sum over all tokens of the vocabulary",
  values: "a gradient of predicted values",
  scores: "a gradient of a reward model's scores",
  unstated: "a gradient that is not stated",
};

/** Whose tokens a term has, where it does not have all, and the mask on them, where there is one. */
function masksOf({ mask, tokens }: UnifiedTerm): string[] {
  return [...tokens === "all" ? [] : [tokens], ...isOne(mask) ? [] : [expressionText(mask)]];
}

/** The masks of a term in one cell. */
function maskText(term: UnifiedTerm): string {
  const masks = masksOf(term);
  return masks.length === 0 ? expressionText(ONE) : masks.join(", ");
}

/** The mask as factors: a condition in brackets, a number as it is. */
function maskFactors(term: UnifiedTerm): readonly string[] {
  if (isOne(term.mask) || isCondition(term.mask)) {
    const masks = masksOf(term);
    return masks.length === 0 ? [] : [`1[${masks.join(", ")}]`];
  }
  const owner = masksOf({ ...term, mask: ONE }).map((tokens) => `1[${tokens}]`);
  return [...owner, factorText(term.mask)];
}

/** The slots of a term as text, by column. */
export interface SlotTexts {
  /** Whose tokens it has, and the condition on them; `"1"` for all tokens. */
  readonly mask: string;
  /** The denominator. */
  readonly denominator: string;
  /** The advantage. */
  readonly advantage: string;
  /** The state. */
  readonly likelihood: string;
}

/**
 * The four slots of a term as text; undefined for a term that has none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dapo, slotTexts } from "@unitune/objectives";
 *
 * assertEquals(dapo().description.gradient.map(slotTexts), [{
 *   mask: "A > 0 ? rho <= 1.28 : 0.8 <= rho",
 *   denominator: "p_old",
 *   advantage: "A",
 *   likelihood: "s_n",
 * }]);
 * ```
 *
 * @param term The term.
 * @returns A text for each slot.
 */
export function slotTexts(term: ObjectiveTerm): SlotTexts | undefined {
  if (term.kind !== "unified") return undefined;
  const { denominator, advantage, likelihood } = term;
  return {
    mask: maskText(term),
    denominator: expressionText(denominator),
    advantage: expressionText(advantage),
    likelihood: stateText(likelihood),
  };
}

/**
 * A term as a formula: a part of minus the gradient of the loss, of one token.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dapo, gradientText, kl, sft } from "@unitune/objectives";
 *
 * assertEquals(sft().description.gradient.map(gradientText), ["1/p grad p(s*_n)"]);
 * assertEquals(dapo().description.gradient.map(gradientText), [
 *   "1[A > 0 ? rho <= 1.28 : 0.8 <= rho] 1/p_old A grad p(s_n)",
 * ]);
 * ```
 *
 * @param term The term.
 * @returns One line; for a term without a unified form, its kind in words.
 */
export function gradientText(term: ObjectiveTerm): string {
  if (term.kind !== "unified") return otherForms[term.kind];
  const { denominator, advantage, likelihood } = term;
  return [
    ...maskFactors(term),
    ...isOne(denominator) ? [] : [factorText(write.inverse(denominator))],
    ...isOne(advantage) ? [] : [factorText(advantage)],
    `grad p(${stateText(likelihood)})`,
  ].join(" ");
}

/**
 * The names in the slots of terms, with what they stand for.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { grpoKl, namesInGradient } from "@unitune/objectives";
 *
 * assertEquals(namesInGradient(grpoKl().description.gradient), {
 *   rho: "p/p_old",
 *   x: "log p/p_ref",
 * });
 * ```
 *
 * @param terms The terms.
 * @returns The definition of each name.
 */
export function namesInGradient(
  terms: readonly ObjectiveTerm[],
): Readonly<Record<string, string>> {
  const slotsOf = (term: ObjectiveTerm) =>
    term.kind === "unified" ? [term.mask, term.denominator, term.advantage] : [];
  return Object.fromEntries(terms.flatMap(slotsOf).map(definitionsOf).flatMap(Object.entries));
}
