/** A GPT that says what it is told, whatever it is asked: its positions decide alone. */
import { key, mapTree, ones, tensor, zeros } from "@unitune/core";
import { type Gpt, gpt, type GptParameters, type Tokenizer } from "@unitune/models";

/** A model and its parameters. */
export interface Scripted {
  readonly model: Gpt;
  readonly params: GptParameters;
}

/**
 * A model that after position t says the token `next[t]`: embeddings are one-hot, those of positions
 * far larger, and all layers give 0. The logit of that token is some 50 above the others. A vocabulary
 * may have more tokens than the tokenizer (default: as many).
 */
export function scripted(
  tokenizer: Tokenizer,
  context: number,
  next: readonly number[],
  vocabulary: number = tokenizer.size,
): Scripted {
  const { size } = tokenizer;
  const model = gpt({ vocabulary, context, layers: 1, heads: 1, width: size, dropout: 0 });
  const params = mapTree(
    model.init(key(0)),
    (leaf, path) => /ln_\w+\.weight$/.test(path) ? ones(leaf.shape) : zeros(leaf.shape),
  );
  const rows = (count: number, hot: (row: number) => number, value: number) =>
    tensor(
      Array.from({ length: count }, (_, row) =>
        Array.from({ length: size }, (_, column) => column === hot(row) ? value : 0)),
    );
  return {
    model,
    params: {
      ...params,
      wte: { weight: rows(vocabulary, (id) => id, 20) },
      wpe: { weight: rows(context, (t) => next[t] ?? tokenizer.stop, 2000) },
    },
  };
}
