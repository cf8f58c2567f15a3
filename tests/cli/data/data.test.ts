import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { byteTokenizer, characterTokenizer, type ChatMessage, type Message } from "@unitune/models";
import {
  charactersOf,
  type Conversation,
  type Dataset,
  describeFit,
  fitConversations,
  fitSequence,
  requireFit,
  trainingLength,
  UserError,
} from "@unitune/training";
import { parseText, textDataset } from "../../../cli/data/text.ts";
import { linesOf } from "../../../cli/files/lines.ts";
import { invalidUtf8At } from "../../../cli/files/utf8.ts";
import { shownMessage } from "../../../cli/terminal/messages.ts";
import { type Columns, readDataset } from "@unitune/cli";
import { jsonl, listed, parseJsonl } from "./jsonl.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

const messagesOf = (dataset: Dataset): (readonly ChatMessage[])[] =>
  dataset.kind === "conversations"
    ? [...dataset.train, ...dataset.validation].map((conversation) => conversation.messages)
    : [];

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });

Deno.test("the cut is at 90 %, with something on both sides", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 1e9 }), (length) => {
    const cut = trainingLength(length);
    assert(0 < cut && cut < length);
    assert(Math.abs(cut - 0.9 * length) < 1);
  }));
});

Deno.test("text: the first 90 % is for training, the rest for validation", () => {
  assertEquals(textDataset([{ file: "a.txt", text: "0123456789" }]), {
    kind: "text",
    train: "012345678",
    validation: "9",
  });
});

Deno.test("text: a cut never halves a character, and both parts make the whole", () => {
  const texts = fc.string({ unit: "binary", minLength: 2 }).filter((text) => text.trim() !== "")
    .filter((text) => [...text].length > 1);
  fc.assert(fc.property(texts, fc.nat(3), (text, foxes) => {
    const whole = text + "🦊".repeat(foxes);
    const { train, validation } = textDataset([{ file: "a.txt", text: whole }]);
    assertEquals(`${train}${validation}`, whole);
    assert(`${train}`.isWellFormed() && `${validation}`.isWellFormed());
    assert(train.length > 0 && validation.length > 0);
  }));
});

Deno.test("text: of several texts, the last tenth of each is for validation", () => {
  const texts = ["0123456789", " ", "abcdefghij", "x"].map((text, i) => ({
    file: `${i}.txt`,
    text,
  }));
  assertEquals(textDataset(texts), {
    kind: "text",
    train: "012345678\n\nabcdefghi\n\nx",
    validation: "9\n\nj",
  });
  assertEquals(textDataset(texts, 0).validation, "");
  const blank = [{ file: "a.txt", text: "" }, { file: "b.txt", text: "\n" }];
  assertThrows(() => textDataset(blank), UserError, "a.txt is empty");
});

Deno.test("text: a byte order mark is left out, and lines end in \\n", () => {
  assertEquals(parseText(utf8("\ufeffone\r\ntwo\nthree\r\n"), "a.txt"), "one\ntwo\nthree\n");
});

Deno.test("text: what is blank or too short is refused", () => {
  assertThrows(() => textDataset([{ file: "a.txt", text: "" }]), UserError, "a.txt is empty");
  assertThrows(() => textDataset([{ file: "a.txt", text: " \n " }]), UserError, "a.txt is empty");
  const short =
    "a.txt has 1 character: it takes 2, one of them for validation, or --validation-share 0";
  assertThrows(() => textDataset([{ file: "a.txt", text: "a" }]), UserError, short);
  assertThrows(() => textDataset([{ file: "a.txt", text: "🦊" }]), UserError, short);
});

Deno.test("text: bytes that are not UTF-8 are refused with their offset", () => {
  const bytes = new Uint8Array([...utf8("caf"), 0xe9, ...utf8(" au lait")]);
  assertThrows(
    () => parseText(bytes, "a.txt"),
    UserError,
    "a.txt is not UTF-8: at byte 3 there is",
  );
  assertThrows(() => parseText(Uint8Array.of(0xff, 0xfe, 0x61, 0), "a.txt"), UserError, "UTF-16");
});

