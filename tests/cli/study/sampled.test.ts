/** Sampled answers of an examination: drawn at a temperature of 1, and none of no question. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { mapTree, wasm, zeros } from "@unitune/core";
import { characterTokenizer } from "@unitune/models";
import { answerLimit, questionOf } from "@unitune/training";
import { createExaminer } from "../../../cli/study/measures.ts";
import { scripted } from "../scripted.ts";

const tokenizer = characterTokenizer("ab");
const context = 12;

/** A question of a task with a right answer. */
function asked(kind: string, content: string) {
  const messages = [{ role: "user", content: "a" }, { role: "assistant", content }] as const;
  const found = questionOf({ conversation: { messages }, kind }, tokenizer, context);
  if (found === undefined) throw new Error("the question does not fit");
  return found;
}
const question = asked("pick", "b");

const { model, params } = scripted(tokenizer, context, []);

/** Of weights that are 0, all tokens are equally likely. */
const unsure = mapTree(params, ({ shape }) => zeros(shape));

const splitOf = (questions: readonly (typeof question)[]) => ({
  ...{ name: "v", notes: [], questions },
  sequences: questions.map(({ sequence }) => sequence),
});

Deno.test("answers are as long as their tokens are likely to go on", async () => {
  using device = wasm();
  const samples = 2000;
  const split = splitOf([question]);
  const examination = { validation: split, test: [split], samples, seed: 1 };
  using examiner = createExaminer(examination, model, tokenizer, device);
  const { length = NaN, "mean@k": right = NaN } = await examiner.examine(unsure, unsure);
  // Each token ends the answer with the chance 1/V; the most likely one is always the same.
  const most = answerLimit(question.sequence.ids.length - question.ids.length);
  const on = 1 - 1 / tokenizer.size;
  const expected = Array.from({ length: most }, (_, i) => on ** (i + 1))
    .reduce((sum, chance) => sum + chance, 0);
  // Five deviations of a mean of so many lengths, none of which is larger than the limit.
  assertAlmostEquals(length, expected, 5 * most / 2 / Math.sqrt(samples));
  assert(right > 0 && right < 0.2);
});

Deno.test("of no question, no answer is right or has a length", async () => {
  using device = wasm();
  const examination = { validation: splitOf([question]), test: [splitOf([])], samples: 2, seed: 1 };
  using examiner = createExaminer(examination, model, tokenizer, device);
  const { length, "mean@k": right, "pass@k": any } = await examiner.examine(unsure, unsure);
  assertEquals([length, right, any], [0, 0, 0]);
});

Deno.test("recovery is of questions with one right answer, of more than a character", async () => {
  using device = wasm();
  const recoveryOf = async (...questions: readonly (typeof question)[]) => {
    const examination = { validation: splitOf([question]), test: [splitOf(questions)], samples: 1 };
    using examiner = createExaminer({ ...examination, seed: 1 }, model, tokenizer, device);
    return (await examiner.examine(params, params)).recovery;
  };
  // A model that says nothing is wrong after any first token.
  assertEquals(await recoveryOf(asked("pick", "ab"), asked("sort", "a")), undefined);
  assertEquals(await recoveryOf(asked("sort", "ab"), asked("sort", "a")), 0);
});
