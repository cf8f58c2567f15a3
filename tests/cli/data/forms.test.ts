/** Every form of rows: what is read of it, what is refused, and what objectives make of it. */
import { assert, assertEquals, assertRejects, assertThrows, fail } from "@std/assert";
import { type FormName, prepare } from "@unitune/cli";
import { dataOf, exampleOf, type Rows, trainSettings, UserError } from "@unitune/training";
import type { Message } from "@unitune/models";
import fc from "fast-check";
import { shownMessage } from "../../../cli/terminal/messages.ts";
import { formOf, requireColumns } from "../../../cli/data/forms/recognition.ts";
import { rowForms } from "../../../cli/data/forms/row_forms.ts";
import { assertRefused, inFolder, sample, tiny, train, trained, writeRows } from "../command.ts";
import { jsonl } from "./jsonl.ts";

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const system = (content: string): Message => ({ role: "system", content });

/** The first row of a dataset of such rows, and the kind of the dataset. */
async function firstOf(row: unknown): Promise<[kind: string, row: unknown]> {
  const { kind, train: [first] } = await jsonl([row, row]);
  assert(typeof first === "object");
  const { source, ...read } = first;
  assertEquals(source, { file: "data.jsonl", line: 1 });
  return [kind, read];
}

/** The rendering of a row that has no messages. */
const plainly = { rendering: { plain: true } };

const share = (from: string, value: string) => ({ from, value });

/** Rows, and what is read of them. */
const read: Record<string, [row: unknown, kind: string, read: unknown]> = {
  "a text": [{ text: "a b" }, "texts", { text: "a b" }],
  "ShareGPT": [
    { conversations: [share("system", "s"), share("human", "q"), share("gpt", "a")] },
    "conversations",
    { messages: [system("s"), user("q"), assistant("a")] },
  ],
  "ShareGPT with the roles of others": [
    { conversations: [share("user", "q"), share("assistant", "a"), user("r"), assistant("b")] },
    "conversations",
    { messages: [user("q"), assistant("a"), user("r"), assistant("b")] },
  ],
  "ShareGPT's messages in other columns": [
    { prompt: [share("human", "q")], chosen: [share("gpt", "a")], rejected: [share("gpt", "b")] },
    "pairs",
    { prompt: [user("q")], chosen: [assistant("a")], rejected: [assistant("b")] },
  ],
  "a pair of conversations": [
    {
      chosen: [system("s"), user("q"), assistant("a")],
      rejected: [system("s"), user("q"), assistant("b")],
    },
    "pairs",
    { prompt: [system("s"), user("q")], chosen: [assistant("a")], rejected: [assistant("b")] },
  ],
  "a pair whose answers begin alike": [
    {
      chosen: [user("q"), assistant("a"), assistant("b")],
      rejected: [user("q"), assistant("a"), assistant("c")],
    },
    "pairs",
    {
      prompt: [user("q")],
      chosen: [assistant("a"), assistant("b")],
      rejected: [assistant("a"), assistant("c")],
    },
  ],
  "a pair of which one goes on": [
    { chosen: [user("q"), assistant("a")], rejected: [user("q"), assistant("a"), user("r")] },
    "pairs",
    { prompt: [user("q")], chosen: [assistant("a")], rejected: [assistant("a"), user("r")] },
  ],
  "a pair without a prompt": [
    { chosen: [assistant("a")], rejected: [assistant("b")] },
    "pairs",
    { prompt: [], chosen: [assistant("a")], rejected: [assistant("b")] },
  ],
  "a pair of texts": [
    { chosen: "The sky is blue.", rejected: "The sky is green." },
    "pairs",
    {
      prompt: [user("The sky is")],
      chosen: [assistant(" blue.")],
      rejected: [assistant(" green.")],
      ...plainly,
    },
  ],
  "a pair of texts with nothing in common": [
    { chosen: "a", rejected: "b" },
    "pairs",
    { prompt: [], chosen: [assistant("a")], rejected: [assistant("b")], ...plainly },
  ],
  "a pair of texts that differ in half a character": [
    { chosen: "é😀", rejected: "é😁" },
    "pairs",
    { prompt: [user("é")], chosen: [assistant("😀")], rejected: [assistant("😁")], ...plainly },
  ],
  "a pair of texts of which one goes on": [
    { chosen: "yes", rejected: "yes, no" },
    "pairs",
    { prompt: [user("yes")], chosen: [assistant("")], rejected: [assistant(", no")], ...plainly },
  ],
  "answers with scores": [
    {
      prompt: "q",
      answers: ["a", [assistant("b")], [user("q"), assistant("c")]],
      scores: [1, 3, -2],
    },
    "scores",
    {
      prompt: [user("q")],
      answers: [
        { answer: [assistant("a")], score: 1 },
        { answer: [assistant("b")], score: 3 },
        { answer: [assistant("c")], score: -2 },
      ],
    },
  ],
  "steps": [
    { prompt: "q", completions: ["a", "b"], labels: [true, 0] },
    "steps",
    { prompt: [user("q")], steps: ["a", "b"], labels: [true, false], ...plainly },
  ],
  "a prompt with what a teacher knows": [
    { prompt: "q", privileged_context: "c", more: 1 },
    "prompts",
    { prompt: [user("q")], columns: { privileged_context: "c", more: 1 }, ...plainly },
  ],
  "a prompt with messages that a teacher knows": [
    { prompt: [user("q")], privileged_context: [user("c")] },
    "prompts",
    { prompt: [user("q")], columns: { privileged_context: [user("c")] } },
  ],
};