Deno.test("ill-formed UTF-8 is found exactly where a strict decoder refuses", () => {
  // Bytes near the edges of the ranges, so that many sequences are nearly well-formed.
  const byte = fc.constantFrom(
    ...[0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed],
    ...[0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff],
  );
  const strict = (bytes: Uint8Array) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 8 }), (array) => {
      const bytes = Uint8Array.from(array);
      const at = invalidUtf8At(bytes);
      assertEquals(at === undefined, strict(bytes));
      // Everything before it is well-formed, and nothing with it is.
      const from = at ?? bytes.length;
      assert(strict(bytes.subarray(0, from)));
      for (let end = from + 1; end <= bytes.length; end++) assert(!strict(bytes.subarray(0, end)));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("lines are those of the whole file, however it is cut into chunks", async () => {
  const text = fc.array(fc.constantFrom("a", "é", "\n", "\r\n", "")).map((parts) => parts.join(""));
  await fc.assert(fc.asyncProperty(text, fc.array(fc.nat(40)), async (text, cuts) => {
    const bytes = utf8(text);
    const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
    const chunks = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
    const lines = await Array.fromAsync(linesOf(chunks));
    const expected = text.split("\n");
    if (expected.at(-1) === "") expected.pop();
    assertEquals(lines.map((line) => new TextDecoder().decode(line.bytes)), expected);
    for (const [i, line] of lines.entries()) {
      assertEquals(line.number, i + 1);
      assertEquals(bytes.subarray(line.offset, line.offset + line.bytes.length), line.bytes);
    }
  }));
});

Deno.test("a line that exceeds a limit is refused by its number, wherever it is cut", async () => {
  const bytes = utf8("ab\nabcd\nabc");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const refuse = (line: number) => new RangeError(`line ${line}`);
    const linesWithin = (bytes: number) => Array.fromAsync(linesOf(chunks, { bytes, refuse }));
    await assertRejects(() => linesWithin(1), RangeError, "line 1");
    await assertRejects(() => linesWithin(3), RangeError, "line 2");
    assertEquals((await linesWithin(4)).length, 3);
  }
});

Deno.test("jsonl: prompt and completion are a user's and the assistant's message", async () => {
  const dataset = await jsonl([
    { prompt: "1+1", completion: "2", note: "ignored" },
    { completion: "3", prompt: "1+2" },
  ]);
  const read = { learnedFrom: 1, rendering: { plain: true } };
  assertEquals(listed(dataset), {
    kind: "conversations",
    train: [
      { messages: [user("1+1"), assistant("2")], source: { file: "data.jsonl", line: 1 }, ...read },
    ],
    validation: [
      { messages: [user("1+2"), assistant("3")], source: { file: "data.jsonl", line: 2 }, ...read },
    ],
  });
});

Deno.test("jsonl: named columns, one or both", async () => {
  const row = { question: "1+1", answer: "2", completion: "two" };
  const both = await jsonl([row, row], { prompt: "question", completion: "answer" });
  assertEquals(messagesOf(both)[0], [user("1+1"), assistant("2")]);
  const one = await jsonl([row, row], { prompt: "question" });
  assertEquals(messagesOf(one)[0], [user("1+1"), assistant("two")]);
});

Deno.test("jsonl: messages, and lists of messages as prompt and completion", async () => {
  const messages = [{ role: "system", content: "be brief" }, user("hi"), assistant("ho")] as const;
  const [whole] = messagesOf(await jsonl([{ messages }, { messages }]));
  assertEquals(whole, [...messages]);
  const row = { prompt: messages.slice(0, 2), completion: messages.slice(2) };
  const [split] = messagesOf(await jsonl([row, row]));
  assertEquals(split, [...messages]);
});

Deno.test("jsonl: each row of text is one", async () => {
  const dataset = await jsonl(["one", "", "three"].map((text) => ({ text })));
  const row = (text: string, line: number) => ({ text, source: { file: "data.jsonl", line } });
  assertEquals(listed(dataset), {
    kind: "texts",
    train: [row("one", 1), row("", 2)],
    validation: [row("three", 3)],
  });
});

Deno.test("jsonl: the last 10 % of the rows, and at least one, are for validation", async () => {
  for (const [rows, validation] of [[2, 1], [9, 1], [10, 1], [19, 2], [30, 3]] as const) {
    const all = Array.from({ length: rows }, (_, i) => ({ prompt: `${i}`, completion: "" }));
    const dataset = await jsonl(all);
    assertEquals([dataset.train.length, dataset.validation.length], [
      rows - validation,
      validation,
    ]);
    assertEquals(messagesOf(dataset).map((messages) => messages[0]?.content), [
      ...all.keys().map(String),
    ]);
  }
});

