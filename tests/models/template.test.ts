import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  encodeConversation,
  encodePrompt,
  encodeText,
  type Message,
  roles,
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
    const stops = ids.flatMap((id, t) => id === tokenizer.special.stop ? [t] : []);
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
    const special = ids.filter((id) => id < specialTokens.length && id !== tokenizer.special.stop);
    assertEquals(special, messages.map((message) => tokenizer.special[message.role]));
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
    assertEquals(ids.slice(prompt.length), [...tokenizer.encode(answer), tokenizer.special.stop]);
  }));
});

Deno.test("a text is learned whole and gets no special token", () => {
  const { encode } = characterTokenizer("ab");
  assertEquals(encodeText(characterTokenizer("ab"), "abba"), {
    ids: encode("abba"),
    mask: [true, true, true, true],
  });
});
