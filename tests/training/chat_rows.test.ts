/** Rows of conversations by chat templates, from the data to the steps of every kind of objective. */
import { wasm } from "@unitune/core";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  type ChatMessage,
  conversationRows,
  type EncodedSequence,
  encodePrompt,
  gpt,
  type Tokenizer,
} from "@unitune/models";
import { pretrainedTokenizer } from "@unitune/models/pretrained";
import {
  checkRows,
  dataOf,
  type Dataset,
  datasetMaterial,
  describeExample,
  encodeAnswer,
  fitConversations,
  type GivenSettings,
  memoryStore,
  memoryTables,
  messageText,
  pairsOf,
  planOf,
  type PreparedRun,
  prepareRun,
  promptsOf,
  questionOf,
  shuffledRows,
  silentWatch,
  type StageData,
  type TableStore,
  train,
  trainSettings,
  UserError,
} from "@unitune/training";
// Not public: what is checked of examples.
import {
  answeredConversations,
  askedConversation,
  tripleConversations,
} from "../../training/data/checks.ts";

/** A byte tokenizer with a chat template. */
function withTemplate(template: string, stops: readonly number[] = [1]): Tokenizer {
  return pretrainedTokenizer(
    new Map([
      ...byteTokenizer().files(),
      ["chat_template.jinja", template],
      ["generation_config.json", JSON.stringify({ eos_token_id: stops })],
    ]),
  );
}

/**
 * A template as that of Qwen3: thoughts are shown behind the last question only, and a prompt may be
 * told to have none.
 */
const forgetful = withTemplate(
  "{%- set ns = namespace(last=-1) %}{%- for m in messages %}" +
    "{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}" +
    "{%- for tool in tools or [] %}{{- '<system>' + tool.name }}{%- endfor %}" +
    "{%- for m in messages %}{%- if m.role == 'assistant' %}{{- '<assistant>' }}" +
    "{%- if loop.index0 > ns.last %}{{- '[' + (m.reasoning_content or '') + ']' }}{%- endif %}" +
    "{{- m.content or '' }}" +
    "{%- for call in m.tool_calls or [] %}{{- '(' + call.name + ')' }}{%- endfor %}" +
    "{{- '<stop>' }}" +
    "{%- elif m.role == 'tool' %}{{- '<user>=' + m.content }}" +
    "{%- else %}{{- '<' + m.role + '>' + m.content }}{%- endif %}{{- '\\n' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<assistant>' }}" +
    "{%- if thinks is defined and not thinks %}{{- '[]' }}{%- endif %}{%- endif %}",
);

/** A template that shows every turn as it was said. */
const growing = withTemplate(
  "{%- for m in messages %}{{- '<' + ('user' if m.role == 'tool' else m.role) + '>' + m.content }}" +
    "{%- if m.role == 'assistant' %}{{- '<stop>' }}{%- endif %}{{- '\\n' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<assistant>' }}{%- endif %}",
);

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string, reasoning_content?: string): ChatMessage => ({
  role: "assistant",
  content,
  ...reasoning_content !== undefined && { reasoning_content },
});

/** The text of a row, learned tokens in braces. */
function shown({ decode }: Tokenizer, { ids, mask }: EncodedSequence): string {
  return ids.map((id, t) => {
    const text = decode([id], { special: "shown" });
    const isStart = mask[t] === true && mask[t - 1] !== true;
    const isEnd = mask[t] === true && mask[t + 1] !== true;
    return `${isStart ? "{" : ""}${text}${isEnd ? "}" : ""}`;
  }).join("");
}

const thought: readonly ChatMessage[] = [
  user("a"),
  assistant("b", "x"),
  user("c"),
  assistant("d", "y"),
];

Deno.test("a conversation whose thoughts are dropped later on is a row for each answer", () => {
  const { rows, sources, total } = fitConversations(
    forgetful,
    [{ messages: thought }, { messages: thought.slice(0, 2) }],
    64,
  );
  assertEquals(rows.map((row) => shown(forgetful, row)), [
    "<user>a\n<assistant>{[x]b<stop>}\n",
    "<user>a\n<assistant>b<stop>\n<user>c\n<assistant>{[y]d<stop>}\n",
    "<user>a\n<assistant>{[x]b<stop>}\n",
  ]);
  assertEquals([sources, total], [2, 3]);
});