Deno.test("jsonl: a byte order mark, \\r\\n and blank lines do not count", async () => {
  const row = JSON.stringify({ prompt: "a", completion: "b" });
  const dataset = await parseJsonl(utf8(`\ufeff${row}\r\n\r\n  \n${row}\r\n\n`));
  assertEquals(messagesOf(dataset), [[user("a"), assistant("b")], [user("a"), assistant("b")]]);
  const lines = dataset.kind === "conversations"
    ? [...dataset.train, ...dataset.validation].map((conversation) => conversation.source?.line)
    : [];
  assertEquals(lines, [1, 4]);
});

const good = { prompt: "a", completion: "b" };
const refused: [string, readonly unknown[], string][] = [
  ["nothing", [], "data.jsonl is empty"],
  ["blank lines", ["", " "], "data.jsonl is empty"],
  ["one row", [good], "data.jsonl has 1 row"],
  ["broken JSON", [good, `{"prompt": "a",`], "data.jsonl:2: not JSON: "],
  ["JSON with a wrong sign", [good, `{"prompt": "a"; `], "at position 14 (column 15)"],
  ["a row that is no object", [good, "[1]"], "data.jsonl:2: a row is a JSON object, not a list"],
  ["a row that is null", [good, "null"], "data.jsonl:2: a row is a JSON object, not null"],
  [
    "unknown columns",
    [{ question: "a", answer: "b" }],
    `data.jsonl:1: there is no "messages", or "conversations", or "chosen" and "rejected", or ` +
    `"text", or "prompt"; the columns are "question", "answer"; name others with --prompt-column and --completion-column`,
  ],
  ["no columns", [{}], "the columns are none"],
  [
    "a missing column later on",
    [good, { prompt: "a", answer: "b" }],
    `data.jsonl:2: there is no "completion"; the columns are "prompt", "answer"`,
  ],
  [
    "mixed formats",
    [good, good, { text: "a" }],
    `data.jsonl:3: this row has "text", but the rows before it have "prompt" and "completion"`,
  ],
  [
    "a number for a text",
    [{ ...good, prompt: 5 }],
    `data.jsonl:1: "prompt" is a text, not a number`,
  ],
  [
    "null for a text",
    [good, { ...good, completion: null }],
    `data.jsonl:2: "completion" is a text`,
  ],
  ["a text that is none", [{ text: ["a"] }], `data.jsonl:1: "text" is a text, not a list`],
  [
    "messages that are no list",
    [{ messages: "hi" }],
    `"messages" is a list of messages, not a str`,
  ],
  ["a message that is no object", [{ messages: ["hi"] }], `"messages[0]" is an object, not a str`],
  [
    "an unknown role",
    [{ messages: [{ role: "narrator", content: "x" }] }],
    `"messages[0].role" is one of system, user, assistant, developer, tool, not "narrator"`,
  ],
  [
    "a message without content",
    [{ messages: [user("a"), { role: "assistant" }] }],
    `"messages[1].content" is a text, not missing`,
  ],
  ["no answer", [{ messages: [user("a")] }], "there is no message of the assistant"],
  ["half a surrogate pair", [{ ...good, prompt: "\ud800" }], `"prompt" has half a surrogate pair`],
];

for (const [name, rows, message] of refused) {
  Deno.test(`jsonl: refuses ${name}`, async () => {
    await assertRejects(() => jsonl(rows), UserError, message);
  });
}

Deno.test("jsonl: named columns that are missing are the only ones asked for", async () => {
  await assertRejects(
    () => jsonl([good], { prompt: "question", completion: "answer" }),
    UserError,
    `data.jsonl:1: there is no column "question" or "answer"; the columns are "prompt", "completion"`,
  );
});

Deno.test("jsonl: bytes that are not UTF-8 are refused with line and offset in the file", async () => {
  const bytes = new Uint8Array([...utf8(`${JSON.stringify(good)}\n`), 0x22, 0xff, 0x22]);
  await assertRejects(
    () => parseJsonl(bytes),
    UserError,
    `data.jsonl:2: not UTF-8: at byte ${bytes.length - 2} of the file, byte 0xFF`,
  );
});

Deno.test("the characters of a dataset are those of both parts", async () => {
  assertEquals([...charactersOf(await jsonl([good, { prompt: "c", completion: "🦊" }]))], [
    "a",
    "b",
    "c",
    "🦊",
  ]);
});

