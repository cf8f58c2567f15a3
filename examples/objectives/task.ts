/** A toy task: answer a digit by its successors. `3` wants `4 5 stop`. */
import { cast, evaluate, type Tensor, tensor } from "@unitune/core";
import {
  type Demonstrations,
  type Model,
  type Reward,
  type Rollouts,
  rolloutsOf,
  type Sample,
  scoreTokens,
} from "@unitune/objectives";

/** Digits 0..5 and a stop token. */
export const VOCABULARY = 7;
export const STOP = 6;
const DIGITS = 6;

export function answerTo(prompt: number): readonly number[] {
  return [(prompt + 1) % DIGITS, (prompt + 2) % DIGITS, STOP];
}

/** One row for each prompt: the prompt, then three tokens to learn. */
function rows(answerOf: (prompt: number) => readonly number[]): Demonstrations {
  const prompts = Array.from({ length: DIGITS }, (_, prompt) => prompt);
  return {
    ids: tensor(prompts.map((prompt) => [prompt, ...answerOf(prompt)]), { dtype: "i32" }),
    mask: tensor(prompts.map(() => [0, 1, 1, 1])),
  };
}

export const demonstrations: Demonstrations = rows(answerTo);

/** Right answers, and answers that count down instead. */
export const pairs: { readonly chosen: Demonstrations; readonly rejected: Demonstrations } = {
  chosen: demonstrations,
  rejected: rows((prompt) => [(prompt + 5) % DIGITS, (prompt + 4) % DIGITS, STOP]),
};

/** The share of right tokens. */
export const reward: Reward = ({ prompt, completion }) => {
  const gold = answerTo(prompt[0] ?? NaN);
  return completion.filter((token, t) => token === gold[t]).length / gold.length;
};

/** Draws answers of three tokens from a model, several to each prompt, by a seeded generator. */
export async function rollOut(model: Model, each: number, seed: number): Promise<Rollouts> {
  let state = seed + 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const drafts = Array.from({ length: DIGITS * each }, (_, row) => [Math.floor(row / each)]);
  for (let t = 0; t < 3; t++) {
    const ids = tensor(drafts, { dtype: "i32" });
    const { logProbs } = model.predict(model.embed(ids));
    // The probability of every token after each draft, one token after the other.
    const columns = await Promise.all(
      Array.from({ length: VOCABULARY }, (_, token) => {
        const same = tensor(drafts.map((draft) => draft.map(() => token)), { dtype: "i32" });
        return logProbs(same).data();
      }),
    );
    drafts.forEach((draft, row) => {
      const last = row * draft.length + draft.length - 1;
      let left = random();
      const drawn = columns.findIndex((column) => (left -= Math.exp(column[last] ?? 0)) < 0);
      draft.push(drawn < 0 ? STOP : drawn);
    });
  }
  const samples = drafts.map(([prompt = 0, ...completion]): Sample => ({
    prompt: [prompt],
    completion,
  }));
  return await rolloutsOf(model, samples, reward);
}

/** Demonstrations with a reference's log-probabilities. */
export function scoredBy(
  model: Model,
  batch: Demonstrations,
): Demonstrations & { readonly referenceLogProbs: Tensor } {
  return { ...batch, referenceLogProbs: cast(evaluate(scoreTokens(model, batch)), "f32") };
}
