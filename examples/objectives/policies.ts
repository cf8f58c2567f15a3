/**
 * Two policies that are not this project's GPT: a bigram table, which is one function from embeddings
 * to logits, and a small recurrent net with hidden states and a tied head.
 */
import {
  add,
  gather,
  matmul,
  normal,
  slice,
  splitKey,
  squeeze,
  stack,
  tanh,
  type Tensor,
} from "@unitune/core";
import { type Policy, policyOfLogits } from "@unitune/objectives";

/** The parameters of {@linkcode bigram}. */
export type BigramParameters = { readonly table: Tensor };

/** A table `[V, V]`: the embedding of a token is the logits of the next. */
export const bigram: Policy<BigramParameters> = policyOfLogits({
  embed: ({ table }, ids) => gather(table, ids),
  logits: (_, embeddings) => embeddings,
});

export function initBigram(key: Tensor, vocabulary: number): BigramParameters {
  return { table: normal(key, [vocabulary, vocabulary], { standardDeviation: 0.1 }) };
}

/** The parameters of {@linkcode recurrent}. */
export type RecurrentParameters = {
  readonly embedding: Tensor; // [V, D]
  readonly input: Tensor; // [D, D]
  readonly state: Tensor; // [D, D]
};

/** An Elman net: `h_t = tanh(x_t U + h_{t-1} W)`, with logits `h_t E'`: its head is the embedding. */
export const recurrent: Policy<RecurrentParameters> = {
  embed: ({ embedding }, ids) => gather(embedding, ids),
  hidden({ input, state }, embeddings) {
    const [, length = 0] = embeddings.shape;
    const inputs = matmul(embeddings, input); // [B, T, D]
    const states: Tensor[] = [];
    for (let t = 0; t < length; t++) {
      const x = squeeze(slice(inputs, 1, t, t + 1), 1); // [B, D]
      const before = states.at(-1);
      states.push(tanh(before === undefined ? x : add(x, matmul(before, state))));
    }
    return stack(states, 1); // [B, T, D]
  },
  head: ({ embedding }) => ({ weight: embedding }), // [V, D]
};

export function initRecurrent(key: Tensor, vocabulary: number, width = 16): RecurrentParameters {
  const [a, b, c] = splitKey(key, 3);
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("three keys");
  const standardDeviation = 1 / Math.sqrt(width);
  return {
    embedding: normal(a, [vocabulary, width], { standardDeviation: 1 }),
    input: normal(b, [width, width], { standardDeviation }),
    state: normal(c, [width, width], { standardDeviation }),
  };
}