Deno.test("files are read by the ending of their name, and what can't be is refused", async () => {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => `${folder}/${name}`;
  try {
    await Deno.writeTextFile(path("a.txt"), "0123456789");
    await Deno.writeTextFile(path("b.JSONL"), `${JSON.stringify(good)}\n`.repeat(3));
    await Deno.writeTextFile(path("c.xlsx"), "a,b");
    await Deno.writeTextFile(path("empty.txt"), "");
    await Deno.writeTextFile(path("empty.jsonl"), "");
    await Deno.mkdir(path("folder.txt"));

    assertEquals((await readDataset(path("a.txt"))).train, "012345678");
    assertEquals(messagesOf(await readDataset(path("b.JSONL"))).length, 3);

    const wrong: [string, Columns, string][] = [
      ["missing.txt", {}, `can't read ${path("missing.txt")}: it does not exist`],
      ["folder.txt", {}, `folder.txt has no files of the split "train": it has none of data`],
      [
        "c.xlsx",
        {},
        "a data file is named .txt, .jsonl, .json, .csv, .tsv or .parquet, and rows may be",
      ],
      ["empty.txt", {}, "is empty"],
      ["empty.jsonl", {}, "is empty"],
      ["a.txt", { prompt: "question" }, "has no columns"],
      ["b.JSONL", { prompt: "question" }, `b.JSONL:1: there is no column "question"; the `],
    ];
    for (const [name, columns, message] of wrong) {
      await assertRejects(() => readDataset(path(name), columns), UserError, message);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const tokenizer = byteTokenizer();
const example = (prompt: string, completion: string): Conversation => ({
  messages: [user(prompt), assistant(completion)],
  source: { file: "data.jsonl", line: 7 },
});

Deno.test("a fitted sequence is a beginning of the whole one with something to learn", () => {
  const sequences = fc.array(fc.tuple(fc.nat(99), fc.boolean())).map((tokens) => ({
    ids: tokens.map(([id]) => id),
    mask: tokens.map(([, learned]) => learned),
  }));
  fc.assert(fc.property(sequences, fc.integer({ min: 1, max: 12 }), (sequence, context) => {
    const fitted = fitSequence(sequence, context);
    assertEquals(fitted === undefined, !sequence.mask.slice(0, context).includes(true));
    if (fitted === undefined) return;
    assertEquals(fitted.ids, sequence.ids.slice(0, context));
    assertEquals(fitted.mask, sequence.mask.slice(0, context));
  }));
});

Deno.test("a long answer loses its end and its stop; a long prompt is skipped; both are counted", () => {
  // <user> and <assistant> are two tokens, <stop> one; the last token of a row is only predicted.
  const examples = [example("ab", "cd"), example("ab", "cdefgh"), example("abcdef", "g")];
  const fitted = fitConversations(tokenizer, examples, 7);
  assertEquals(fitted.rows.map(({ ids }) => tokenizer.decode(ids)), ["abcd", "abcdef"]);
  assertEquals(fitted.rows.map(({ ids }) => ids.includes(tokenizer.stop)), [
    true,
    false,
  ]);
  const { total, truncated, skipped, wholeContext } = fitted;
  assertEquals({ total, truncated, skipped: skipped["no room"], wholeContext }, {
    total: 3,
    truncated: 1,
    skipped: 1,
    wholeContext: 10,
  });
  assertEquals(
    shownMessage(describeFit(fitted, "examples") ?? ""),
    "2 of 3 examples exceed the context of 7 tokens: 1 cut at the end of the answer; " +
      "1 skipped, with no room for an answer. --context 10 fits all of them.",
  );
});

Deno.test("the context that is named fits everything, and the least fits something", () => {
  const examples = [example("abc", "defg"), example("abcdefgh", "i")];
  const fit = (context: number) => fitConversations(tokenizer, examples, context);
  const error = assertThrows(
    () => requireFit(fit(4), "training examples"),
    UserError,
    "none of the 2 training examples fits a context of 4 tokens",
  );
  const [least = 0, whole = 0] = [...error.message.matchAll(/context (\d+)/g)].map(([, n]) =>
    Number(n)
  );
  assertEquals([least, whole], [5, 11]);
  assertEquals([least - 1, least].map((context) => fit(context).rows.length), [0, 1]);
  assert(describeFit(fit(whole - 1), "examples") !== undefined);
  assertEquals(describeFit(fit(whole), "examples"), undefined);
  requireFit(fit(least), "training examples");
});

Deno.test("an unknown character is told with file and line", () => {
  const abc = characterTokenizer("abc");
  assertThrows(
    () => fitConversations(abc, [example("a", "é")], 8),
    UserError,
    `data.jsonl:7: The character "é" (U+00E9) at position 0`,
  );
});
