/** Rows that say the prompt twice, or fit several formats. */
import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import { type FormName, prepare } from "@unitune/cli";
import { dataOf, messagesOf, trainSettings, UserError } from "@unitune/training";
import type { Message } from "@unitune/models";
import fc from "fast-check";
import { jsonl } from "./jsonl.ts";
import { inFolder, readRows, tiny, trained, writeRows } from "../command.ts";

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const system = (content: string): Message => ({ role: "system", content });

/** The first row of a dataset of such rows. */
async function firstOf(row: unknown, needs?: readonly FormName[]): Promise<unknown> {
  const { train: [first] } = await jsonl([row, row], {}, needs);
  assert(typeof first === "object");
  const { source: _, ...read } = first;
  return read;
}

const [ba, aa] = [assistant("ba"), assistant("aa")];
const history = [user("q"), assistant("r"), user("ab")];

/** Prompts, what stands before both answers, and what of it all is the prompt. */
const repeats: Record<string, [prompt: unknown, before: readonly Message[], read: Message[]]> = {
  "a text, repeated": ["ab", [user("ab")], [user("ab")]],
  "messages, repeated": [[user("ab")], [user("ab")], [user("ab")]],
  "a text, not repeated": ["ab", [], [user("ab")]],
  "a text, repeated after the system": ["ab", [system("s"), user("ab")], [system("s"), user("ab")]],
  "the system and a question, repeated": [
    [system("s"), user("ab")],
    [system("s"), user("ab")],
    [system("s"), user("ab")],
  ],
  "the system and a question, of which the question is repeated": [
    [system("s"), user("ab")],
    [user("ab")],
    [system("s"), user("ab")],
  ],
  "several turns, repeated": [history, history, history],
  "several turns, of which the last is repeated": [history, [user("ab")], history],
  "the last turn of several": ["ab", history, history],
  "an answer that goes on in turns": [
    "ab",
    [user("ab"), assistant("c"), user("d")],
    [user("ab")],
  ],
  "messages that the assistant begins, repeated": [
    [assistant("hello"), user("ab")],
    [assistant("hello"), user("ab")],
    [assistant("hello"), user("ab")],
  ],
  "another question than the prompt": ["ab", [user("c")], [user("ab")]],
};

for (const [what, [prompt, before, read]] of Object.entries(repeats)) {
  Deno.test(`a prompt is read once: ${what}`, async () => {
    const answers = (last: Message) => [...before, last];
    const row = { prompt, chosen: answers(ba), rejected: answers(aa) };
    const given = await firstOf(row);
    // All that the row says is read once, in its order.
    const rest = before.slice(
      before.findLastIndex((message) => read.at(-1)?.content === message.content) + 1,
    );
    const expected = what.startsWith("an answer") ? before.slice(1) : rest;
    assertEquals(given, {
      prompt: read,
      chosen: [...expected, ba],
      rejected: [...expected, aa],
    });
    const label = { prompt, completion: answers(ba), label: true };
    assertEquals(await firstOf(label), {
      ...{ prompt: read, completion: [...expected, ba], label: true },
    });
    const demonstration = { prompt, completion: answers(ba) };
    // Of the prompt, nothing is learned.
    const learnedFrom = read.length;
    assertEquals(await firstOf(demonstration), {
      messages: [...read, ...expected, ba],
      learnedFrom,
    });
  });
}

Deno.test("a prompt that one side alone repeats is read once on both", async () => {
  for (const [chosen, rejected] of [[[user("ab"), ba], "aa"], ["ba", [user("ab"), aa]]]) {
    assertEquals(await firstOf({ prompt: "ab", chosen, rejected }), {
      ...{ prompt: [user("ab")], chosen: [ba], rejected: [aa] },
    });
  }
});

const contradictions: Record<string, [row: unknown, message: string]> = {
  "two systems": [
    {
      prompt: "ab",
      chosen: [system("s"), user("ab"), ba],
      rejected: [system("t"), user("ab"), aa],
    },
    `"chosen" and "rejected" have different messages before the prompt`,
  ],
  "another system than the prompt's": [
    { prompt: [system("s"), user("ab")], completion: [system("t"), user("ab"), ba] },
    `"completion" repeats the prompt with another message of the system`,
  ],
  "nothing behind it": [
    { prompt: history, completion: history },
    `"completion" has no message of the assistant: nothing to learn from`,
  ],
  "the same answer behind the prompt": [
    { prompt: "ab", chosen: [user("ab"), ba], rejected: "ba" },
    `"chosen" and "rejected" are the same`,
  ],
};

for (const [what, [row, message]] of Object.entries(contradictions)) {
  Deno.test(`a repeated prompt is refused with ${what}`, async () => {
    await assertRejects(() => jsonl([row, row]), UserError, `data.jsonl:1: ${message}`);
  });
}