for (const [what, [row, kind, expected]] of Object.entries(read)) {
  Deno.test(`rows are read: ${what}`, async () => {
    assertEquals(await firstOf(row), [kind, expected]);
  });
}

/** Rows that are refused, and why. */
const refused: Record<string, [row: unknown, message: string]> = {
  "conversations that are none": [
    { conversations: "q" },
    `"conversations" is a list of messages, not a string`,
  ],
  "a message without a role": [
    { messages: [{ content: "q" }] },
    `"messages[0].role" is one of system, user, assistant, developer, tool, not missing`,
  ],
  "a role that ShareGPT has not": [
    { conversations: [share("bot", "a")] },
    `"conversations[0].role" is one of system, user, assistant, developer, tool, not "bot"`,
  ],
  "a message of ShareGPT without a value": [
    { conversations: [{ from: "gpt" }] },
    `"conversations[0].content" is a text, not missing`,
  ],
  "a text and messages as a pair": [
    { chosen: "a", rejected: [assistant("b")] },
    `"chosen" and "rejected" are both texts, or both lists of messages`,
  ],
  "the same conversation twice": [
    { chosen: [user("q"), assistant("a")], rejected: [user("q"), assistant("a")] },
    `"chosen" and "rejected" are the same: no preference to learn from`,
  ],
  "a conversation without an answer": [
    { chosen: [user("q"), assistant("a")], rejected: [user("q")] },
    `"rejected" has no message of the assistant: nothing to learn from`,
  ],
  "a chosen conversation without an answer": [
    { chosen: [user("q")], rejected: [user("q"), assistant("a")] },
    `"chosen" has no message of the assistant: nothing to learn from`,
  ],
  "one answer with a score": [
    { prompt: "q", answers: ["a"], scores: [1] },
    `"answers" has 1: it takes 2 to compare them`,
  ],
  "fewer scores than answers": [
    { prompt: "q", answers: ["a", "b"], scores: [1] },
    `"answers" and "scores" have 2 and 1 elements: give one for each`,
  ],
  "a score that is a text": [
    { prompt: "q", answers: ["a", "b"], scores: [1, "2"] },
    `"scores[1]" is a number, not a string`,
  ],
  "answers that are no list": [
    { prompt: "q", answers: "a", scores: [1] },
    `"answers" is a list, not a string`,
  ],
  "an answer that is a number": [
    { prompt: "q", answers: ["a", 5], scores: [1, 2] },
    `"answers[1]" is a text, not a number`,
  ],
  "answers to different prompts": [
    {
      prompt: "q",
      answers: [[system("s"), user("q"), assistant("a")], [system("t"), user("q"), assistant("b")]],
      scores: [1, 2],
    },
    `"answers" have different messages before the prompt`,
  ],
  "no step": [{ prompt: "q", completions: [], labels: [] }, `"completions" has no step`],
  "a step that is no text": [
    { prompt: "q", completions: [[assistant("a")]], labels: [true] },
    `"completions[0]" is a text, not a list`,
  ],
  "a label of a step that is none": [
    { prompt: "q", completions: ["a"], labels: ["yes"] },
    `"labels[0]" is true or false, not "yes"`,
  ],
  "fewer labels than steps": [
    { prompt: "q", completions: ["a", "b"], labels: [true] },
    `"completions" and "labels" have 2 and 1 elements: give one for each`,
  ],
  "a context that is a number": [
    { prompt: "q", privileged_context: 5 },
    `"privileged_context" is a text, not a number`,
  ],
};

