/** Files of answers: their rows, what was cut off, and the progress of several models. */
import { assertEquals } from "@std/assert";
import { characterTokenizer } from "@unitune/models";
import type { SampledAnswer, SamplingOptions } from "@unitune/training";
import { answerRows } from "../../../cli/sampling/answer_file.ts";

const tokenizer = characterTokenizer("abcd");

/** A model that says a text, and ends unless it is cut off; it tells each answer by itself. */
function answerer(text: string, isEnded = true) {
  const asked: SamplingOptions[] = [];
  const sampler = {
    sample: (
      _: unknown,
      prompts: readonly (readonly number[])[],
      options: SamplingOptions,
    ): Promise<readonly SampledAnswer[]> => {
      asked.push(options);
      prompts.forEach((_, i) => options.progress?.(i + 1));
      const ids = [...tokenizer.encode(text), ...isEnded ? [tokenizer.stop] : []];
      return Promise.resolve(
        prompts.map((prompt) => ({ prompt, ids, text, isText: true, isEnded })),
      );
    },
  };
  return { asked, answerer: { sampler, params: undefined } };
}

const rows = ["a", "b"].map((prompt, i) => ({ prompt, source: { file: "f", line: i + 1 } }));
const reader = { tokenizer, kind: "conversations", context: 24 } as const;

Deno.test("each answer has a row, and two models tell their progress in equal parts", async () => {
  const told: number[] = [];
  const [own, base] = [answerer("cd"), answerer("dd", false)];
  const { text, cut } = await answerRows(rows, {
    reader,
    answerers: { completion: own.answerer, base_completion: base.answerer },
    sampling: { maxNewTokens: 4, temperature: 0, seed: 0 },
    count: 2,
    batch: 3,
    tell: (answers) => void told.push(answers),
  });
  assertEquals(text.split("\n").slice(0, -1).map((line) => JSON.parse(line)), [
    ...["a", "a", "b", "b"].map((prompt) => ({ prompt, completion: "cd", base_completion: "dd" })),
  ]);
  assertEquals(cut, 4);
  // Half an answer is none yet.
  assertEquals(told, [0, 1, 1, 2, 2, 3, 3, 4]);
  assertEquals([...own.asked, ...base.asked].map(({ places }) => places), [3, 3]);
});

Deno.test("a message of the system opens the prompts that have none", async () => {
  const { answerer: model } = answerer("c");
  const own = [{ role: "system", content: "d" }, { role: "user", content: "a" }] as const;
  const { text } = await answerRows(
    [...rows.slice(0, 1), { prompt: own, source: { file: "f", line: 3 } }, {
      prompt: own.slice(1),
      source: { file: "f", line: 4 },
    }],
    {
      ...{ reader, answerers: { completion: model }, system: "b", count: 1, batch: 1 },
      sampling: { maxNewTokens: 4, temperature: 0, seed: 0 },
      tell: () => {},
    },
  );
  const opened = [{ role: "system", content: "b" }, { role: "user", content: "a" }];
  assertEquals(text.split("\n").slice(0, -1).map((line) => JSON.parse(line).prompt), [
    ...[opened, [...own], opened],
  ]);
});
