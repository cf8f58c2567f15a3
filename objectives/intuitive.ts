/** Intuitive prior states: between the human's token and the model's own. */
import {
  add,
  and,
  arange,
  asTensor,
  cast,
  checkOptions,
  concat,
  dims,
  type DType,
  foldKey,
  less,
  matmul,
  mul,
  notEqual,
  oneHot,
  ones,
  ranges,
  reshape,
  sizeOf,
  slice,
  softmax,
  squeeze,
  stopGradient,
  sub,
  type Tensor,
  uniform,
  unsqueeze,
  where,
} from "@unitune/core";
import { checkName } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { PriorStates } from "./estimation.ts";
import {
  checkDemonstrations,
  type Demonstrations,
  gold,
  inputsOf,
  onTargets,
  predicted,
  readOf,
  tokensOf,
} from "./gold.ts";
import { fixedLambda, type LambdaSchedule } from "./lambda.ts";
import { type Metrics, tokenMetrics } from "./metrics.ts";
import type { Context, Model } from "./policy.ts";
import type { Prediction } from "./prediction.ts";
import type { MixedEmbeddings, OwnToken } from "./unified/states.ts";

/** The purposes of draws, each with a key of its own beside dropout's. */
const [OWN_TOKENS, COINS, NOISE, OUTCOMES] = [1, 2, 3, 4] as const;

/**
 * A world: the observation that follows an action. In a text the next state is the prefix with one
 * more token, so the next observation is the token itself; a world answers with one of its own.
 *
 * @param observed The observations before, ids `[B, T]` (i32).
 * @param actions The actions there, ids `[B, T]` (i32).
 * @param options A key (u32 `[2]`), where the world may be random.
 * @returns The next observations, ids `[B, T]` (i32).
 */
export type Environment = (
  observed: Tensor,
  actions: Tensor,
  options: { readonly key?: Tensor },
) => Tensor;

/** A text: the next observation is the token itself. */
const text: Environment = (_observed, actions) => actions;

/** The options of {@linkcode intuitive}. */
export interface IntuitiveOptions {
  /** The share of the model's own token, fixed or scheduled (default 0.2). */
  readonly lambda?: number | LambdaSchedule;
  /** The choice of the own token (default `"argmax"`). */
  readonly own?: OwnToken;
  /** The embedding table that is mixed, and the gradient to it (default `"live"`). */
  readonly embeddings?: MixedEmbeddings;
  /** The embeddings that `"frozen"` mixes: token ids `[B, T]` to `[B, T, D]`. */
  readonly table?: Model["embed"];
  /**
   * The number of passes that predict own tokens, each on the mix of the one before (default 1, as
   * in the paper's code). `"recursive"` makes `T - 1` passes, so that every own token comes from
   * intuitive states before it, as in the paper's figure 2.
   */
  readonly passes?: number | "recursive";
  /**
   * The world that answers to an own action, from the observation that the human acted on: the own
   * state is `step(s*_{n-1}, own action)` (default: a text, where it is the own token). A world
   * needs own actions, not expected ones.
   */
  readonly environment?: Environment;
}

/** Demonstrations, and the model's own token in place of each of theirs. */
export interface IntuitiveDemonstrations extends Demonstrations {
  /**
   * The observations that follow the model's own tokens, the first one gold: ids `[B, T-1]` (i32)
   * or, for expected tokens, probabilities `[B, T-1, V]`.
   */
  readonly own: Tensor;
  /** The metrics of the model on the gold prefixes, from the first pass. */
  readonly metrics: Metrics;
}

/** The choice and the embedding of own tokens. */
interface OwnTokenRule {
  /** Own tokens at the positions that predict them, `[B, T-1]`. */
  readonly choose: (prediction: Prediction, keys: Context["keys"]) => Tensor;
  /** The ids read `[B, T-1]` in the form of own tokens. */
  readonly asOwn: (ids: Tensor, prediction: Prediction) => Tensor;
  /** Own tokens to embeddings `[B, T-1, D]`. */
  readonly embed: (embed: Model["embed"], own: Tensor) => Tensor;
}

/** The prediction at t stands at t + 1; nothing predicts the first token, which stays gold. */
function shifted(first: Tensor, predicted: Tensor): Tensor {
  return inputsOf(concat([slice(first, 1, 0, 1), predicted], 1));
}

const argmaxRule: OwnTokenRule = {
  choose: ({ argmax }) => argmax(),
  asOwn: (ids) => ids,
  embed: (embed, own) => embed(own),
};

const ownTokens: Readonly<Record<OwnToken, OwnTokenRule>> = {
  argmax: argmaxRule,
  sampled: {
    ...argmaxRule,
    choose: ({ argmax, draw }, keys) =>
      keys === undefined ? argmax() : draw(foldKey(keys.batch, OWN_TOKENS)),
  },
  expected: {
    choose: ({ logits }) => softmax(logits()),
    asOwn: (ids, { vocabulary, hidden }) => oneHot(ids, vocabulary(), hidden.dtype),
    embed(embed, own) {
      const { V } = dims(own, "... V", "intuitive: own tokens");
      const table = squeeze(embed(reshape(arange(V), [1, V])), 0);
      return matmul(own, table);
    },
  },
};

