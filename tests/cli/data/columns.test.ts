/** The columns of rows that rewards may read, in every form of rows. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { prepare } from "@unitune/cli";
import { dataOf, trainSettings } from "@unitune/training";
import { inFolder, writeRows } from "../command.ts";

const sizes = { layers: 1, heads: 1, width: 8, context: 32 };
const user = { role: "user", content: "1+1" };
const assistant = { role: "assistant", content: "2" };
const extra = { level: 3, tests: ["a", { b: null }] };

/** Rows of each form, and the columns that rewards see of them. */
const forms: Readonly<Record<string, readonly [Record<string, unknown>, Record<string, unknown>]>> =
  {
    messages: [{ messages: [user, assistant] }, { completion: "2" }],
    completions: [{ prompt: "1+1", completion: "2" }, { completion: "2" }],
    "messages as completion": [
      { prompt: [user], completion: [assistant] },
      { completion: "2" },
    ],
    pairs: [
      { prompt: "1+1", chosen: "2", rejected: "3" },
      { chosen: "2", rejected: "3", completion: "2" },
    ],
    conversations: [
      { conversations: [{ from: "human", value: "1+1" }, { from: "gpt", value: "2" }] },
      { completion: "2" },
    ],
    "implicit pairs": [
      { chosen: [user, assistant], rejected: [user, { ...assistant, content: "3" }] },
      { rejected: [user, { ...assistant, content: "3" }], completion: "2" },
    ],
    scores: [
      { prompt: "1+1", answers: ["3", "2"], scores: [0, 1] },
      { answers: ["3", "2"], scores: [0, 1], completion: "2" },
    ],
    liked: [
      { prompt: "1+1", completion: "2", label: true },
      { label: true, completion: "2" },
    ],
    // No right answer is known of it.
    disliked: [{ prompt: "1+1", completion: "2", label: false }, { label: false }],
    prompts: [{ prompt: "1+1" }, {}],
  };

inFolder("rewards may read all columns of a row, whatever its form", async (folder) => {
  for (const [name, [row, columns]] of Object.entries(forms)) {
    const rows = [{ ...row, ...extra }, { ...row, ...extra }];
    const data = await writeRows(`${folder}/${name}.jsonl`, rows);
    const { stages: [stage] } = await prepare(trainSettings({ objective: "grpo", data, ...sizes }));
    assert(stage !== undefined);
    const { train: [prompt] } = dataOf(stage.data, "rollouts");
    assertEquals(prompt?.columns, { ...columns, ...extra }, name);
    assertEquals(prompt?.source, { file: data, line: 1 });
  }
});

inFolder("a named column is a column, and the right answer has its own name", async (folder) => {
  const rows = [{ question: "1+1", answer: "2" }, { question: "1+2", answer: "3" }];
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const named = { data, promptColumn: "question", completionColumn: "answer" };
  const { stages: [stage] } = await prepare(
    trainSettings({ objective: "grpo", ...named, ...sizes }),
  );
  assert(stage !== undefined);
  const { train: [prompt] } = dataOf(stage.data, "rollouts");
  assertEquals(prompt?.columns, { answer: "2", completion: "2" });
});

inFolder("columns that rewards may read are data, and no others are", async (folder) => {
  const digestOf = async (objectives: readonly string[], level: number) => {
    const row = { prompt: "1+1", completion: "2", level };
    const data = await writeRows(`${folder}/rows.jsonl`, [row, row]);
    const stages = objectives.map((objective) => trainSettings({ objective, data, ...sizes }));
    return (await prepare(stages)).data.digest;
  };
  assertEquals(await digestOf(["sft"], 1), await digestOf(["sft"], 2));
  assertNotEquals(await digestOf(["grpo"], 1), await digestOf(["grpo"], 2));
  assertEquals(await digestOf(["grpo"], 1), await digestOf(["grpo"], 1));
  assertNotEquals(await digestOf(["sft", "grpo"], 1), await digestOf(["sft", "grpo"], 2));
});
