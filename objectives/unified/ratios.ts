/** The ratios of policies that losses are made of, as expressions. */
import { type Expression, named, type NamedExpression, quantity } from "./expression.ts";
import { write } from "./write.ts";

const { div, log, sumOfAnswer, meanOfAnswer } = write;

/** The probability of a token under the policy, and under the one that sampled it. */
export const p: Expression = quantity("p");
export const pOld: Expression = quantity("p_old");

/** The advantage of a token. */
export const A: Expression = quantity("A");

/** `p/p_old` of a token. */
export const ratio: NamedExpression = named("rho", div(p, pOld));

/** `log p/p_ref` of a token. */
export const logReferenceRatio: Expression = log(div(p, quantity("p_ref")));

/** The log-ratio of an answer to its reference: summed over its tokens, or averaged. */
export const answerLogRatio: Readonly<Record<"sum" | "mean", Expression>> = {
  sum: sumOfAnswer(logReferenceRatio),
  mean: meanOfAnswer(logReferenceRatio),
};

/** The log-probability of an answer: summed over its tokens, or averaged. */
export const answerLogProb: Readonly<Record<"sum" | "mean", Expression>> = {
  sum: sumOfAnswer(log(p)),
  mean: meanOfAnswer(log(p)),
};
