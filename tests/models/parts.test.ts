/** The first ids of a text, for which no more of it is read than they take. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  ChatError,
  type ChatMessage,
  conversationRows,
  encodePrompt,
  encodeText,
  type Tokenizer,
} from "@unitune/models";
import { chatTemplate, pretrainedTokenizer } from "@unitune/models/pretrained";
import { firstIds, prefixRows } from "../../models/chat/prefixes.ts";
import { textParts } from "../../models/pretrained/parts.ts";
import { piecesOf } from "../../models/pretrained/token_files.ts";

const vectors: { readonly files: Readonly<Record<string, string>> } = JSON.parse(
  await Deno.readTextFile(new URL("text_vectors/small.json", import.meta.url)),
);
const config = vectors.files["tokenizer_config.json"] ?? "{}";
const json = JSON.parse(vectors.files["tokenizer.json"] ?? "{}");

/** A tokenizer with other parts, and the function that takes its texts apart. */
function changed(parts: object, size = 3) {
  const file = { ...json, ...parts };
  const tokenizer = pretrainedTokenizer(
    new Map([["tokenizer.json", JSON.stringify(file)], ["tokenizer_config.json", config]]),
  );
  const textOf = (id: number) => tokenizer.decode([id], { special: "shown" });
  const { encode } = tokenizer;
  const partsOf = textParts({ encode, textOf }, piecesOf(file), size);
  return { tokenizer, partsOf: (text: string) => [...partsOf(text)] };
}

/** Texts with many places to cut, of everything that stands beside one. */
const texts = fc.array(
  fc.constantFrom(
    ...[
      "a",
      "have",
      "B",
      "é",
      "e\u0301",
      "語",
      "👨‍👩‍👧",
      " ",
      " ",
      " a",
      "  ",
      "\n",
      "\na",
      "\r\n",
      ".",
      ",",
      "'s",
    ],
    ...["'", "1", "123", "<s>", "\u00a0", "\u3000", "\t", "Ġ", "▁"],
  ),
  { maxLength: 30 },
).map((words) => words.join(""));

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
const space = { type: "Replace", pattern: { String: " " }, content: "▁" };
const added = (content: string, strips: object) => ({
  added_tokens: [
    ...json.added_tokens,
    { id: 400, content, single_word: false, normalized: false, special: false, ...strips },
  ],
});
const withPiece = (piece: string) => ({
  model: { ...json.model, vocab: { ...json.model.vocab, [piece]: 400 } },
});
const both = { words: true, lines: true };
const neither = { words: false, lines: false };
const words = { words: true, lines: false };

/** Tokenizers, and the kinds of places at which their texts may be cut. */
const tokenizers: Readonly<Record<string, readonly [object, typeof both]>> = {
  "Qwen's pattern": [{}, both],
  "GPT-2's pattern": [{ normalizer: null, pre_tokenizer: { ...byteLevel, use_regex: true } }, both],
  "no words": [{ pre_tokenizer: { ...byteLevel, use_regex: false } }, both],
  "a space before each text": [{ pre_tokenizer: { ...byteLevel, add_prefix_space: true } }, words],
  "a mark before each text": [
    { normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, space] } },
    neither,
  ],
  "a piece of a letter and a space": [withPiece("aĠ"), { words: false, lines: true }],
  "a piece of a mark and a space": [withPiece("!Ġ"), both],
  "a piece with a part of a letter": [withPiece("©Ġ"), { words: false, lines: true }],
  "a piece of a line's end and a letter": [withPiece("Ċa"), words],
  "a piece of lines' ends": [withPiece("ĊĊ"), both],
  "a word that takes the space behind it": [added("aB", { lstrip: false, rstrip: true }), neither],
  "a word that takes the space before it": [added(" aB", { lstrip: true, rstrip: false }), neither],
  "a mark that takes the space before it": [added("<m>", { lstrip: true, rstrip: false }), both],
  "a mark that takes the space behind it": [added("<m>", { lstrip: false, rstrip: true }), both],
};

