/**
 * Preference estimation: the states on which the model and the human are compared, and the signal
 * that compares them. `estimation = prior states x signal`.
 */
import type {
  EstimationDescription,
  PriorStatesDescription,
  SignalDescription,
} from "./description.ts";
import type { Metrics } from "./metrics.ts";
import { type Context, type Model, withoutDropout } from "./policy.ts";
import type { TargetPrediction } from "./prediction.ts";

/** The prediction of a model on prior states, and its metrics there. */
export interface States extends TargetPrediction {
  /** The metrics of the model on these targets. */
  readonly metrics: () => Metrics;
}

/**
 * The states on which a model predicts. They are made in two stages, so that the first cannot carry
 * a gradient.
 *
 * @typeParam B A batch of data.
 * @typeParam C The result of the first stage, a tree of tensors for the second.
 */
export interface PriorStates<B, C> {
  /** Its columns of Table 1. */
  readonly description: PriorStatesDescription;
  /** Chooses the states, outside the gradient; may be the identity. */
  readonly collect: (model: Model, batch: B, context: Context) => C;
  /** The model's predictions there, with gradient. */
  readonly evaluate: (model: Model, collected: C, context: Context) => States;
}

/**
 * A preference estimation, in two stages: `collect` is outside the gradient and may be the
 * identity; `evaluate` is differentiable.
 *
 * @typeParam B A batch of data.
 * @typeParam C The result of the first stage, a tree of tensors for the second.
 * @typeParam E The evidence that a transition optimization works on.
 */
export interface Estimation<B, C, E> {
  /** Its columns of Table 1. */
  readonly description: EstimationDescription;
  /** Chooses states and scores them, outside the gradient. */
  readonly collect: (model: Model, batch: B, context: Context) => C;
  /** The evidence, with gradient, and metrics to log. */
  readonly evaluate: (model: Model, collected: C, context: Context) => Compared<E>;
}

/** Evidence, and metrics to log. */
export interface Compared<E> {
  /** The evidence that a transition optimization works on. */
  readonly evidence: E;
  /** The metrics to log. */
  readonly metrics: Metrics;
}

/**
 * A signal: the source that the model is compared with on any prior states. It reads its own part
 * of a batch, outside the gradient, and turns the model's predictions into evidence.
 *
 * @typeParam B The part of a batch that it reads.
 * @typeParam X The tensors that it collects, a tree.
 * @typeParam E The evidence.
 */
export interface Signal<B, X, E> {
  /** Its columns of Table 1. */
  readonly description: SignalDescription;
  /**
   * Reads and scores, outside the gradient; `ask` gives the predictions of any model on the prior
   * states, each of them once however many signals ask it.
   */
  readonly collect: (model: Model, batch: B, ask: (model: Model) => States) => X;
  /** The evidence, with gradient, from the model's predictions. */
  readonly compare: (states: States, collected: X) => Compared<E>;
}

/** The tensors that prior states and signal collected. */
export interface Collected<C, X> {
  /** By the prior states. */
  readonly states: C;
  /** By the signal. */
  readonly signal: X;
}

/** What a signal has where it does not say: one sequence of a row, one answer, its advantage. */
const single = { sequences: 1, groupSize: 1, advantages: "answers" } as const;

/** The names of both lists, each once. */
function union<Name>(a: readonly Name[], b: readonly Name[]): readonly Name[] {
  return [...new Set([...a, ...b])];
}

/**
 * An estimation from its two choices.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator } from "@unitune/objectives";
 *
 * assertEquals(estimate(gold, indicator).description.models, ["policy"]);
 * ```
 *
 * @param priorStates The states to compare on.
 * @param signal The signal that is compared there.
 * @returns The estimation.
 */
export function estimate<B, C, D, X, E>(
  priorStates: PriorStates<B, C>,
  signal: Signal<D, X, E>,
): Estimation<B & D, Collected<C, X>, E> {
  const { humanStates, modelStates, forwardPasses, models, data } = priorStates.description;
  const { asks, ...own } = { ...single, ...signal.description };
  return {
    description: {
      humanStates: { single: humanStates },
      modelStates: { single: modelStates },
      signal: own.signal("reward"),
      models: union(models, own.models),
      data: union(data, own.data),
      forwardPasses: forwardPasses * own.sequences * (1 + asks.length),
      sequences: own.sequences,
      groupSize: own.groupSize,
      learnedShare: 1,
      learnedStates: { single: modelStates },
      advantages: own.advantages,
    },
    collect(model, batch, context) {
      const known = new Map<Model, States>();
      const ask = (asked: Model): States => {
        const fixed = withoutDropout(asked);
        const said = known.get(asked) ??
          priorStates.evaluate(fixed, priorStates.collect(fixed, batch, context), context);
        known.set(asked, said);
        return said;
      };
      return {
        states: priorStates.collect(model, batch, context),
        signal: signal.collect(model, batch, ask),
      };
    },
    evaluate(model, collected, context) {
      const states = priorStates.evaluate(model, collected.states, context);
      const { evidence, metrics } = signal.compare(states, collected.signal);
      return { evidence, metrics: { ...states.metrics(), ...metrics } };
    },
  };
}

/**
 * Two signals as one: the evidence of both, from the same predictions of the model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantage, againstReference, both, estimator } from "@unitune/objectives";
 *
 * const signal = both(advantage(estimator("group-z-score", 4)), againstReference("precomputed"));
 * assertEquals(signal.description.data, ["reward", "old log-probs", "reference log-probs"]);
 * ```
 *
 * @param first One signal.
 * @param second The other.
 * @returns Both.
 */
export function both<B, X, E, C, Y, F>(
  first: Signal<B, X, E>,
  second: Signal<C, Y, F>,
): Signal<B & C, { readonly first: X; readonly second: Y }, E & F> {
  const [a, b] = [{ ...single, ...first.description }, { ...single, ...second.description }];
  return {
    description: {
      signal: (reward) => `${a.signal(reward)}; ${b.signal(reward)}`,
      models: union(a.models, b.models),
      data: union(a.data, b.data),
      asks: union(a.asks, b.asks),
      sequences: Math.max(a.sequences, b.sequences),
      groupSize: Math.max(a.groupSize, b.groupSize),
      advantages: a.advantages === "tokens" ? "tokens" : b.advantages,
    },
    collect: (model, batch, ask) => ({
      first: first.collect(model, batch, ask),
      second: second.collect(model, batch, ask),
    }),
    compare(states, collected) {
      const [x, y] = [
        first.compare(states, collected.first),
        second.compare(states, collected.second),
      ];
      return {
        evidence: { ...x.evidence, ...y.evidence },
        metrics: { ...x.metrics, ...y.metrics },
      };
    },
  };
}
