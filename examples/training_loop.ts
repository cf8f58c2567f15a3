/**
 * The smallest training loop: a model, an objective, an optimizer.
 *
 *     deno run examples/training_loop.ts
 *
 * A tiny GPT learns a tongue twister by heart, one character at a time, in a few seconds.
 */
import { compile, key, tensor } from "@unitune/core";
import { adamw, chain, clipByGlobalNorm, warmupCosine } from "@unitune/autodiff";
import { characterTokenizer, createGenerator, gpt } from "@unitune/models";
import { initTrainingState, sft, trainingStep } from "@unitune/objectives";

const text = "peter piper picked a peck of pickled peppers. " +
  "a peck of pickled peppers peter piper picked. " +
  "if peter piper picked a peck of pickled peppers, " +
  "where's the peck of pickled peppers peter piper picked?";
const tokenizer = characterTokenizer(text);
const ids = tokenizer.encode(text);

// Rows of 33 characters from 8 places that move with the step; all but the first are predicted.
const [rows, length, steps] = [8, 33, 300];
const batch = (step: number) => {
  const starts = Array.from(
    { length: rows },
    (_, i) => (7 * step + 19 * i) % (ids.length - length),
  );
  const window = starts.map((start) => ids.slice(start, start + length));
  const learned = window.map((row) => row.map((_, t) => t === 0 ? 0 : 1));
  return { ids: tensor(window, { dtype: "i32" }), mask: tensor(learned) };
};

const config = { context: length - 1, layers: 2, heads: 2, width: 32, dropout: 0 };
const policy = gpt({ ...config, vocabulary: tokenizer.size });
const rate = warmupCosine({ peak: 1e-2, end: 1e-3, warmup: 20, total: steps });
const optimizer = chain(clipByGlobalNorm(1), adamw(rate, { weightDecay: 0.1 }));
const step = compile(trainingStep({ policy, objective: sft(), optimizer }), { donate: [0] });

let state = initTrainingState(policy.init(key(0)), optimizer, key(1));
for (let i = 0; i < steps; i++) {
  const result = step(state, batch(i));
  state = result.state;
  if (i % 50 === 0 || i === steps - 1) {
    const loss = await result.metrics.loss?.item();
    console.log(`step ${i + 1}: loss ${loss?.toFixed(3)}`);
  }
}

using generator = createGenerator(policy);
const prompt = "peter ";
const [completion] = await generator.generate(state.params, [tokenizer.encode(prompt)], {
  maxNewTokens: config.context - prompt.length,
});
console.log(`${prompt}|${tokenizer.decode(completion?.ids ?? [])}`);