for (const [what, [parts, safe]] of Object.entries(tokenizers)) {
  Deno.test(`the ids of a text are those of its parts: ${what}`, () => {
    const { tokenizer: { encode }, partsOf } = changed(parts);
    const isCut = (text: string) => partsOf(text).length > 1;
    assertEquals({ words: isCut("have a have"), lines: isCut("have\na\nhave") }, safe);
    fc.assert(
      fc.property(texts, (text) => {
        const own = partsOf(text);
        assertEquals(own.join(""), text);
        assertEquals(own.flatMap((part) => encode(part)), encode(text));
      }),
      { numRuns: 100 },
    );
  });
}

const qwen = changed({});

Deno.test("parts are as long as they are to be, and are cut between words and lines alone", () => {
  const { partsOf } = qwen;
  assertEquals(partsOf("have a have. A\na\n\nb 1 a"), ["have", " a have. A\n", "a\n\nb 1 a"]);
  assertEquals(partsOf("aa a"), ["aa a"]);
  assertEquals(partsOf(""), []);
  assertEquals(changed({}, 4).partsOf("have a have a"), ["have", " a have", " a"]);
});

/** What is wanted of a row. */
const firstOf = (most: number) => ({ ids, mask }: ReturnType<typeof encodeText>) => ({
  ids: ids.slice(0, most),
  mask: mask.slice(0, most),
});

/** Conversations, some with texts that spell a stop token. */
const conversations = fc.array(
  fc.record({
    role: fc.constantFrom("user" as const, "assistant" as const),
    content: fc.oneof(texts, texts.map((text) => `${text}<|im_end|>${text}`)),
  }),
  { minLength: 1, maxLength: 4 },
);

const small = qwen.tokenizer;
const plain: Readonly<Record<string, Tokenizer>> = {
  bytes: byteTokenizer(),
  characters: characterTokenizer(
    [...small.tokens.join(""), ..."é語👨👩👧\u200d\u0301\u00a0\u3000\t\r\nB 123<>|_dnemiĠ▁.,'"],
  ),
};

for (const [kind, tokenizer] of Object.entries({ ...plain, small })) {
  Deno.test(`${kind}: the first ids are those of all`, () => {
    fc.assert(fc.property(texts, fc.nat(40), (text, most) => {
      assertEquals(tokenizer.encode(text, most), tokenizer.encode(text).slice(0, most));
      assertEquals(encodeText(tokenizer, text, most), firstOf(most)(encodeText(tokenizer, text)));
    }));
  });
}

for (const [kind, tokenizer] of Object.entries(plain)) {
  Deno.test(`${kind}: the first ids of conversations are those of all`, () => {
    fc.assert(fc.property(conversations, fc.nat(60), (messages, most) => {
      const rows = conversationRows(tokenizer, messages);
      assertEquals(conversationRows(tokenizer, messages, { most }), rows.map(firstOf(most)));
      const prompt = encodePrompt(tokenizer, messages);
      assertEquals(encodePrompt(tokenizer, messages, { most }), prompt.slice(0, most));
    }));
  });
}

for (const [kind, made] of Object.entries({ ...plain, small })) {
  Deno.test(`${kind}: the first ids of plain texts are those of all`, () => {
    const { chat: _, ...tokenizer } = made;
    let rows = 0;
    fc.assert(fc.property(conversations, fc.integer({ min: 1, max: 40 }), (messages, most) => {
      const options = { plain: true, learnedFrom: messages.length - 1 };
      const whole = rowsOrRefusal(tokenizer, messages, options);
      if (whole === undefined) return;
      rows += 1;
      const cut = rowsOrRefusal(tokenizer, messages, { ...options, most });
      assertEquals(cut, whole.map(firstOf(most)));
    }));
    assert(rows > 80);
  });
}