Deno.test("rows of one conversation are cut and skipped one by one", () => {
  const { rows, skipped, truncated, total } = fitConversations(
    forgetful,
    [{ messages: thought }],
    10,
  );
  assertEquals(rows.map((row) => shown(forgetful, row)), ["<user>a\n<assistant>{[x]b<stop>}\n"]);
  assertEquals([skipped["no room"], truncated, total], [1, 0, 2]);
});

Deno.test("an answer is compared as the model gives it, after its prompt as the model sees it", () => {
  const row = encodeAnswer(forgetful, thought.slice(0, 3), [assistant("e", "z")]);
  assertEquals(
    shown(forgetful, row),
    "<user>a\n<assistant>b<stop>\n<user>c\n<assistant>{[z]e<stop>}",
  );
  const prompt = encodePrompt(forgetful, thought.slice(0, 3));
  assertEquals(row.ids.slice(0, prompt.length), prompt);
  // An answer that calls a tool is one sequence: thoughts stay until the next question.
  const loop = [
    { role: "assistant", content: "", tool_calls: [{ name: "f" }], reasoning_content: "x" },
    { role: "tool", content: "7" },
    assistant("d", "y"),
  ] as const;
  assertEquals(
    shown(forgetful, encodeAnswer(forgetful, [user("a")], loop, { tools: [{ name: "f" }] })),
    "<system>f<user>a\n<assistant>{[x](f)<stop>}\n<user>=7\n<assistant>{[y]d<stop>}",
  );
});

Deno.test("a model that answers a prompt itself reads what both answers begin with", () => {
  const [question, last] = [user("c"), assistant("d", "y")];
  const example = { prompt: thought.slice(0, 2), chosen: [question, last], columns: {} };
  const { rows: [pair] } = pairsOf(forgetful, 64, [example]);
  assertEquals(pair?.prompt, encodePrompt(forgetful, [...example.prompt, question]));
  assertEquals(["[y]d", "d", "[x]d"].map((answer) => pair?.isRight(answer)), [true, true, false]);
  // There is room for a token of its answer, which is read.
  const length = pair?.prompt.length ?? NaN;
  const [none, some] = [length, length + 1].map((context) =>
    pairsOf(forgetful, context, [example])
  );
  assertEquals([none?.kept, none?.leastContext, some?.kept], [0, length + 1, 1]);
});

Deno.test("the longest known answer counts the tokens that the model gives", () => {
  const examples = [
    { prompt: [user("a")], chosen: [assistant("bb", "xyz")], columns: {} },
    { prompt: [user("a")], rejected: [assistant("bbbbbbbbbbbb")], columns: {} },
    // Of an answer in turns, the last one counts.
    { prompt: [user("a")], chosen: thought.slice(1), columns: {} },
  ];
  const fitted = promptsOf(forgetful, 64, examples);
  const prompt = encodePrompt(forgetful, [user("a")]);
  assertEquals(fitted.rows.map(({ ids }) => ids), [prompt, prompt, prompt]);
  assertEquals([fitted.longestAnswer, fitted.longestText], [7, 7]);
  assertEquals(fitted.wholeContext, prompt.length + 7);
  const unknown = promptsOf(forgetful, 64, [{ prompt: [user("a")], columns: {} }]);
  assertEquals([unknown.longestAnswer, unknown.longestText], [0, 0]);
  assertEquals(unknown.wholeContext, prompt.length + 1);
});

Deno.test("of an example the conversations are checked that a stage learns from", () => {
  const [prompt, learnedFrom] = [[user("a")], 1];
  const [chosen, rejected, gold] = ["b", "c", "d"].map((content) => [assistant(content)]);
  const example = { prompt, columns: {}, ...chosen && { chosen }, ...rejected && { rejected } };
  const answered = (content: string) => ({
    ...{ messages: [...prompt, assistant(content)], learnedFrom },
  });
  assertEquals(answeredConversations(example), [answered("b"), answered("c")]);
  assertEquals(answeredConversations({ prompt, columns: {}, chosen: [assistant("b")] }), [
    answered("b"),
  ]);
  assertEquals(answeredConversations({ prompt, columns: {} }), []);
  assertEquals(askedConversation(example), [{ messages: prompt, learnedFrom }]);
  assertEquals(tripleConversations(example), []);
  const triple = {
    gold: gold ?? never(),
    chosen: chosen ?? never(),
    rejected: rejected ?? never(),
  };
  assertEquals(tripleConversations({ ...example, triple }), [
    answered("d"),
    answered("b"),
    answered("c"),
  ]);
});

