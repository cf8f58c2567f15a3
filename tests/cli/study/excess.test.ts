/** The distance from a better model, in states of right answers and of own ones. */
import { assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { key, mapTree, mul, reference, tensor } from "@unitune/core";
import { characterTokenizer, languageModel, presetConfig } from "@unitune/models";
import { modelOf } from "@unitune/objectives";
import { answerLimit, createSampler, type Question, questionOf } from "@unitune/training";
import { createExcessProbe } from "../../../cli/study/exposure/excess.ts";

const device = reference();
const tokenizer = characterTokenizer("abc");
const CONTEXT = 12;

/** A model of random weights, of its own sizes. */
function modelAt(seed: number, width: number) {
  const sizes = { vocabulary: tokenizer.size, context: CONTEXT, layers: 1, heads: 1, width };
  const model = languageModel(presetConfig("nano", sizes));
  // The weights of a new model are nearly 0, and all its predictions alike.
  return { model, params: mapTree(model.init(key(seed)), (leaf) => mul(leaf, 4)) };
}

function asked(prompt: string, answer: string): Question {
  const messages = [
    { role: "user", content: prompt },
    { role: "assistant", content: answer },
  ] as const;
  const question = questionOf({ conversation: { messages }, kind: "all" }, tokenizer, CONTEXT);
  if (question === undefined) throw new Error("the question does not fit");
  return question;
}

// More than a batch has, of several lengths.
const questions = Array.from(
  { length: 18 },
  (_, i) => asked("abc".slice(i % 3), ["a", "bb", "cab"][i % 3] ?? ""),
);

Deno.test("a model is at no distance from itself", async () => {
  const own = modelAt(1, 8);
  using probe = createExcessProbe(own.model, own, tokenizer, device);
  const { gold_kl = NaN, own_kl = NaN } = await probe.measure(own.params, questions, 0);
  // Sums of differences of equal numbers.
  assertEquals([gold_kl, own_kl], [0, 0]);
});

Deno.test("distances are means over the answers' tokens, in right states and in own ones", async () => {
  const [own, better] = [modelAt(1, 8), modelAt(2, 16)];
  const logProbs = async ({ model, params }: typeof own, ids: readonly number[]) => {
    const policy = modelOf(model, params);
    const logits = policy.predict(policy.embed(tensor([[...ids]], { dtype: "i32" }))).logits();
    const rows = await logits.data();
    return ids.map((_, t) => {
      const row = [...rows.slice(t * tokenizer.size, (t + 1) * tokenizer.size)];
      const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      return row.map((logit) => logit - total);
    });
  };
  /** KL(o || p), token by token. */
  const meanOf = async (rows: readonly { ids: readonly number[]; from: number }[]) => {
    let [kl, tokens] = [0, 0];
    for (const { ids, from } of rows) {
      const [p, o] = [
        await logProbs(own, ids.slice(0, -1)),
        await logProbs(better, ids.slice(0, -1)),
      ];
      for (let t = from; t < ids.length; t++) {
        const [at, truth] = [p[t - 1] ?? [], o[t - 1] ?? []];
        kl += truth.reduce((sum, log, v) => sum + Math.exp(log) * (log - (at[v] ?? NaN)), 0);
        tokens += 1;
      }
    }
    return kl / tokens;
  };
  using probe = createExcessProbe(own.model, better, tokenizer, device);
  const measures = await probe.measure(own.params, questions, 5);
  const { gold_kl = NaN, own_kl = NaN, excess_error = NaN } = measures;
  const gold = questions.map(({ ids, sequence }) => ({ ids: sequence.ids, from: ids.length }));
  // Sums in f32 of a few tokens.
  assertAlmostEquals(gold_kl, await meanOf(gold), 1e-4);
  assertAlmostEquals(excess_error, own_kl / gold_kl - 1, 1e-12);

  // The same answers, sampled here: 3 tokens and the stop token are the longest, and 4 more are left.
  using sampler = createSampler(own.model, tokenizer, device);
  const prompts = questions.map(({ ids }) => ids);
  const maxNewTokens = answerLimit(4);
  const given = await sampler.sample(own.params, prompts, {
    ...{ maxNewTokens, temperature: 1, seed: 5, places: 16 },
  });
  const reached = given.map(({ ids }, i) => {
    const prompt = prompts[i] ?? [];
    return { ids: [...prompt, ...ids], from: prompt.length };
  });
  assertAlmostEquals(own_kl, await meanOf(reached), 1e-4);
  assertNotEquals(reached.map(({ ids }) => ids), gold.map(({ ids }) => ids));
});
