import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  ChatError,
  type ChatMessage,
  conversationRows,
  encodeConversation,
  encodePrompt,
  encodeText,
  type Message,
  roles,
  specialIds,
  specialTokens,
} from "@unitune/models";

const tokenizer = byteTokenizer();

const conversations: fc.Arbitrary<Message[]> = fc.array(
  fc.record({ role: fc.constantFrom(...roles), content: fc.string() }),
);

const answers = (messages: readonly Message[]) => messages.filter((m) => m.role === "assistant");

Deno.test("the mask marks the assistant's contents and nothing else", () => {
  fc.assert(fc.property(conversations, (messages) => {
    const { ids, mask } = encodeConversation(tokenizer, messages);
    assertEquals(mask.length, ids.length);
    const learned = ids.filter((_, t) => mask[t]);
    assertEquals(
      tokenizer.decode(learned),
      answers(messages).map((answer) => answer.content).join(""),
    );
  }));
});

Deno.test("every answer ends with a learned stop token, and no other stop token exists", () => {
  fc.assert(fc.property(conversations, (messages) => {
    const { ids, mask } = encodeConversation(tokenizer, messages);
    const stops = ids.flatMap((id, t) => id === tokenizer.stop ? [t] : []);
    assertEquals(stops.length, answers(messages).length);
    for (const t of stops) {
      assertEquals(mask[t], true);
      assertEquals(mask[t + 1] ?? false, false);
    }
  }));
});

Deno.test("the only other special tokens are the roles, in order", () => {
  fc.assert(fc.property(conversations, (messages) => {
    const { ids } = encodeConversation(tokenizer, messages);
    const special = ids.filter((id) => id < specialTokens.length && id !== tokenizer.stop);
    assertEquals(special, messages.map((message) => specialIds[message.role]));
  }));
});

Deno.test("a conversation begins with the prompt that generation starts from", () => {
  fc.assert(fc.property(conversations, fc.string(), (messages, answer) => {
    const prompt = encodePrompt(tokenizer, messages);
    const { ids } = encodeConversation(tokenizer, [
      ...messages,
      { role: "assistant", content: answer },
    ]);
    assertEquals(ids.slice(0, prompt.length), prompt);
    assertEquals(ids.slice(prompt.length), [...tokenizer.encode(answer), tokenizer.stop]);
  }));
});

Deno.test("a text is learned whole and gets no special token", () => {
  const { encode } = characterTokenizer("ab");
  assertEquals(encodeText(characterTokenizer("ab"), "abba"), {
    ids: encode("abba"),
    mask: [true, true, true, true],
  });
});

Deno.test("only messages from the first learned one are learned", () => {
  fc.assert(fc.property(conversations, conversations, (prompt, answer) => {
    const options = { learnedFrom: prompt.length };
    const { ids, mask } = encodeConversation(tokenizer, [...prompt, ...answer], options);
    const given = encodeConversation(tokenizer, prompt).ids;
    const said = encodeConversation(tokenizer, answer);
    assertEquals(ids, [...given, ...said.ids]);
    assertEquals(mask, [...given.map(() => false), ...said.mask]);
  }));
});

Deno.test("a role, a call or a tool without a token is refused by name", () => {
  const asked = { role: "user", content: "a" } as const;
  assertThrows(
    () => encodePrompt(tokenizer, [asked, { role: "tool", content: "1" }]),
    ChatError,
    "no token for the role tool",
  );
  assertThrows(
    () => conversationRows(tokenizer, [asked, { role: "assistant", tool_calls: [] }]),
    ChatError,
    "calls of tools",
  );
  for (const thoughts of [{ reasoning_content: "hm" }, { thinking: "hm" }]) {
    assertThrows(
      () => conversationRows(tokenizer, [asked, { role: "assistant", content: "1", ...thoughts }]),
      ChatError,
      "no tokens for thoughts",
    );
  }
  for (const encode of [encodePrompt, conversationRows]) {
    assertThrows(() => encode(tokenizer, [asked], { tools: [] }), ChatError, "no tokens for tools");
  }
});

