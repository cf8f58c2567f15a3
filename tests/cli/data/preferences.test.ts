/** Rows of preferences, labels and prompts: how they are read, and what becomes of them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { prepare } from "@unitune/cli";
import { dataOf, encodeAnswer, trainSettings, UserError } from "@unitune/training";
import { characterTokenizer, type Message } from "@unitune/models";
import { jsonl } from "./jsonl.ts";
import { assertRefused, inFolder, tiny, train, trained, writeRows } from "../command.ts";

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });

const pair = { prompt: "ab", chosen: "ba", rejected: "ab" };
const label = { prompt: "ab", completion: "ba", label: true };

/** The rendering of a row that has no messages. */
const plainly = { rendering: { plain: true } };

/** Rows, and what the first of them is read as. */
const formats: Record<string, [row: Record<string, unknown>, kind: string, read: unknown]> = {
  "a preference": [pair, "pairs", {
    prompt: [user("ab")],
    chosen: [assistant("ba")],
    rejected: [assistant("ab")],
    ...plainly,
  }],
  "a preference of messages": [
    { prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")] },
    "pairs",
    { prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")] },
  ],
  "a label": [label, "labels", {
    prompt: [user("ab")],
    completion: [assistant("ba")],
    label: true,
    ...plainly,
  }],
  "a label as a number": [{ ...label, label: 0 }, "labels", {
    prompt: [user("ab")],
    completion: [assistant("ba")],
    label: false,
    ...plainly,
  }],
  "a prompt": [{ prompt: "ab", answer: 5, level: "easy" }, "prompts", {
    prompt: [user("ab")],
    columns: { answer: 5, level: "easy" },
    ...plainly,
  }],
};

for (const [what, [row, kind, read]] of Object.entries(formats)) {
  Deno.test(`jsonl: ${what}`, async () => {
    const dataset = await jsonl([row, row, row]);
    assertEquals([dataset.kind, dataset.train.length], [kind, 2]);
    const [first] = dataset.train;
    assert(typeof first === "object");
    const { source: _, ...rest } = first;
    assertEquals<unknown>(rest, read);
  });
}

const refused: Record<string, [rows: readonly unknown[], message: string]> = {
  "a preference for the same": [[pair, { ...pair, chosen: "ab" }], `data.jsonl:2: "chosen" and`],
  "a label in words": [[{ ...label, label: "good" }], `"label" is true or false, not "good"`],
  "a preference of nobody's": [
    [{ ...pair, chosen: [user("a")] }],
    `"chosen" has no message of the assistant`,
  ],
  "a preference among answers": [[{ prompt: "a", completion: "b" }, pair], "data.jsonl:2: "],
};

for (const [what, [rows, message]] of Object.entries(refused)) {
  Deno.test(`jsonl: refuses ${what}`, async () => {
    await assertRejects(() => jsonl(rows), UserError, message);
  });
}

Deno.test("of a preference the answers are learned, whatever the assistant said before", () => {
  const tokenizer = characterTokenizer("abc");
  const { ids, mask } = encodeAnswer(
    tokenizer,
    [user("a"), assistant("b"), user("c")],
    [assistant("ab")],
  );
  assertEquals(tokenizer.decode(ids.filter((_, i) => mask[i])), "ab");
  // The stop token that ends the answer is learned, too.
  assertEquals([ids.at(-1), mask.at(-1)], [tokenizer.stop, true]);
});

inFolder("what each kind of rows can teach, and what it cannot", async (folder) => {
  const rows = (row: unknown) => Array.from({ length: 12 }, () => row);
  const files = {
    pairs: await writeRows(`${folder}/pairs.jsonl`, rows(pair)),
    labels: await writeRows(`${folder}/labels.jsonl`, rows(label)),
    prompts: await writeRows(`${folder}/prompts.jsonl`, rows({ prompt: "ab", completion: "ba" })),
    questions: await writeRows(`${folder}/questions.jsonl`, rows({ prompt: "ab", level: 1 })),
  };
  const kindOf = async (objective: "sft" | "dpo" | "kto" | "grpo", data: string) => {
    const { stages: [stage] } = await prepare(trainSettings({ objective, data }));
    return stage?.data.kind;
  };
  assertEquals(await kindOf("dpo", files.pairs), "pairs");
  assertEquals(await kindOf("sft", files.pairs), "demonstrations");
  assertEquals(await kindOf("kto", files.pairs), "labels");
  assertEquals(await kindOf("grpo", files.pairs), "rollouts");
  assertEquals(await kindOf("kto", files.labels), "labels");
  assertEquals(await kindOf("grpo", files.questions), "rollouts");
  const { stages: [stage] } = await prepare(
    trainSettings({ objective: "grpo", data: files.prompts }),
  );
  assert(stage !== undefined);
  assertEquals(dataOf(stage.data, "rollouts").train.at(0)?.columns, { completion: "ba" });

  const out = ["--out", `${folder}/run`, ...tiny];
  const none = await train("--objective", "sft", "--data", files.questions, ...out);
  assertRefused(none, 1, `sft learns from answers, and ${files.questions} has none`);
  assertRefused(none, 1, "an objective that learns from prompts, such as --objective grpo");
  const one = await train("--objective", "dpo", "--data", files.prompts, ...out);
  assertRefused(one, 1, "or --rejected model for wrong answers of the model's own");
  const bare = await train("--objective", "kto", "--data", files.prompts, ...out);
  assertRefused(bare, 1, "give rows with prompt, completion and label, or prompt, chosen and rej");
});

inFolder(
  "an own file of preferences, and one of questions with a format to keep to",
  async (folder) => {
    const pairs = await writeRows(
      `${folder}/pairs.jsonl`,
      Array.from({ length: 12 }, (_, i) => ({ ...pair, prompt: `a${"b".repeat(i)}` })),
    );
    const questions = await writeRows(
      `${folder}/questions.jsonl`,
      Array.from({ length: 12 }, (_, i) => ({ prompt: `a${"b".repeat(i)}` })),
    );
    await trained("--objective", "ipo", "--data", pairs, ...tiny, "--out", `${folder}/ipo`);
    const { stdout } = await trained(
      ...["--objective", "sft,reinforce", "--data", pairs, "--data", questions, ...tiny],
      ...["--rewards", "format+0.1*length-penalty", "--format", "[ab]+", "--out", `${folder}/run`],
    );
    assert(stdout.includes("stage 2: 10 prompts to train on, 2 for validation"), stdout);
  },
);
