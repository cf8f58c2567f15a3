/** The measures of sampled answers: entropy, divergence, lengths, and which of them are right. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { mapTree, wasm, zeros } from "@unitune/core";
import { characterTokenizer } from "@unitune/models";
import { questionOf } from "@unitune/training";
import { createExaminer } from "../../../cli/study/measures.ts";
import { scripted } from "../scripted.ts";

const tokenizer = characterTokenizer("abcd");
const context = 12;
const question = questionOf(
  {
    conversation: {
      messages: [{ role: "user", content: "a" }, { role: "assistant", content: "cd" }],
    },
    kind: "pick",
  },
  tokenizer,
  context,
);
if (question === undefined) throw new Error("the question does not fit");

const [, , c = 0, d = 0] = tokenizer.encode("abcd");
const before = new Array<number>(question.ids.length - 1).fill(tokenizer.stop);
const { model, params: sure } = scripted(tokenizer, context, [...before, c, d, tokenizer.stop]);

/** Of weights that are 0, all tokens are equally likely. */
const unsure = mapTree(sure, ({ shape }) => zeros(shape));

Deno.test("answers are sure or not, near the start or far from it, whatever the batches", async () => {
  using device = wasm();
  const split = { name: "v", sequences: [question.sequence], questions: [question], notes: [] };
  // More answers than a batch has rows.
  const examination = { validation: split, test: [split], samples: 130, seed: 3 };
  using examiner = createExaminer(examination, model, tokenizer, device);
  const all = Math.log(tokenizer.size);
  // Sums of f32 over some hundred tokens, each of which has the logarithm of the vocabulary or none.
  const known = await examiner.examine(sure, unsure);
  assertAlmostEquals(known.kl_to_start ?? NaN, all, 1e-4);
  assertAlmostEquals(known.sampled_entropy ?? NaN, 0, 1e-6);
  assertEquals([known["mean@k"], known["pass@k"], known.length], [1, 1, 2]);
  const unknown = await examiner.examine(unsure, unsure);
  assertEquals(unknown.kl_to_start, 0);
  assertAlmostEquals(unknown.sampled_entropy ?? NaN, all, 1e-4);
  assertEquals(unknown.exact_match, 0);
});
