import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  specialTokens,
  type Tokenizer,
  tokenizerFromJSON,
  UnknownCharacterError,
} from "@unitune/models";

/** Texts of whole characters, in every plane, with the spellings of special tokens mixed in. */
const texts = fc.array(
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("<stop>", "<assistant>", "\ufeff", "\0", "\r\n", "🦊"),
  ),
).map((parts) => parts.join(""));

const tokenizers: Record<string, (text: string) => Tokenizer> = {
  characters: (text) => characterTokenizer(text + "x"),
  bytes: byteTokenizer,
};

for (const [kind, make] of Object.entries(tokenizers)) {
  Deno.test(`${kind}: decode inverts encode, and no text becomes a special token`, () => {
    fc.assert(fc.property(texts, (text) => {
      const tokenizer = make(text);
      const ids = tokenizer.encode(text);
      assertEquals(tokenizer.decode(ids), text);
      assert(ids.every((id) => id >= specialTokens.length && id < tokenizer.size));
    }));
  });

  Deno.test(`${kind}: encoding a text is encoding its parts`, () => {
    fc.assert(fc.property(texts, texts, (a, b) => {
      const { encode } = make(a + b);
      assertEquals(encode(a + b), [...encode(a), ...encode(b)]);
    }));
  });

  Deno.test(`${kind}: special tokens come first, are shown by name and are not decoded`, () => {
    const tokenizer = make("abc");
    assertEquals(tokenizer.tokens.slice(0, 5), [
      "<pad>",
      "<stop>",
      "<system>",
      "<user>",
      "<assistant>",
    ]);
    for (const name of specialTokens) {
      assertEquals(tokenizer.tokens[tokenizer.special[name]], `<${name}>`);
      const { special, encode, decode } = tokenizer;
      assertEquals(decode([special[name], ...encode("ab"), special[name], ...encode("c")]), "abc");
    }
  });

  Deno.test(`${kind}: JSON keeps every id`, () => {
    fc.assert(fc.property(texts, (text) => {
      const tokenizer = make(text);
      const again = tokenizerFromJSON(JSON.parse(JSON.stringify(tokenizer)));
      assertEquals(again.tokens, tokenizer.tokens);
      assertEquals(again.encode(text), tokenizer.encode(text));
      assertEquals(again.kind, kind);
    }));
  });

  Deno.test(`${kind}: an id outside the vocabulary is refused`, () => {
    const tokenizer = make("abc");
    for (const id of [-1, tokenizer.size, 1.5, NaN]) {
      assertThrows(() => tokenizer.decode([id]), RangeError, `${id} is not a token id`);
    }
  });

  Deno.test(`${kind}: as many tokens as ids, each shown differently`, () => {
    const tokenizer = make("abc\n<");
    assertEquals(tokenizer.tokens.length, tokenizer.size);
    assertEquals(new Set(tokenizer.tokens).size, tokenizer.size);
  });
}

Deno.test("characters: sorted by code point, whatever the order and the repeats", () => {
  // U+1F98A sorts after U+FFFD by code point, before it by UTF-16 unit.
  assertEquals(characterTokenizer("b🦊a\ufffdba").tokens.slice(5), ["a", "b", "\ufffd", "🦊"]);
});

Deno.test("characters: an unknown character is named, with its code point and position", () => {
  const { encode } = characterTokenizer("abc🦊");
  // The fox is one character, though two UTF-16 units.
  const error = assertThrows(() => encode("a🦊é"), UnknownCharacterError, `"é" (U+00E9)`);
  assertEquals([error.character, error.position], ["é", 2]);
  assert(error.message.includes("at position 2"));
  assert(error.message.includes("use a byte tokenizer"));
});

Deno.test("characters: what is no character is refused", () => {
  for (const characters of [[], [""], ["ab"], ["\ud800"]]) {
    assertThrows(() => characterTokenizer(characters), RangeError);
  }
});

Deno.test("bytes: a cut character reads as U+FFFD", () => {
  const tokenizer = byteTokenizer();
  assertEquals(tokenizer.decode(tokenizer.encode("né").slice(0, -1)), "n\ufffd");
});

Deno.test("a configuration that is not one is refused", () => {
  const wrong: [unknown, string][] = [
    [undefined, "not undefined"],
    [null, "not null"],
    [{}, "not {}"],
    [{ kind: "words" }, `not "words"`],
    [{ kind: "characters" }, "non-empty string"],
    [{ kind: "characters", characters: ["a"] }, "non-empty string"],
    [{ kind: "characters", characters: "" }, "non-empty string"],
    [{ kind: "characters", characters: "ba" }, "by code point"],
    [{ kind: "characters", characters: "aab" }, "by code point"],
    [{ kind: "characters", characters: "a\ud800" }, "non-empty string"],
  ];
  for (const [config, message] of wrong) {
    assertThrows(() => tokenizerFromJSON(config), TypeError, message);
  }
});