Deno.test("a tokenizer without a chat format refuses conversations", () => {
  const { chat: _, ...base } = tokenizer;
  const asked = { role: "user", content: "a" } as const;
  assertThrows(() => encodePrompt(base, []), ChatError, "no chat template");
  assertThrows(() => conversationRows(base, [asked]), ChatError, "no chat template");
  assertThrows(() => conversationRows(base, [asked], { plain: false }), ChatError, "on texts");
});

/** A base model's tokenizer of "a", "b" and "ab" (7), of which texts begin with 3 and end with 1. */
const joining = {
  ...characterTokenizer("ab"),
  begin: [3],
  stop: 1,
  encode: (text: string) =>
    [...text.matchAll(/ab|a|b|<stop>/g)].map(([piece]) => ({ a: 5, b: 6, ab: 7 })[piece] ?? 1),
  decode: (ids: Iterable<number>) =>
    [...ids].map((id) => ({ 5: "a", 6: "b", 7: "ab", 1: "<stop>" })[id] ?? "").join(""),
};
const { chat: _chat, ...baseTokenizer } = joining;
const plain = { plain: true };
const prompted = (prompt: string, completion: string): readonly ChatMessage[] => [
  { role: "user", content: prompt },
  { role: "assistant", content: completion },
];

/** A row of a prompt and a completion: its ids, and the number of those that are given. */
const plainRows: Readonly<Record<string, [string, string, ids: readonly number[], given: number]>> =
  {
    "joined": ["b", "ab", [3, 6, 7, 1], 2],
    "with a stop token that is spelled": ["b", "a<stop>", [3, 6, 5, 1], 2],
    "with an empty completion": ["b<stop>", "", [3, 6, 1, 1], 3],
    "with an empty prompt": ["", "ab", [3, 7, 1], 1],
    "encoded apart, where a token would have characters of both": [
      "ba",
      "ba",
      [3, 6, 5, 6, 5, 1],
      3,
    ],
  };

for (const [how, [prompt, completion, ids, given]] of Object.entries(plainRows)) {
  Deno.test(`a base model reads a prompt and its completion as texts, ${how}`, () => {
    const messages = prompted(prompt, completion);
    assertEquals(conversationRows(baseTokenizer, messages, plain), [
      { ids, mask: ids.map((_, t) => t >= given) },
    ]);
    assertEquals(encodePrompt(baseTokenizer, messages.slice(0, 1), plain), ids.slice(0, given));
    // What is learned begins behind the prompt, or not at all.
    for (const learnedFrom of [1, 2]) {
      const [row] = conversationRows(baseTokenizer, messages, { ...plain, learnedFrom });
      assertEquals(row?.mask.includes(true), learnedFrom === 1);
    }
  });
}

Deno.test("a base model is refused texts that it cannot read, with what to do", () => {
  const messages = prompted("ba", "ba");
  for (const options of [{ tools: [] }, { variables: {} }]) {
    for (const encode of [encodePrompt, conversationRows]) {
      assertThrows(
        () => encode(baseTokenizer, messages, { ...plain, ...options }),
        ChatError,
        "no place for tools and variables",
      );
    }
  }
  const empty = { ...baseTokenizer, begin: [] };
  assertThrows(() => encodePrompt(empty, prompted("", ""), plain), ChatError, "has no token");
  // As where a space is put before each text.
  const spacing = { ...baseTokenizer, decode: (ids: Iterable<number>) => [...ids].join() };
  assertThrows(
    () => conversationRows(spacing, messages, plain),
    ChatError,
    'joins its first characters with the end of the prompt, "baba"',
  );
});

Deno.test("a conversation of several rows is refused where one is asked for", () => {
  const row = { ids: [], mask: [] };
  const chat = { rows: () => [row, row], prompt: () => [] };
  assertEquals(conversationRows({ ...tokenizer, chat }, []), [row, row]);
  assertThrows(() => encodeConversation({ ...tokenizer, chat }, []), ChatError, "takes 2 rows");
});

Deno.test("a text begins with the beginning token of a model that has one", () => {
  assertEquals(encodeText({ ...characterTokenizer("ab"), begin: [3] }, "b"), {
    ids: [3, 6],
    mask: [false, true],
  });
});