/** The rows of a conversation; undefined if it cannot be expressed. */
function rowsOrRefusal(...args: Parameters<typeof conversationRows>) {
  try {
    return conversationRows(...args);
  } catch (error) {
    if (error instanceof ChatError) return undefined;
    throw error;
  }
}

Deno.test("the completion of a long text is not asked for, if its prompt is all that is wanted", () => {
  const { chat: _, ...tokenizer } = byteTokenizer();
  const messages = [{ role: "user", content: "abc" }, { role: "assistant", content: "d" }] as const;
  const rows = conversationRows(tokenizer, messages, { plain: true, most: 2 });
  assertEquals(rows, [{ ids: [102, 103], mask: [false, false] }]);
  assertEquals(encodePrompt(tokenizer, messages, { plain: true, most: 3 }), [102, 103, 104]);
});

Deno.test("characters that are not wanted need not be known", () => {
  const tokenizer = characterTokenizer("ab");
  assertEquals(tokenizer.encode("ab!", 2), [5, 6]);
});

const turn = "{% for m in messages %}{{ m.role }}: {{ m.content }}";
const templates: Readonly<Record<string, string>> = {
  "a stop token behind each turn": `${turn}<|im_end|>\n{% endfor %}`,
  "no stop token": `${turn}\n\n{% endfor %}`,
  "earlier answers in another form": "{% for m in messages %}" +
    "{{ m.role }}: {% if m.role == 'user' or loop.last %}{{ m.content }}{% endif %}<|im_end|>\n" +
    "{% endfor %}",
};

for (const [what, template] of Object.entries(templates)) {
  Deno.test(`the first ids of rows are those of all: ${what}`, () => {
    const { tokenizer: { encode, tokens }, partsOf } = qwen;
    const end = "{% if add_generation_prompt %}assistant: {% endif %}";
    const rendered = chatTemplate(template + end);
    const renderer = {
      encode: (text: string) => encode(text),
      render: (messages: readonly ChatMessage[], addGenerationPrompt: boolean) =>
        rendered(messages, { addGenerationPrompt }),
      stops: [tokens.indexOf("<|im_end|>")],
    };
    const rowsOf = (messages: readonly ChatMessage[], most: number, isCut: boolean) => {
      const parts = isCut ? partsOf : (text: string) => [text];
      return prefixRows({ ...renderer, parts }, messages, { learnedFrom: 0, most })
        .filter(({ mask }) => mask.includes(true));
    };
    let learned = 0;
    fc.assert(
      fc.property(conversations, fc.nat(80), (messages, most) => {
        try {
          const whole = rowsOf(messages, Infinity, false).map(firstOf(most))
            .filter(({ mask }) => mask.includes(true));
          learned += whole.length;
          assertEquals(rowsOf(messages, most, true), whole);
          assertEquals(rowsOf(messages, most, false), whole);
        } catch (error) {
          // The tokenizer may join an answer with its prompt.
          if (!(error instanceof ChatError)) throw error;
        }
      }),
      { numRuns: 200 },
    );
    assert(learned > 30);
  });
}

Deno.test("a part that is not wanted is not encoded, but for the last, where an answer stops", () => {
  const read: string[] = [];
  const renderer = {
    parts: (text: string) => text.match(/[^ ]+ ?/g) ?? [],
    encode: (part: string) => {
      read.push(part);
      return [part.length];
    },
    stops: [5],
  };
  assertEquals(firstIds(renderer, "a bb ccc dddd", 2), [2, 3]);
  assertEquals(read, ["a ", "bb "]);
  read.length = 0;
  const messages = [{ role: "assistant", content: "a bb ccc dd stop." }] as const;
  const render = (part: readonly ChatMessage[]) => part.map(({ content }) => content).join();
  const rows = prefixRows({ ...renderer, render }, messages, { learnedFrom: 0, most: 2 });
  assertEquals(rows, [{ ids: [2, 3], mask: [true, true] }]);
  assertEquals(read, ["a ", "bb ", "stop."]);
});
