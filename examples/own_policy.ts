/**
 * A policy that is no GPT: a table of bigrams, trained by two objectives.
 *
 *     deno run examples/own_policy.ts
 *
 * `policyOfLogits` makes a policy from two pure functions, from token ids to embeddings and from
 * embeddings to logits. Every objective can train it.
 */
import { compile, gather, key, matmul, normal, type Tensor, tensor } from "@unitune/core";
import { adamw } from "@unitune/autodiff";
import {
  formulaText,
  ift,
  initTrainingState,
  policyOfLogits,
  sft,
  trainingStep,
} from "@unitune/objectives";

/** Parameters: an embedding for each token, and a matrix from embeddings to logits. */
interface Bigram {
  readonly table: Tensor;
  readonly head: Tensor;
}

const bigram = policyOfLogits<Bigram>({
  embed: ({ table }, ids) => gather(table, ids), // [B, T] -> [B, T, D]
  logits: ({ head }, embeddings) => matmul(embeddings, head), // [B, T, D] -> [B, T, V]
});
const [vocabulary, width] = [5, 8];
const init = (): Bigram => ({
  table: normal(key(1), [vocabulary, width]),
  head: normal(key(2), [width, vocabulary], { standardDeviation: 0.1 }),
});

// Demonstrations count up to 4. Token 0 is the prompt and the padding; the mask is 1 on answer
// tokens. The model can only guess the first number, so its cross-entropy stays above ln(3) / 3:
// three of nine answer tokens are one of three.
const batch = {
  ids: tensor([[0, 1, 2, 3, 4], [0, 2, 3, 4, 0], [0, 3, 4, 0, 0]], { dtype: "i32" }),
  mask: tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 1, 1, 0, 0]]),
};

for (const [name, objective] of Object.entries({ sft: sft(), ift: ift({ lambda: 0.2 }) })) {
  const { modelStates, transition, formula } = objective.description;
  console.log(
    `${name}: states ${modelStates}, transitions ${transition}\n  loss ${formulaText(formula)}`,
  );

  const optimizer = adamw(0.05);
  const step = compile(trainingStep({ policy: bigram, objective, optimizer }), { donate: [0] });
  let state = initTrainingState(init(), optimizer, key(0));
  for (let i = 1; i <= 100; i++) {
    const result = step(state, batch);
    state = result.state;
    // `nll` is the plain cross-entropy on gold prefixes for every loss, so it can be compared.
    const { loss, nll } = result.metrics;
    if (i === 1 || i === 100) {
      console.log(
        `  step ${i}: loss ${(await loss?.item())?.toFixed(4)}, ` +
          `nll ${(await nll?.item())?.toFixed(4)}`,
      );
    }
  }
}
