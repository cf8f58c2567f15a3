/**
 * Post-training objectives as `preference estimation x transition optimization`: on which prior
 * states the model and the human are compared and with what signal, and how the model's
 * transitions are moved there.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { evaluationLoss, ift, type Model, sft } from "@unitune/objectives";
 *
 * // A bigram table: the logits of the next token are the embedding of the last.
 * const table = tensor([[0, 1, 2], [2, 0, 3], [1, 2, 0]], { dtype: "f64" });
 * const bigram: Model = { embed: (ids) => gather(table, ids), logits: (embeddings) => embeddings };
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
export * from "./catalogue.ts";
export type * from "./description.ts";
export * from "./estimation.ts";
export { type Demonstrations, gold } from "./gold.ts";
export { indicator } from "./indicator.ts";
export {
  intuitive,
  type IntuitiveDemonstrations,
  type IntuitiveOptions,
  type MixedEmbeddings,
  type OwnToken,
} from "./intuitive.ts";
export * from "./lambda.ts";
export { maskedMean, maskedSum, tokenEntropy, tokenLogProbs } from "./log_probs.ts";
export { type Loss, lossValue } from "./loss.ts";
export * from "./metrics.ts";
export * from "./nll.ts";
export * from "./objective.ts";
export type * from "./optimization.ts";
export { type Context, type Model, modelOf, type Policy } from "./policy.ts";
export * from "./propagation.ts";
export * from "./training_step.ts";