Deno.test("a conversation is the same with its prompt apart, repeated or in one list", async () => {
  const turns = fc.array(fc.tuple(fc.string(), fc.string()), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(turns, fc.boolean(), fc.string(), async (turns, hasSystem, instruction) => {
      // No two questions alike: else the prompt could be either of them.
      const messages = [
        ...(hasSystem ? [system(instruction)] : []),
        ...turns.flatMap(([q, a], i) => [user(`${i}${q}`), assistant(a)]),
      ];
      const [prompt, last] = [messages.slice(0, -1), messages.at(-1)];
      const forms = [
        { messages },
        { prompt, completion: [last] },
        { prompt, completion: messages },
        { prompt: prompt.slice(-1), completion: messages },
      ];
      for (const form of forms) {
        const [first] = (await jsonl([form, form])).train;
        assert(typeof first === "object");
        assertEquals(messagesOf(first), messages);
      }
    }),
  );
});

const everything = {
  messages: [user("ab"), assistant("m")],
  prompt: "ab",
  completion: "c",
  label: true,
  chosen: "w",
  rejected: "l",
  text: "t",
};
const without = (...columns: readonly string[]) =>
  Object.fromEntries(Object.entries(everything).filter(([name]) => !columns.includes(name)));

/** Rows, and what each kind of objective learns from them: the answers. */
const several: Record<string, [row: unknown, read: Record<string, string>]> = {
  "all columns": [everything, { sft: "m", dpo: "w", kto: "c", grpo: "c" }],
  "messages and a pair": [
    without("completion", "label"),
    { sft: "m", dpo: "w", kto: "w", grpo: "w" },
  ],
  "a completion and a pair": [
    without("messages", "label", "text"),
    { sft: "c", dpo: "w", kto: "w", grpo: "c" },
  ],
  "a label and a pair": [without("messages"), { sft: "c", dpo: "w", kto: "c", grpo: "c" }],
  "columns that are null": [
    { ...everything, messages: null, completion: null, label: null },
    { sft: "w", dpo: "w", kto: "w", grpo: "w" },
  ],
};

for (const [what, [row, read]] of Object.entries(several)) {
  inFolder(
    `rows of several formats are read as an objective needs them: ${what}`,
    async (folder) => {
      const rows = Array.from({ length: 12 }, () => row);
      const data = await writeRows(`${folder}/rows.jsonl`, rows);
      const answerOf = async (objective: "sft" | "dpo" | "kto" | "grpo") => {
        const { stages: [stage], tokenizer } = await prepare(trainSettings({ objective, data }));
        const data0 = stage?.data;
        assert(data0 !== undefined);
        const learned = ({ ids, mask }: { ids: readonly number[]; mask: readonly boolean[] }) =>
          tokenizer.decode(ids.filter((_, t) => mask[t]));
        switch (data0.kind) {
          case "demonstrations":
            return learned(data0.source.row(0));
          case "pairs":
            return learned(data0.train.at(0)?.chosen ?? { ids: [], mask: [] });
          case "labels":
            return learned(
              data0.train.at(0)?.sequence ?? data0.pairs.at(0)?.chosen ?? { ids: [], mask: [] },
            );
          case "steps":
          case "triples":
            return fail("none of them reads steps or triples");
          case "rollouts":
            return data0.train.at(0)?.columns.completion;
          default:
            return data0 satisfies never;
        }
      };
      for (const objective of ["sft", "dpo", "kto", "grpo"] as const) {
        assertEquals(await answerOf(objective), read[objective], objective);
      }
    },
  );
}

Deno.test("an answer that nobody liked is not learned for a pair or messages beside it", async () => {
  const disliked = { ...without("messages", "chosen", "rejected", "text"), label: false };
  assertEquals(
    await firstOf(disliked, ["messages", "labels", "completions"]),
    {
      prompt: [user("ab")],
      completion: [assistant("c")],
      label: false,
      rendering: { plain: true },
    },
  );
});

inFolder("one file of messages and pairs serves two stages, each its own way", async (folder) => {
  const rows = Array.from({ length: 12 }, (_, i) => {
    // The last two are for validation.
    const prompt = ["ba", "bb"][i - 10] ?? "ab";
    return {
      messages: [user(prompt), assistant("ba")],
      prompt,
      chosen: [user(prompt), assistant(i % 2 === 0 ? "ba" : "b")],
      rejected: [user(prompt), aa],
    };
  });
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = `${folder}/run`;
  const { stdout } = await trained(
    ...["--objective", "sft,dpo", "--data", data, ...tiny, "--out", run],
  );
  assert(stdout.includes("stage 1: 10 examples to train on, 2 for validation"), stdout);
  assert(stdout.includes("stage 2: 10 pairs to train on, 2 for validation"), stdout);
  const [first] = await readRows(`${run}/samples.jsonl`);
  assertEquals(first?.prompt, "ba");
  const prepared = await prepare([
    trainSettings({ objective: "sft", data }),
    trainSettings({ objective: "dpo", data }),
  ]);
  const pairs = dataOf(prepared.stages[1]?.data ?? never(), "pairs");
  // <user> a b <assistant>: the prompt stands there once.
  assertEquals(pairs.train.at(0)?.prompt.length, 4);
});

function never(): never {
  throw new Error("unreachable");
}