const embeddingChoices: Readonly<Record<MixedEmbeddings, (mix: Tensor) => Tensor>> = {
  live: (mix) => mix,
  synchronised: stopGradient,
  frozen: stopGradient,
};

/**
 * The temporal residual connection of Intuitive Fine-Tuning (arXiv 2405.11870, equation 17; the
 * details as its code runs):
 *
 *     e'_t = (1 - lambda) E(x_t) + lambda E(own_t) on answer positions, E(x_t) elsewhere
 *
 * 1. The first pass, without gradient and without dropout, reads the gold embeddings; `own_t` is
 * the model's prediction for position t from the gold prefix before it (`own_0 = x_0`). 2. The
 * second pass, with gradient, reads e'. By default the mix is not recursive: every own token comes
 * from a gold prefix.
 *
 * An answer position is one whose token is learned, `mask[b, t] = 1`, so the prompt is read as it
 * is. The metrics come from the first pass, on gold prefixes, and so are comparable with teacher
 * forcing; `lambda` is logged with them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { argmax, gather, tensor } from "@unitune/core";
 * import { intuitive, modelOfLogits } from "@unitune/objectives";
 *
 * // A model that predicts the token after the one that it reads.
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), ids),
 *   logits: (x) => gather(tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), argmax(x)),
 * });
 * const context = { step: tensor(0, { dtype: "i32" }) };
 * const batch = { ids: tensor([[0, 2, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
 * const { own } = intuitive({ lambda: 0.2 }).collect(model, batch, context);
 * assertEquals(await own.data(), new Int32Array([0, 1]));
 * ```
 *
 * @param options Lambda, the choice of own tokens, and the embedding table.
 * @returns The prior states.
 * @throws {RangeError} If an option is out of range.
 */
export function intuitive(
  options: IntuitiveOptions = {},
): PriorStates<Demonstrations, IntuitiveDemonstrations> {
  const {
    lambda = objectiveDefaults.lambda,
    own = "argmax",
    embeddings = objectiveDefaults.embeddings,
    table,
    passes = objectiveDefaults.passes,
  } = options;
  const { environment = text } = options;
  checkName("intuitive: own", own, ownTokens);
  checkName("intuitive: embeddings", embeddings, embeddingChoices);
  if (passes !== "recursive") {
    checkOptions("intuitive", { passes: ranges.integerFrom(1) }, { passes });
  }
  if ((embeddings === "frozen") !== (table !== undefined)) {
    throw new TypeError(
      "intuitive: embeddings: frozen embeddings and a table go together; give `table`, the " +
        "embeddings to keep, or say synchronised",
    );
  }
  if (environment !== text && own === "expected") {
    throw new TypeError(
      "intuitive: own: an environment answers to an action, not to a distribution of them; " +
        "give argmax or sampled",
    );
  }
  const schedule = typeof lambda === "number" ? fixedLambda(lambda) : lambda;
  const { choose, asOwn, embed } = ownTokens[own];
  const through = embeddingChoices[embeddings];

  /** The observations that follow own tokens, predicted where `read` is read. */
  function ownOf(prediction: Prediction, read: Tensor, keys: Context["keys"]): Tensor {
    const chosen = choose(prediction, keys);
    const key = keys === undefined ? {} : { key: foldKey(keys.batch, OUTCOMES) };
    return shifted(asOwn(read, prediction), environment(read, chosen, key));
  }

  /** Embeddings to read, `[B, T-1, D]`: mixed on answer positions, gold elsewhere. */
  function mixed(
    model: Model,
    { mask, ...batch }: Demonstrations,
    ownTokens: Tensor,
    share: Tensor,
  ): Tensor {
    const read = readOf(batch);
    const goldEmbeddings = model.embed(read);
    const source = table ?? model.embed;
    const mix = add(mul(source(read), sub(1, share)), mul(embed(source, ownTokens), share));
    const isAnswer = unsqueeze(notEqual(inputsOf(mask), 0), -1);
    return where(isAnswer, through(mix), goldEmbeddings);
  }

  return {
    description: {
      ...gold.description,
      modelStates: {
        ...{ kind: "mixed", of: "demonstrated", share: shareOf(schedule), embeddings },
        own: {
          token: own,
          at: passes === 1 ? "prefix" : "mixed",
          isAction: environment !== text,
        },
      },
      forwardPasses: passes === "recursive" ? Infinity : passes + 1,
    },
    collect(model, batch, context) {
      checkDemonstrations(batch);
      const read = readOf(batch);
      const ask = (embeddings: Tensor) => predicted(model, embeddings, batch, {});
      const first = ask(model.embed(read));
      const share = shareAt(schedule, context, first.hidden.dtype);
      const { T } = dims(read, "B T", "intuitive: tokens read");
      // The own token at t depends on those before it, so after T - 1 passes none changes.
      const extra = (passes === "recursive" ? T : passes) - 1;
      let own = ownOf(first, read, context.keys);
      for (let pass = 0; pass < extra; pass++) {
        own = ownOf(ask(mixed(model, batch, own, share)), read, context.keys);
      }
      return {
        ...tokensOf(batch),
        own,
        metrics: tokenMetrics(onTargets(first, batch)),
      };
    },
    evaluate(model, collected, context) {
      const { dtype } = model.embed(readOf(collected));
      const share = shareAt(schedule, context, dtype);
      return {
        ...onTargets(
          predicted(model, mixed(model, collected, collected.own, share), collected, context),
          collected,
        ),
        metrics: () => ({
          ...collected.metrics,
          lambda: { total: share, weight: ones([], dtype) },
        }),
      };
    },
  };
}