Deno.test("an answer of turns that are shown in two forms is refused, with what to do", () => {
  assertThrows(
    () => encodeAnswer(forgetful, thought.slice(0, 1), thought.slice(1)),
    Error,
    "The answer has 2 turns of the assistant, and the chat template shows the earlier ones in " +
      "another form later on",
  );
  assertEquals(
    shown(growing, encodeAnswer(growing, thought.slice(0, 1), thought.slice(1))),
    "<user>a\n<assistant>{b<stop>}\n<user>c\n<assistant>{d<stop>}",
  );
});

const content = fc.string({ unit: fc.constantFrom("a", "b", "é", "🌞", " ", "\n"), maxLength: 6 });
const turns = fc.array(
  fc.tuple(fc.constantFrom("system", "user", "assistant", "tool"), content)
    .map(([role, content]) => ({ role, content })),
  { minLength: 1, maxLength: 8 },
);

Deno.test("by a template that keeps turns, the answers are learned once, and nothing else", () => {
  fc.assert(fc.property(turns, fc.nat(8), (messages, learnedFrom) => {
    const rows = conversationRows(growing, messages, { learnedFrom });
    assertEquals(rows.length, 1);
    const learned = rows.flatMap(({ ids, mask }) => ids.filter((_, t) => mask[t]));
    const answers = messages.filter(({ role }, i) => role === "assistant" && i >= learnedFrom);
    assertEquals(
      growing.decode(learned, { special: "shown" }),
      answers.map(({ content }) => `${content}<stop>`).join(""),
    );
  }));
});

