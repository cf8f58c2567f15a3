import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  ChatError,
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
  assertThrows(() => encodePrompt(base, []), ChatError, "no chat template");
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