for (const [what, [row, message]] of Object.entries(refused)) {
  Deno.test(`rows are refused: ${what}`, async () => {
    await assertRejects(() => jsonl([row, row]), UserError, `data.jsonl:1: ${message}`);
  });
}

Deno.test("lists in lists, however deep, are refused where a text belongs", async () => {
  const row = `{"text":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  await assertRejects(
    () => jsonl([row, row]),
    UserError,
    `data.jsonl:1: "text" is a text, not a list`,
  );
});

Deno.test("a score beyond all numbers is refused", async () => {
  const row = `{"prompt":"q","answers":["a","b"],"scores":[1,1e999]}`;
  await assertRejects(
    () => jsonl([row, row]),
    UserError,
    `data.jsonl:1: "scores[1]" is a number, not one that is not finite`,
  );
});

Deno.test("of a conversation the last message is the answer, unless more of it is learned", () => {
  const messages = [user("q"), assistant("a"), user("r"), assistant("b")];
  const split = (learnedFrom?: number) => {
    const own = learnedFrom === undefined ? { messages } : { messages, learnedFrom };
    const { prompt, chosen } = exampleOf(own) ?? fail();
    return [prompt.length, chosen];
  };
  assertEquals(split(), [3, [assistant("b")]]);
  assertEquals(split(1), [1, messages.slice(1)]);
  assertEquals(exampleOf({ messages: messages.slice(0, 3) }), undefined);
  // What judges an answer reads its last message.
  assertEquals(exampleOf({ messages, learnedFrom: 1 })?.columns, { completion: "b" });
});

Deno.test("the first of the best answers is preferred to the first of the worst", () => {
  const scores = fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 2, maxLength: 6 });
  fc.assert(fc.property(scores, (scores) => {
    const answers = scores.map((score, i) => ({ answer: [assistant(`${i}`)], score }));
    const example = exampleOf({ prompt: [user("q")], answers }) ?? fail();
    const [best, worst] = [Math.max(...scores), Math.min(...scores)];
    assertEquals(example.chosen, [assistant(`${scores.indexOf(best)}`)]);
    const rejected = best > worst ? [assistant(`${scores.indexOf(worst)}`)] : undefined;
    assertEquals(example.rejected, rejected);
    assertEquals(example.columns, { completion: `${scores.indexOf(best)}` });
    assertEquals("rejected" in example, best > worst);
    const middle = scores.flatMap((score, i) =>
      score > worst && i !== scores.indexOf(best) ? [{ score, i }] : []
    ).toSorted((a, b) =>
      b.score - a.score
    )[0];
    assertEquals(
      example.triple,
      middle && {
        gold: example.chosen ?? fail(),
        chosen: [assistant(`${middle.i}`)],
        rejected: example.rejected ?? fail(),
      },
    );
  }));
});

Deno.test("a form is named once, and those with a column of a name are tried with it alone", () => {
  const namesOf = (columns: Parameters<typeof rowForms>[0]) =>
    rowForms(columns).map(({ name }) => name);
  assertEquals(namesOf({}), [
    ...["messages", "conversations", "pairs", "implicit-pairs", "triples", "labels"],
    "completions",
    ...["scores", "steps", "text", "privileged", "prompts"],
  ]);
  assertEquals(namesOf({ prompt: "q" }), [
    ...["pairs", "triples", "labels", "completions", "scores", "steps", "privileged", "prompts"],
  ]);
  assertEquals(namesOf({ prompt: "q", completion: "a" }), ["labels", "completions"]);
});

/** A form of all, by its name. */
const formNamed = (name: string) => rowForms().find((form) => form.name === name) ?? fail();
const place = { file: "a", line: 1 };

Deno.test("of the forms that a row fits, one that is needed and whole is taken, or else the first", () => {
  const formIn = (row: Readonly<Record<string, unknown>>, ...needs: readonly FormName[]) =>
    formOf(row, rowForms(), { needs }, place).name;
  assertEquals(formIn({ text: "a", prompt: "b", completion: "c" }), "completions");
  assertEquals(formIn({ text: "a", prompt: "b", completion: "c" }, "prompts", "text"), "prompts");
  assertEquals(formIn({ text: "a", prompt: "b", completion: "c" }, "steps"), "completions");
  // Columns of null are as good as none, where there are others.
  assertEquals(formIn({ text: "a", prompt: null, completion: null }), "text");
  assertEquals(formIn({ text: "a", prompt: null, completion: "c" }, "prompts", "text"), "text");
  assertEquals(formIn({ text: null, prompt: null, completion: null }), "completions");
  assertEquals(formIn({ text: null, prompt: null }, "steps"), "text");
});

Deno.test("what a row without a form lacks is told, with the columns that it has", () => {
  const told = (row: Readonly<Record<string, unknown>>, names: readonly string[], columns = {}) => {
    const known = names.length === 0 ? rowForms(columns) : names.map(formNamed);
    const use = () => formOf(row, known, { columns, remedy: "REMEDY" }, place);
    return assertThrows(use, UserError).message;
  };
  assertEquals(
    told({ a: 1 }, []),
    'a:1: there is no "messages", or "conversations", or "chosen" and "rejected", or "text", or ' +
      '"prompt"; the columns are "a"; REMEDY',
  );
  assertEquals(told({ a: 1 }, ["text"]), 'a:1: there is no "text"; the columns are "a"');
  assertEquals(
    told({ a: 1 }, ["text", "prompts"]),
    'a:1: there is no "text", or "prompt"; the columns are "a"; REMEDY',
  );
  assertEquals(
    told({}, ["pairs", "triples", "text"]),
    'a:1: there is no "prompt" and "chosen" and "rejected", or "text"; the columns are none; REMEDY',
  );
  const columns = { prompt: "q", completion: "r" };
  assertEquals(
    told({ a: 1 }, [], columns),
    'a:1: there is no column "q" or "r"; the columns are "a"',
  );
  assertEquals(told({ q: 1 }, [], columns), 'a:1: there is no column "r"; the columns are "q"');
});

Deno.test("a row of another form than the rows before it is refused", () => {
  const told = (row: Readonly<Record<string, unknown>>, name: string) => {
    const use = () => requireColumns(row, formNamed(name), rowForms(), place);
    return assertThrows(use, UserError).message;
  };
  requireColumns(
    { prompt: 1, completion: 2, more: 3 },
    formNamed("completions"),
    rowForms(),
    place,
  );
  assertEquals(
    told({ prompt: 1 }, "completions"),
    'a:1: there is no "completion"; the columns are "prompt"',
  );
  assertEquals(
    told({ prompt: 1, completion: 1 }, "labels"),
    'a:1: there is no "label"; the columns are "prompt", "completion"',
  );
  const others = [[["text"], { text: 1 }], [["prompt", "chosen", "rejected"], {
    ...{ prompt: 1, chosen: 1, rejected: 1 },
  }]] as const;
  for (const [columns, row] of others) {
    assertEquals(
      told(row, "completions"),
      `a:1: this row has ${
        columns.map((name) => `"${name}"`).join(" and ")
      }, but the rows before ` +
        'it have "prompt" and "completion": keep one format in a file',
    );
  }
});

/** What objectives learn from rows: the text of all learned tokens of the first. */
async function learnedBy(
  objective: "sft" | "dpo" | "kto" | "tpo",
  data: string,
): Promise<string[]> {
  const { stages: [stage = fail()], tokenizer } = await prepare(trainSettings({ objective, data }));
  const text = (row: { ids: readonly number[]; mask: readonly boolean[] }) =>
    tokenizer.decode(row.ids.filter((_, t) => row.mask[t]), { special: "shown" });
  if (objective === "sft") {
    const { source } = dataOf(stage.data, "demonstrations");
    return [text(source.row(0))];
  }
  if (objective === "tpo") {
    const { train } = dataOf(stage.data, "triples");
    return [...train.slice(0, 1)].flatMap((
      { gold, chosen, rejected },
    ) => [text(gold), text(chosen), text(rejected)]);
  }
  const pairs = objective === "dpo"
    ? dataOf(stage.data, "pairs").train
    : dataOf(stage.data, "labels").pairs;
  return [...pairs.slice(0, 1)].flatMap((
    { chosen, rejected = fail() },
  ) => [text(chosen), text(rejected)]);
}

const scored: Omit<Rows["scores"], "answers" | "prompt"> & Record<string, unknown> = {
  prompt: "ab",
  answers: ["ba", "aa", "bb"],
  scores: [2, 1, 3],
};

inFolder("answers with scores are learned as the best, and as a pair", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, Array.from({ length: 12 }, () => scored));
  assertEquals(await learnedBy("sft", data), ["bb<stop>"]);
  assertEquals(await learnedBy("dpo", data), ["bb<stop>", "aa<stop>"]);
  assertEquals(await learnedBy("kto", data), ["bb<stop>", "aa<stop>"]);
  assertEquals(await learnedBy("tpo", data), ["bb<stop>", "ba<stop>", "aa<stop>"]);
});

inFolder(
  "a gold answer beside a pair is learned by objectives on triples alone",
  async (folder) => {
    const triple = { prompt: "ab", chosen: "ba", rejected: "aa", reference: "bb" };
    const rows = Array.from({ length: 12 }, () => triple);
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    assertEquals(await learnedBy("tpo", data), ["bb<stop>", "ba<stop>", "aa<stop>"]);
    assertEquals(await learnedBy("sft", data), ["ba<stop>"]);
    assertEquals(await learnedBy("dpo", data), ["ba<stop>", "aa<stop>"]);
    const pairs = await writeRows(
      `${folder}/pairs.jsonl`,
      rows.map(({ reference: _, ...pair }) => pair),
    );
    await assertRejects(
      () => learnedBy("tpo", pairs),
      UserError,
      "pairs.jsonl has fewer: give rows with prompt, chosen, rejected and reference",
    );
    const other = await writeRows(`${folder}/other.jsonl`, [
      triple,
      { ...triple, reference: [system("s"), user("ab"), assistant("bb")] },
      {
        ...triple,
        chosen: [system("t"), user("ab"), assistant("ba")],
        reference: [
          ...[system("s"), user("ab"), assistant("bb")],
        ],
      },
    ]);
    await assertRejects(
      () => learnedBy("tpo", other),
      UserError,
      "other.jsonl:3: the answers have different messages before the prompt",
    );
  },
);

inFolder("answers whose scores are all the same make no pair, which is told", async (folder) => {
  const rows = Array.from(
    { length: 12 },
    (_, i) => ({
      ...scored,
      prompt: i < 10 ? "ab" : "b".repeat(i),
      scores: i === 3 ? [1, 1, 1] : scored.scores,
    }),
  );
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const { stages: [stage = fail()], notes } = await prepare(
    trainSettings({ objective: "dpo", data }),
  );
  assertEquals(dataOf(stage.data, "pairs").train.length, 9);
  assertEquals(notes.slice(0, 2).map(shownMessage), [
    "9 pairs to train on, 2 for validation",
    "1 of 10 training pairs skipped, without an answer to learn from.",
  ]);
});

inFolder("texts are learned from their second token to the stop token", async (folder) => {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    text: ["", "abbaab", "abbabb"][[4, 10, 11].indexOf(i)] ?? "abba",
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  assertEquals(await learnedBy("sft", data), ["bba<stop>"]);
  const prepared = await prepare(trainSettings({ objective: "sft", data }));
  assertEquals(prepared.notes, [
    "9 texts to train on, 2 for validation",
    "1 of 10 texts are empty, and skipped.",
  ]);
  const { splits: [split = fail()] } = prepared;
  assertEquals([split.name, split.sequences.length, split.questions.length], ["validation", 2, 2]);
  assertEquals([split.questions[0]?.prompt, split.questions[0]?.gold], ["abb", "aab"]);
});

inFolder(
  "a model of texts continues a prompt, and preferences are not learned from",
  async (folder) => {
    const rows = Array.from({ length: 12 }, (_, i) => ({ text: `abba${"b".repeat(i)}` }));
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const run = `${folder}/run`;
    const { stdout } = await trained(...["--data", data, ...tiny, "--out", run]);
    assert(
      stdout.includes("sft on rows: 11 texts to train on, 1 for validation") ||
        stdout.includes("sft on rows: 10 texts to train on, 2 for validation"),
      stdout,
    );
    const { data: recorded } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assertEquals(recorded.kind, "texts");
    assertRefused(
      await train("--objective", "dpo", "--data", data, ...tiny, "--out", `${folder}/other`),
      1,
      `dpo needs questions and answers, and ${data} is running text`,
    );
    const continued = await sample("--run", run, "--prompt", "ab");
    assertEquals([continued.code, continued.stdout.slice(0, 2)], [0, "ab"], continued.stderr);
    assertRefused(
      await sample("--run", run, "--chat"),
      1,
      "was trained on running text, and knows no conversation, which --chat needs",
    );
  },
);

inFolder("rows that no objective reads are refused by what they lack", async (folder) => {
  const write = (name: string, row: unknown) =>
    writeRows(`${folder}/${name}.jsonl`, Array.from({ length: 4 }, () => row));
  const steps = await write("steps", { prompt: "q", completions: ["a"], labels: [true] });
  const context = await write("context", { prompt: "q", privileged_context: "c" });
  const wrong: [objective: "sft" | "dpo" | "kto", data: string, message: string][] = [
    ["sft", steps, "has answers in steps, each with a label, which train a process reward model"],
    ["kto", steps, "train a process reward model: kto does not read them"],
    ["sft", context, "sft learns from answers, and"],
    ["dpo", context, "none of the 3 training pairs has an answer to learn from"],
  ];
  for (const [objective, data, message] of wrong) {
    await assertRejects(() => prepare(trainSettings({ objective, data })), UserError, message);
  }
  // Answers of the model's own need a prompt alone; rewards may read the rest.
  const columnsOf = async (data: string) => {
    const { stages: [stage = fail()] } = await prepare(trainSettings({ objective: "grpo", data }));
    return dataOf(stage.data, "rollouts").train.at(0)?.columns;
  };
  assertEquals(await columnsOf(context), { privileged_context: "c" });
  assertEquals(await columnsOf(steps), { completions: ["a"], labels: [true] });
});
