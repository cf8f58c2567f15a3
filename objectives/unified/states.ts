/** The states at which a token's probability is raised, as data: the fourth slot of a gradient. */
/**
 * The answer whose tokens lead to a state: a demonstrated one (`s*`), the chosen or the rejected one
 * beside it (`s+`, `s-`), or the policy's own (`s`).
 */
export type StateAnswer = "demonstrated" | "chosen" | "rejected" | "own";

/**
 * The choice of the model's own token from its prediction: `"argmax"`, the most likely one;
 * `"sampled"`, drawn from the prediction (the most likely one where the context has no keys);
 * `"expected"`, all of them, each embedding weighed by its probability.
 */
export type OwnToken = "argmax" | "sampled" | "expected";

/**
 * The embedding table that is mixed, and the gradient to it. With `"live"`, the gradient reaches
 * the policy's table through both tokens. With `"synchronised"`, it does not, and the table is the
 * one of the current step (the paper's code: a frozen copy, synchronised after every step). With
 * `"frozen"`, it does not, and the table is the option `table`, which never changes.
 */
export type MixedEmbeddings = "live" | "synchronised" | "frozen";

/** The model's own token in the place of an answer's. */
export interface OwnState {
  /** The choice of the token. */
  readonly token: OwnToken;
  /** The states that the model predicts it at: prefixes of the answer, or the mixed ones before it. */
  readonly at: "prefix" | "mixed";
  /** Whether the token is an action that a world answers to. */
  readonly isAction: boolean;
}

/**
 * A state: the prefix of n tokens of an answer, or all of it; a mix of the embeddings of an answer's
 * token and of the model's own, at a share; the one or the other, with a probability; or a state with
 * noise.
 */
export type State =
  | { readonly kind: "prefix" | "end"; readonly of: StateAnswer }
  | {
    readonly kind: "mixed";
    readonly of: StateAnswer;
    readonly own: OwnState;
    /** The share of the own token, or a schedule of it in words. */
    readonly share: number | string;
    readonly embeddings: MixedEmbeddings;
  }
  | {
    readonly kind: "either";
    readonly of: StateAnswer;
    readonly own: OwnState;
    /** The probability of the own token, or a schedule of it in words. */
    readonly probability: number | string;
  }
  | { readonly kind: "noisy"; readonly state: State };

const symbols: Readonly<Record<StateAnswer, string>> = {
  demonstrated: "s*",
  chosen: "s+",
  rejected: "s-",
  own: "s",
};

const ownTokens: Readonly<Record<OwnToken, (asked: string) => string>> = {
  argmax: (s) => `argmax pi(${s}_{n-1})`,
  sampled: (s) => `a ~ pi(${s}_{n-1})`,
  expected: (s) => `E pi(${s}_{n-1})`,
};

/** The own token as text, in the symbol of the answer's state. */
function ownText({ token, at, isAction }: OwnState, s: string): string {
  const chosen = ownTokens[token](at === "mixed" ? symbols.own : s);
  return isAction ? `step(${s}_{n-1}, ${chosen})` : chosen;
}

/**
 * A state as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { intuitive, sampled, stateText } from "@unitune/objectives";
 *
 * assertEquals(stateText(sampled.description.modelStates), "s_n");
 * assertEquals(
 *   stateText(intuitive({ lambda: 0.3 }).description.modelStates),
 *   "(1 - lambda) s*_n + lambda argmax pi(s*_{n-1}), where lambda = 0.3",
 * );
 * ```
 *
 * @param state The state.
 * @returns One line.
 */
export function stateText(state: State): string {
  if (state.kind === "noisy") return `${stateText(state.state)} + noise`;
  const s = symbols[state.of];
  switch (state.kind) {
    case "prefix":
      return `${s}_n`;
    case "end":
      return `${s}_end`;
    case "mixed":
      return `(1 - lambda) ${s}_n + lambda ${ownText(state.own, s)}, ` +
        `where lambda = ${state.share}`;
    case "either":
      return `${s}_n, or ${ownText(state.own, s)} with probability ${state.probability}`;
    default:
      return state satisfies never;
  }
}

/** A state of a demonstrated answer as that of another answer; the policy's own stays its own. */
export function stateOf(answer: StateAnswer, state: State): State {
  if (state.kind === "noisy") return { ...state, state: stateOf(answer, state.state) };
  return state.of === "demonstrated" ? { ...state, of: answer } : state;
}
