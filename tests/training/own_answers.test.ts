/** Rejected answers of the model's own: which prompts are asked, and how many. */
import { assertEquals, assertRejects } from "@std/assert";
import { key, wasm } from "@unitune/core";
import { characterTokenizer, gpt } from "@unitune/models";
import {
  alone,
  createSampler,
  type EncodedPair,
  type GivenSettings,
  type PairCandidate,
  trainSettings,
  UserError,
  withOwnAnswers,
} from "@unitune/training";
// Not public: a prompt and an answer as a row, and the pairs of a stage.
import { answeredPrompt } from "../../training/sampling/answers.ts";
import { ownPairs } from "../../training/kinds/pairs.ts";

const tokenizer = characterTokenizer("abcd");
const [a = 0, b = 0] = tokenizer.encode("ab");
const sizes = { vocabulary: tokenizer.size, context: 8, layers: 1, heads: 1, width: 4, dropout: 0 };
const model = gpt(sizes);
const device = wasm({ threads: 1 });
const start = { policy: model.init(key(3)) };
/** More prompts than are asked at once, of which no answer is right, with answers of two tokens. */
const candidates = Array.from({ length: 600 }, (): PairCandidate => ({
  prompt: [a, b],
  chosen: { ids: [a, b, tokenizer.pad, tokenizer.pad], mask: [false, false, true, true] },
  isRight: () => false,
}));

Deno.test("prompts are asked by the hundreds, until there are as many pairs as are needed", async () => {
  const reference = { model, start, device };
  const pairsOf = async (needed: number) => {
    const { pairs, cost } = await withOwnAnswers(candidates, needed, tokenizer, 0, reference);
    return { rejected: [...pairs].map(({ rejected }) => rejected.ids), cost };
  };
  const [few, many, all] = [await pairsOf(256), await pairsOf(257), await pairsOf(9999)];
  const counts = [few, many, all].map(({ rejected }) => rejected.length);
  assertEquals(counts, [256, 512, 600]);
  // An answer follows from its number, whoever else is asked.
  const sampler = createSampler(model, tokenizer, device);
  const prompts = candidates.map(({ prompt }) => prompt);
  const options = { maxNewTokens: 6, temperature: 1, seed: 0 };
  const drawn = await sampler.sample(start.policy, prompts, options);
  sampler[Symbol.dispose]();
  assertEquals(all.rejected, drawn.map(({ ids }) => [a, b, ...ids]));
  assertEquals([few, many].map(({ rejected }) => rejected), [
    all.rejected.slice(0, 256),
    all.rejected.slice(0, 512),
  ]);
  const read = (count: number) =>
    drawn.slice(0, count).reduce(
      (total, own) => total + 2 + own.ids.length - Number(own.isEnded),
      0,
    );
  assertEquals([few, many, all].map(({ cost }) => cost.forwardTokens), [256, 512, 600].map(read));
});

Deno.test("prompts that the model answers rightly, or as the data do, give no pair and are told", async () => {
  const reference = { model, start, device };
  using sampler = createSampler(model, tokenizer, device);
  const few = candidates.slice(0, 100);
  const drawn = await sampler.sample(start.policy, few.map(({ prompt }) => prompt), {
    ...{ maxNewTokens: 6, temperature: 1, seed: 0 },
  });
  // Only a text can be right.
  const texts = drawn.flatMap(({ isText }, i) => isText ? [i] : []);
  const told = async (right: readonly number[], same: readonly number[]) => {
    const own = few.map((candidate, i): PairCandidate => ({
      ...candidate,
      isRight: (text) => right.includes(i) && text === drawn[i]?.text,
      ...same.includes(i) && { chosen: answeredPrompt([a, b], drawn[i]?.ids ?? []) },
    }));
    const { pairs, notes } = await withOwnAnswers(own, 100, tokenizer, 0, reference);
    return [[...pairs].length, ...notes];
  };
  const [one = never(), two = never(), three = never()] = texts;
  assertEquals(await told([], []), [100]);
  assertEquals(await told([one], []), [
    99,
    "1 of 100 prompts give no pair: the model answers 1 rightly.",
  ]);
  assertEquals(await told([one], [two, three]), [
    97,
    "3 of 100 prompts give no pair: the model answers 1 rightly, and it gives the preferred answer " +
    "itself to 2.",
  ]);
  assertEquals(await told([], [two]), [
    99,
    "1 of 100 prompts give no pair: it gives the preferred answer itself to 1.",
  ]);
  const all = drawn.map((_, i) => i);
  const message =
    "the model gives no wrong answer to any prompt: there is nothing for it to reject";
  await assertRejects(() => told([], all), UserError, message);
});

function never(): never {
  throw new Error("Some of a hundred answers are texts");
}

/** The pairs of a stage whose rejected answers are the model's own. */
async function stagePairs(
  candidates: readonly PairCandidate[],
  given: GivenSettings,
): Promise<readonly EncodedPair[]> {
  const settings = trainSettings({ rejected: "model", ...given });
  const { pairs } = await ownPairs({
    ...{ settings, stage: 0, model, tokenizer, start, device, collective: alone },
    prepared: { data: { kind: "pairs", longest: 0, train: [], validation: [] }, judges: [] },
    evaluation: { caches: 0, predictions: 0 },
  }, candidates);
  return [...pairs];
}

Deno.test("a stage asks for as many pairs as its steps train on", async () => {
  const counts = [12, 13].map(async (steps) => {
    const given = { steps, batchSize: 5, gradientAccumulation: 4 };
    return (await stagePairs(candidates, { objective: "dpo", ...given })).length;
  });
  assertEquals(await Promise.all(counts), [256, 512]);
});

Deno.test("answers of a stage's model are cut where a reward model cannot read them", async () => {
  // A policy predicts a token more than it reads, and says as many as it reads.
  const chosen = {
    ids: Array<number>(9).fill(a),
    mask: Array.from({ length: 9 }, (_, t) => t > 1),
  };
  const long = candidates.slice(0, 20).map((candidate) => ({ ...candidate, chosen }));
  const longest = async (objective: string) => {
    const pairs = await stagePairs(long, { objective });
    return (["chosen", "rejected"] as const).map((side) =>
      Math.max(...pairs.map(({ [side]: { ids } }) => ids.length))
    );
  };
  assertEquals([await longest("dpo"), await longest("reward-model")], [[9, 8], [8, 8]]);
});