Deno.test("by a template that drops thoughts, each answer is learned once, with its thoughts", () => {
  const talk = fc.array(
    fc.tuple(content, fc.stringMatching(/^[ab]{0,3}$/), fc.stringMatching(/^[cd]{0,3}$/)),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(fc.property(talk, (talk) => {
    const messages = talk.flatMap(([asked, thoughts, said]) => [
      user(asked),
      assistant(said, thoughts),
    ]);
    const { rows } = fitConversations(forgetful, [{ messages }], 1024);
    assertEquals(rows.length, talk.length);
    const learned = rows.map(({ ids, mask }) =>
      forgetful.decode(ids.filter((_, t) => mask[t]), { special: "shown" })
    );
    assertEquals(learned, talk.map(([, thoughts, said]) => `[${thoughts}]${said}<stop>`));
    // What is learned follows the prompt that generation starts from.
    rows.forEach(({ ids, mask }, i) =>
      assertEquals(
        ids.slice(0, mask.indexOf(true)),
        encodePrompt(forgetful, messages.slice(0, 2 * i + 1)),
      )
    );
  }));
});

Deno.test("the last answer is asked for as the model sees the conversation then", () => {
  const question = questionOf({ conversation: { messages: thought }, kind: "all" }, forgetful, 64);
  assert(question !== undefined);
  assertEquals(
    forgetful.decode(question.ids, { special: "shown" }),
    "<user>a\n<assistant>b<stop>\n<user>c\n<assistant>",
  );
  assertEquals([question.prompt, question.gold], ["a\nb\nc", "d"]);
  // All that was learned is right, and so is the content without thoughts.
  assertEquals(["[y]d", "d", "[x]d", ""].map((text) => question.isRight?.(text)), [
    ...[true, true, false, false],
  ]);
  assertEquals(question.sequence.mask.filter((learned) => learned).length, 5);
});

Deno.test("an answer that is a call is asked for by its text", () => {
  const called = { role: "assistant", content: null, tool_calls: [{ name: "f" }] } as const;
  const conversation = {
    messages: [user("a"), called],
    rendering: { variables: { thinks: false } },
  };
  const question = questionOf({ conversation, kind: "all" }, forgetful, 64);
  assertEquals(question?.gold, "(f)");
  assertEquals(
    forgetful.decode(question?.ids ?? [], { special: "shown" }),
    "<user>a\n<assistant>[]",
  );
  assertEquals(["(f)", "(g)"].map((text) => question?.isRight?.(text)), [true, false]);
});

/** Ten rows as they are read from a file; the last is kept aside. */
function rowsOf<Row extends object>(row: (i: number) => Row) {
  const rows = Array.from({ length: 10 }, (_, i) => ({
    ...row(i),
    source: { file: "rows.jsonl", line: i + 1 },
  }));
  return { train: rows.slice(0, 9), validation: rows.slice(9) };
}

const numbered = (i: number) => [user(`a${i}`), assistant("b", "x"), user("c")];

type Objective = "sft" | "dpo" | "kto" | "grpo";

/** Data of each kind for an objective, and the first row of it. */
const kinds: Readonly<Record<Objective, Dataset>> = {
  sft: {
    kind: "conversations",
    ...rowsOf((i) => ({ messages: [...numbered(i), assistant("d", "y")] })),
  },
  dpo: {
    kind: "pairs",
    ...rowsOf((i) => ({
      prompt: numbered(i),
      chosen: [assistant("d", "y")],
      rejected: [assistant("e", "z")],
    })),
  },
  kto: {
    kind: "labels",
    ...rowsOf((i) => ({
      prompt: numbered(i),
      completion: [assistant("d", "y")],
      label: i % 2 === 0,
    })),
  },
  grpo: {
    kind: "prompts",
    ...rowsOf((i) => ({ prompt: numbered(i), columns: { completion: "d" } })),
  },
};

const context = 48;

function prepared(
  objective: Objective,
  dataset: Dataset,
  tokenizer: Tokenizer = forgetful,
): Promise<PreparedRun> {
  const model = gpt({
    ...{ vocabulary: tokenizer.size, context, layers: 1, heads: 1, width: 8, dropout: 0 },
  });
  const settings = trainSettings({ objective, rewards: "edit-similarity", ...sizes });
  const material = datasetMaterial("rows", dataset);
  return prepareRun([{ settings, material, source: "rows.jsonl" }], { base: { tokenizer, model } });
}

const sizes = { steps: 2, batchSize: 8, loggingSteps: 1, evalSteps: 2 };

/** Headers of notes and examples for each objective. */
const told: Readonly<Record<Objective, readonly [note: string, example: readonly string[]]>> = {
  sft: [
    "18 examples to train on, one for each answer of 9 conversations, 1 for validation",
    // By the seed, the row of a first answer comes first.
    ["example: 11 tokens, of which 5 are learned"],
  ],
  dpo: [
    "9 pairs to train on, 1 for validation",
    [
      "preferred answer: 17 tokens, of which 5 are learned",
      "rejected answer: 17 tokens, of which 5 are learned",
    ],
  ],
  kto: [
    "9 answers to train on, 1 for validation",
    ["answer that is liked: 17 tokens, of which 5 are learned"],
  ],
  grpo: ["9 prompts to train on, 1 for validation", ["prompt, which the model answers: 12 tokens"]],
};

for (const objective of ["sft", "dpo", "kto", "grpo"] as const) {
  Deno.test(`${objective} trains on conversations that take several rows`, async () => {
    const run = await prepared(objective, kinds[objective]);
    const notes = run.notes.map((note) => messageText(note));
    const [note, example] = told[objective];
    assertEquals(notes[0], note);
    const lines = describeExample(forgetful, run.stages[0]?.data ?? never());
    const heads = lines.filter((line) => !line.startsWith(" "));
    assertEquals(heads, example);
    const settings = trainSettings({ objective, rewards: "edit-similarity", ...sizes });
    const plan = { stages: [settings], prepared: run, device: wasm(), store: memoryStore() };
    const losses: number[] = [];
    for await (const event of train(planOf(plan))) {
      if (event.kind === "metrics") losses.push(event.metrics.loss ?? NaN);
    }
    assertEquals(losses.length, 2);
    assert(losses.every(Number.isFinite));
  });
}

Deno.test("a stage shows its first example, of a pair both answers, of rollouts the prompt", async () => {
  const { stages: [stage] } = await prepared("dpo", kinds.dpo);
  const lines = describeExample(forgetful, stage?.data ?? never(), 24);
  assertEquals(lines.slice(0, 3), [
    "preferred answer: 17 tokens, of which 5 are learned",
    '   0    3  given    "<u…',
    '   1  102  given    "a"',
  ]);
  const pairs = dataOf(stage?.data ?? never(), "pairs");
  const [first] = pairs.train;
  assert(first !== undefined);
  const { rejected: _, ...own } = first;
  assertEquals(
    describeExample(forgetful, { ...pairs, train: [own] }).at(-1),
    [
      "rejected answer: the model gives it when the stage begins",
    ][0],
  );
  const { stages: [labels] } = await prepared("kto", kinds.dpo);
  assertEquals(
    describeExample(forgetful, labels?.data ?? never()).filter((line) => !line.startsWith(" ")),
    told.dpo[1],
  );
  // Of several rows, the first.
  const [c, d, e] = [[3, 102], [3, 103], [3, 104]].map((ids) => ({ ids, mask: [false, true] }));
  const triple = { gold: c ?? never(), chosen: d ?? never(), rejected: e ?? never() };
  const sized = { longest: 2, validation: [] };
  const shown = (data: StageData) => describeExample(forgetful, data).map((line) => line.trim());
  assertEquals(
    shown({ ...sized, kind: "triples", train: [triple, { ...triple, gold: triple.chosen }] }),
    [
      ...["gold answer", '0    3  given    "<user>"', '1  102  learned  "a"'],
      ...["preferred answer", '0    3  given    "<user>"', '1  103  learned  "b"'],
      ...["rejected answer", '0    3  given    "<user>"', '1  104  learned  "c"'],
    ].map((line) => line.endsWith("answer") ? `${line}: 2 tokens, of which 1 are learned` : line),
  );
  const judged = [false, true].map((label) => ({ sequence: triple.gold, label }));
  const titles = judged.map((own) =>
    shown({ kind: "labels", train: [own, ...judged], pairs: [] })[0]
  );
  assertEquals(titles, [
    "answer that is not liked: 2 tokens, of which 1 are learned",
    "answer that is liked: 2 tokens, of which 1 are learned",
  ]);
  // Pairs are labels where none of the data's answers has one.
  const sides = { prompt: [], isRight: () => false, chosen: triple.gold, rejected: triple.chosen };
  const labelled = { kind: "labels" as const, pairs: [sides, sides] };
  const one = judged.slice(0, 1);
  assertEquals(
    [[], one].map((train) => shown({ ...labelled, train }).filter((line) => /answer/.test(line))),
    [["preferred answer", "rejected answer"], ["answer that is not liked"]].map((titles) =>
      titles.map((title) => `${title}: 2 tokens, of which 1 are learned`)
    ),
  );
  const steps = [triple.gold, triple.chosen].map((row) => ({ ...row, labels: row.mask }));
  assertEquals(shown({ ...sized, kind: "steps", train: steps }).slice(1), [
    ...['0    3  given    "<user>"', '1  102  learned  "a"'],
  ]);
  const narrow = describeExample(forgetful, stage?.data ?? never(), 0);
  assertEquals(new Set(narrow.filter((line) => !line.includes("answer"))), new Set(["…"]));
  const ids = Array.from({ length: 100 }, () => 102);
  const long = describeExample(forgetful, {
    ...{ kind: "rollouts", longestPrompt: 100, longestAnswer: 1, longestText: 1, unscorable: [] },
    train: [{ ids, prompt: "", columns: {} }, { ids: [3], prompt: "", columns: {} }],
  });
  assertEquals([long.length, long[0], long[21]], [
    42,
    "prompt, which the model answers: 100 tokens",
    "  … 60 more tokens that are given …",
  ]);
  const source = shuffledRows([{ ids, mask: ids.map(() => true) }], 0, 104);
  const learned = describeExample(forgetful, { kind: "demonstrations", source });
  assertEquals(learned[21], "  … 60 more tokens that are learned …");
  // A line has 80 characters, unless it is told otherwise.
  const decoded = { ...forgetful, decode: () => "a".repeat(200) };
  const [, wide = ""] = describeExample(decoded, { kind: "demonstrations", source });
  assertEquals([wide.length, wide.at(-1)], [80, "…"]);
});

Deno.test("tables of rows that are read in other ways have keys of their own, and others share theirs", async () => {
  const keysOf = async (given: GivenSettings, dataset: Dataset, context = 48) => {
    const keys: string[] = [];
    const tables: TableStore = {
      keep: (key, form, fill) => {
        keys.push(key ?? "none");
        return memoryTables.keep(key, form, fill);
      },
    };
    const settings = trainSettings({ rewards: "edit-similarity", ...given });
    const material = datasetMaterial("rows", dataset, { key: "the rows" });
    const model = gpt({
      ...{ vocabulary: forgetful.size, context, layers: 1, heads: 1, width: 8, dropout: 0 },
    });
    const stages = [{ settings, material, source: "rows.jsonl" }];
    await prepareRun(stages, { base: { tokenizer: forgetful, model }, tables });
    assertEquals(keys.length, 1);
    return keys[0] ?? "none";
  };
  const pairs = { objective: "dpo" };
  const own = await Promise.all([
    keysOf({ objective: "sft" }, kinds.sft),
    keysOf({ objective: "sft" }, kinds.dpo),
    keysOf(pairs, kinds.dpo),
    keysOf(pairs, kinds.dpo, 47),
    keysOf({ objective: "reward-model" }, kinds.dpo),
    keysOf({ ...pairs, rejected: "model" }, kinds.dpo),
    keysOf({ objective: "kto" }, kinds.kto),
    keysOf({ objective: "grpo" }, kinds.grpo),
    keysOf({ objective: "grpo" }, kinds.dpo),
    keysOf({ objective: "relift" }, kinds.dpo),
  ]);
  assertEquals(new Set(own).size, own.length);
  assert(own.every((key) => key.includes("the rows")));
  assertEquals(await keysOf({ objective: "orpo" }, kinds.dpo), own[2]);
  assertEquals(await keysOf({ objective: "kto" }, kinds.dpo), own[2]);
});

Deno.test("a run is judged by the last stage with answers, or else by the prompts of the last", async () => {
  const model = gpt({
    ...{ vocabulary: forgetful.size, context, layers: 1, heads: 1, width: 8, dropout: 0 },
  });
  const asked: Dataset = {
    kind: "prompts",
    ...rowsOf((i) => ({ prompt: [user(`b${i}`)], columns: { completion: "d" } })),
  };
  const promptsIn = async (...stages: readonly (readonly [Objective, Dataset])[]) => {
    const { splits } = await prepareRun(
      stages.map(([objective, dataset]) => ({
        settings: trainSettings({ objective, rewards: "edit-similarity", ...sizes }),
        material: datasetMaterial("rows", dataset),
        source: "rows.jsonl",
      })),
      { base: { tokenizer: forgetful, model } },
    );
    return splits.map(({ questions }) => questions.map(({ prompt }) => prompt.split("\n")[0]));
  };
  assertEquals(await promptsIn(["grpo", kinds.grpo], ["grpo", asked]), [["b9"]]);
  assertEquals(await promptsIn(["dpo", kinds.dpo], ["grpo", asked]), [["a9"]]);
});

Deno.test("the findings on rows are told by kind, with their number and the first of them", async () => {
  const { notes } = await prepared("sft", kinds.sft);
  assertEquals(notes.slice(1, 2).map((note) => messageText(note)), [
    "The chat template changes earlier answers, so a conversation of 2 answers is 2 rows, each as " +
    "the model sees it when it gives the answer (in 9 of 9 rows, first at rows.jsonl:1).",
  ]);
  const spelled: Dataset = {
    kind: "conversations",
    ...rowsOf((i) => ({
      messages: [user(i % 3 === 1 ? "<stop>" : "a"), assistant("b", "x")],
    })),
  };
  assertEquals(
    (await prepared("sft", spelled)).notes.slice(1).map((note) => messageText(note)),
    [
      'Message 1 spells the special token "<stop>", and is read as having that token: change the ' +
      "text unless that is intended (in 3 of 9 rows, first at rows.jsonl:2).",
    ],
  );
});

Deno.test("rows that teach no end are refused before the first step, in one sentence a kind", async () => {
  // Generation would stop at <system> only.
  const endless = { ...forgetful, stops: [2] };
  for (const objective of ["sft", "dpo", "kto"] as const) {
    await assertRejects(
      () => prepared(objective, kinds[objective], endless),
      UserError,
      "rows.jsonl:1: The answer in message ",
    );
  }
  // What is sampled ends where the model stops.
  await prepared("grpo", kinds.grpo, endless);
  const double = withTemplate(
    "<pad>{%- for m in messages %}<pad>{{- m.content }}{%- endfor %}" +
      "{%- if add_generation_prompt %}{{- '' }}{%- endif %}",
  );
  const { message: twice } = await assertRejects(
    () => prepared("sft", kinds.sft, { ...double, begin: [0] }),
    UserError,
  );
  assertEquals(twice.startsWith("rows.jsonl:1: Conversations"), true);
  await assertRejects(
    () => prepared("sft", kinds.sft, { ...double, begin: [0] }),
    UserError,
    'rows.jsonl:1: Conversations begin with "<pad>" twice: remove it from the chat template or from ' +
      "the first message (so in 9 of 9 rows). And at rows.jsonl:1: ",
  );
  // Of rows without a line there is nothing to name.
  const { message } = assertThrows(
    () =>
      checkRows({ ...double, begin: [0] }, [{}, {}], {
        conversations: () => [{ messages: [user("a"), assistant("b")], learnedFrom: 0 }],
        ...{ source: "rows", watch: silentWatch },
      }),
    UserError,
  );
  const [first = "", ...others] = message.split(" (so in 2 of 2 rows)");
  assert(first.startsWith("Conversations begin with "), message);
  assert(others.length > 1 && others.at(-1) === "", message);
  for (const other of others.slice(0, -1)) assert(/^\. And [A-Z]/.test(other), message);
});

Deno.test("of many rows, 512 are checked, evenly spread", () => {
  const rows = Array.from({ length: 2000 }, (_, i) => ({
    source: { file: "rows.jsonl", line: i + 1 },
  }));
  const options = { source: "rows.jsonl", watch: silentWatch };
  const checked = new Set<number>();
  const notes = checkRows(forgetful, rows, {
    ...options,
    conversations: ({ source }) => {
      checked.add(source.line);
      return [{ messages: [user("<stop>"), assistant("b", "x")], learnedFrom: 0 }];
    },
  });
  assertEquals([checked.size, checked.has(1), checked.has(1997)], [512, true, true]);
  assertEquals(notes.length, 1);
  assert(
    notes[0]?.endsWith(
      "(in 512 of 512 rows that were looked at, of 2,000, first at rows.jsonl:1).",
    ),
  );
});

Deno.test("conversations are refused for a model without a chat template, with what to do", async () => {
  const { chat: _, ...base } = forgetful;
  await assertRejects(
    () => prepared("sft", kinds.sft, base),
    UserError,
    "rows.jsonl has conversations, and the model has no chat template, as base models have none: " +
      "give it one by chatTemplate (chatml, llama3, alpaca, or a file)",
  );
  const text = "ab".repeat(50);
  const { splits } = await prepared("sft", { kind: "text", train: text, validation: text }, base);
  assertEquals(splits.length, 1);
});

Deno.test("an answer without a prompt is learned by a base model, and asked for by none", async () => {
  const { chat: _, ...base } = forgetful;
  const details = { rendering: { plain: true }, source: { file: "rows.jsonl", line: 2 } };
  const pair = { prompt: [], chosen: [assistant("d")], rejected: [assistant("e")], ...details };
  const rows = [pair, { ...pair, chosen: [assistant("b")] }];
  const { splits, stages: [stage] } = await prepared(
    "dpo",
    { kind: "pairs", train: rows.slice(0, 1), validation: rows.slice(1) },
    base,
  );
  assert(stage !== undefined);
  const [train] = dataOf(stage.data, "pairs").train;
  assertEquals(train?.chosen, { ids: [...base.encode("d"), 1], mask: [true, true] });
  assertEquals(train?.prompt, []);
  assertEquals(splits.map(({ sequences, questions }) => [sequences.length, questions.length]), [
    [1, 0],
  ]);
  const { rejected: _rejected, ...own } = pair;
  for (const fit of [pairsOf, promptsOf]) {
    assertThrows(
      () => fit(base, 64, [{ ...own, columns: {} }]),
      UserError,
      "rows.jsonl:2: The prompt has no token, so there is nothing to continue",
    );
  }
});

function never(): never {
  throw new Error("unreachable");
}
