/** Intuitive prior states: between the human's token and the one that the model would have said. */
import {
  add,
  argmax,
  asTensor,
  cast,
  concat,
  mul,
  notEqual,
  ones,
  slice,
  stopGradient,
  sub,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import { checkName } from "./checks.ts";
import type { PriorStates } from "./estimation.ts";
import {
  checkDemonstrations,
  type Demonstrations,
  inputsOf,
  predictions,
  targetsOf,
} from "./gold.ts";
import { fixedLambda, type LambdaSchedule } from "./lambda.ts";
import { type Metrics, tokenMetrics } from "./metrics.ts";
import type { Model } from "./policy.ts";

/** How the model's own token is chosen from its prediction: `"argmax"`, the most likely one. */
export type OwnToken = "argmax";

/**
 * Whether the gradient reaches the embedding table through the mixed embeddings. `"live"`: it does,
 * through both tokens. `"frozen"`: it does not, as in the paper's code, which mixes a copy of the
 * table that is as new as the step.
 */
export type MixedEmbeddings = "live" | "frozen";

/** What {@linkcode intuitive} can be told. */
export interface IntuitiveOptions {
  /** The share of the model's own token, fixed or scheduled; 0.2 unless told. */
  readonly lambda?: number | LambdaSchedule;
  /** How the own token is chosen; `"argmax"` unless told. */
  readonly own?: OwnToken;
  /** Whether the gradient reaches the table through the mix; `"live"` unless told. */
  readonly embeddings?: MixedEmbeddings;
}

/** Demonstrations, and what the model would have said in place of each token. */
export interface IntuitiveDemonstrations extends Demonstrations {
  /** The model's own tokens in place of those that are read, `[B, T-1]` (i32); the first is gold. */
  readonly own: Tensor;
  /** How the model does on the gold prefixes, from the first pass. */
  readonly metrics: Metrics;
}

/** How own tokens are chosen and embedded. */
interface OwnTokenRule {
  readonly formula: string;
  /** Logits `[B, T-1, V]` and the ids read `[B, T-1]` to the own tokens in place of those ids. */
  readonly choose: (logits: Tensor, ids: Tensor) => Tensor;
  /** Own tokens to embeddings `[B, T-1, D]`. */
  readonly embed: (model: Model, own: Tensor) => Tensor;
}

const ownTokens: Readonly<Record<OwnToken, OwnTokenRule>> = {
  argmax: {
    formula: "argmax pi(s*_{n-1})",
    // What is predicted at t stands at t + 1; nothing predicts the first token, which stays gold.
    choose: (logits, ids) => inputsOf(concat([slice(ids, 1, 0, 1), argmax(logits)], 1)),
    embed: (model, own) => model.embed(own),
  },
};

const gradients: Readonly<Record<MixedEmbeddings, (mix: Tensor) => Tensor>> = {
  live: (mix) => mix,
  frozen: stopGradient,
};

/**
 * The temporal residual connection of Intuitive Fine-Tuning (arXiv 2405.11870, equation 17; the
 * details as its code runs):
 *
 *     e'_t = (1 - lambda) E(x_t) + lambda E(own_t) on answer positions, E(x_t) elsewhere
 *
 * 1. The first pass, without gradient and without dropout, reads the gold embeddings; `own_t` is
 *    what the model predicts for position t from the gold prefix before it (`own_0 = x_0`).
 * 2. The second pass, with gradient, reads e'. The mix is not recursive: every own token comes from
 *    a gold prefix.
 *
 * An answer position is one whose own token is learned, `mask[b, t] = 1`, so the prompt is read as
 * it is. The metrics are those of the first pass, on gold prefixes, and so comparable with those of
 * teacher forcing; `lambda` is logged with them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { argmax, gather, tensor } from "@unitune/core";
 * import { intuitive, type Model } from "@unitune/objectives";
 *
 * // A model that predicts the token after the one that it reads.
 * const model: Model = {
 *   embed: (ids) => gather(tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), ids),
 *   logits: (x) => gather(tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), argmax(x)),
 * };
 * const context = { step: tensor(0, { dtype: "i32" }) };
 * const batch = { ids: tensor([[0, 2, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
 * const { own } = intuitive({ lambda: 0.2 }).collect(model, batch, context);
 * assertEquals(await own.data(), new Int32Array([0, 1]));
 * ```
 *
 * @param options Lambda, how own tokens are chosen, and where the gradient goes.
 * @returns The prior states.
 * @throws {RangeError} If an option is out of range.
 */
export function intuitive(
  { lambda = 0.2, own = "argmax", embeddings = "live" }: IntuitiveOptions = {},
): PriorStates<Demonstrations, IntuitiveDemonstrations> {
  checkName("intuitive: own", own, ownTokens);
  checkName("intuitive: embeddings", embeddings, gradients);
  const schedule = typeof lambda === "number" ? fixedLambda(lambda) : lambda;
  const { formula, choose, embed } = ownTokens[own];
  const through = gradients[embeddings];
  return {
    description: {
      humanStates: "s*_n",
      modelStates: `(1 - l) s*_n + l ${formula}, l = ${schedule.description}`,
      models: ["policy"],
      data: ["demonstration"],
      forwardPasses: 2,
    },
    collect(model, batch) {
      checkDemonstrations(batch);
      const ids = inputsOf(batch.ids);
      const logits = model.logits(model.embed(ids));
      return {
        ...batch,
        own: choose(logits, ids),
        metrics: tokenMetrics(logits, targetsOf(batch.ids), targetsOf(batch.mask)),
      };
    },
    evaluate(model, collected, context) {
      const goldEmbeddings = model.embed(inputsOf(collected.ids));
      const { dtype } = goldEmbeddings;
      const share = cast(asTensor(schedule.at(context), dtype), dtype);
      const mix = add(
        mul(goldEmbeddings, sub(1, share)),
        mul(embed(model, collected.own), share),
      );
      const isAnswer = unsqueeze(notEqual(inputsOf(collected.mask), 0), -1);
      const mixed = where(isAnswer, through(mix), goldEmbeddings);
      return {
        ...predictions(model, mixed, collected, context),
        metrics: {
          ...collected.metrics,
          lambda: { total: share, weight: ones([], dtype) },
        },
      };
    },
  };
}