/** A share as descriptions have it: a number, or a schedule in words. */
function shareOf({ fixed, description }: LambdaSchedule): number | string {
  return fixed ?? description;
}

/** The share of a step as a scalar of a dtype. */
function shareAt(schedule: LambdaSchedule, context: Context, dtype: DType): Tensor {
  return cast(asTensor(schedule.at(context), dtype), dtype);
}

/** The options of {@linkcode scheduled}. */
export interface ScheduledOptions {
  /** The probability of the model's own token, fixed or scheduled (default 0.2). */
  readonly lambda?: number | LambdaSchedule;
  /** The choice of the own token (default `"sampled"`). */
  readonly own?: "argmax" | "sampled";
  /** The world that answers to an own action (default: a text). */
  readonly environment?: Environment;
}

/**
 * Scheduled sampling (arXiv 1506.03099), in parallel: on answer positions each gold token is
 * replaced, with probability lambda, by the model's own from the gold prefix before it. It is an
 * intuitive state with a coin in place of the mix. Without keys in the context nothing is replaced.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { linearLambda, scheduled } from "@unitune/objectives";
 *
 * const states = scheduled({ lambda: linearLambda({ from: 0, to: 0.5, steps: 100 }) });
 * assertEquals(states.description.forwardPasses, 2);
 * ```
 *
 * @param options The probability, and the choice of own tokens.
 * @returns The prior states.
 * @throws {RangeError} If an option is out of range.
 */
export function scheduled(
  { lambda = objectiveDefaults.lambda, own = "sampled", environment = text }: ScheduledOptions = {},
): PriorStates<Demonstrations, IntuitiveDemonstrations> {
  checkName("scheduled: own", own, { argmax: true, sampled: true });
  const schedule = typeof lambda === "number" ? fixedLambda(lambda) : lambda;
  const states = intuitive({ lambda: schedule, own, environment });
  return {
    description: {
      ...states.description,
      modelStates: {
        ...{ kind: "either", of: "demonstrated", probability: shareOf(schedule) },
        own: { token: own, at: "prefix", isAction: environment !== text },
      },
    },
    collect: states.collect,
    evaluate(model, collected, context) {
      const read = readOf(collected);
      const share = cast(asTensor(schedule.at(context), "f32"), "f32");
      const coins = context.keys === undefined
        ? ones(read.shape)
        : uniform(foldKey(context.keys.batch, COINS), read.shape);
      const replaced = and(less(coins, share), notEqual(inputsOf(collected.mask), 0));
      const embeddings = model.embed(where(replaced, collected.own, read));
      return {
        ...onTargets(predicted(model, embeddings, collected, context), collected),
        metrics: () => ({
          ...collected.metrics,
          lambda: { total: share, weight: ones([], "f32") },
        }),
      };
    },
  };
}

/**
 * NEFTune (arXiv 2310.05914): uniform noise of `alpha / sqrt(L D)` on the embeddings that are read,
 * L tokens of width D. Without keys in the context there is no noise.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator, neftune, nll, objective } from "@unitune/objectives";
 *
 * const noisy = objective(estimate(neftune(gold, { alpha: 5 }), indicator), nll());
 * assertEquals(noisy.description.modelStates, "s*_n + noise");
 * ```
 *
 * @param priorStates The states.
 * @param options The scale alpha, at least 0 (default 5).
 * @returns The states with noise.
 * @throws {RangeError} If alpha is negative.
 */
export function neftune<B, C>(
  priorStates: PriorStates<B, C>,
  { alpha = 5 }: { readonly alpha?: number } = {},
): PriorStates<B, C> {
  checkOptions("neftune", { alpha: ranges.nonNegative }, { alpha });
  const { description } = priorStates;
  return {
    description: {
      ...description,
      modelStates: { kind: "noisy", state: description.modelStates },
    },
    collect: priorStates.collect,
    evaluate(model, collected, context) {
      const { keys } = context;
      if (keys === undefined) return priorStates.evaluate(model, collected, context);
      const noisy: Model = {
        embed: model.embed,
        predict(embeddings, options) {
          const noise = sub(mul(uniform(foldKey(keys.batch, NOISE), embeddings.shape), 2), 1);
          const scaled = mul(noise, alpha / Math.sqrt(sizeOf(embeddings.shape.slice(1))));
          return model.predict(add(embeddings, cast(scaled, embeddings.dtype)), options);
        },
      };
      return priorStates.evaluate(noisy, collected, context);
    },
  };
}
