import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  byteTokenizer,
  characterTokenizer,
  hasSameTokens,
  plainTokenizer,
  specialIds,
  specialTokens,
  type Tokenizer,
  TokenizerError,
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
      assertEquals(tokenizer.tokens[specialIds[name]], `<${name}>`);
      const { encode, decode } = tokenizer;
      const special = specialIds[name];
      assertEquals(decode([special, ...encode("ab"), special, ...encode("c")]), "abc");
      assertEquals(
        decode([special, ...encode("ab"), special, ...encode("c")], { special: "shown" }),
        `<${name}>ab<${name}>c`,
      );
    }
  });

  Deno.test(`${kind}: the files keep every id`, () => {
    fc.assert(fc.property(texts, (text) => {
      const tokenizer = make(text);
      const again = plainTokenizer(tokenizer.files());
      assert(hasSameTokens(again, tokenizer));
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

Deno.test("a file that is not of a character or byte tokenizer is refused", () => {
  const file = "tokenizer.json";
  const refuse = (text: string, message: string) =>
    assertThrows(() => plainTokenizer(new Map([[file, text]])), TokenizerError, message);
  for (const tokenizer of [characterTokenizer("abc"), byteTokenizer()]) {
    const text = tokenizer.files().get(file) ?? "";
    assertEquals(plainTokenizer(new Map([[file, text]])).kind, tokenizer.kind);
    refuse(text.slice(0, -10), "tokenizer.json is not JSON");
    // Each of these would give texts other ids.
    refuse(text.replace(`: 6`, `: 66`), "restore the file");
    refuse(text.replace(`"<user>"`, `"<usar>"`), "restore the file");
    refuse(text.replace(`"normalizer": null`, `"normalizer": { "type": "NFC" }`), "restore the");
  }
  const swapped = (characterTokenizer("abc").files().get(file) ?? "").replace(`"a": 5`, `"a": 6`);
  refuse(swapped.replace(`"b": 6`, `"b": 5`), "restore the file");
  for (const other of ["null", "[]", "{}", `{"model":{"type":"WordLevel","vocab":{"ab":5}}}`]) {
    refuse(other, "none of a character or byte tokenizer");
  }
  assertThrows(() => plainTokenizer(new Map()), TokenizerError, "There is no tokenizer.json");
});

Deno.test("tokenizers have the same tokens if every id means the same", () => {
  const tokenizer = characterTokenizer("abc");
  assert(hasSameTokens(tokenizer, characterTokenizer("cba")));
  const others: readonly Partial<Tokenizer>[] = [
    { kind: "words" },
    { size: 9 },
    { pad: 1 },
    { stop: 2 },
    { stops: [1, 2] },
    { special: new Set([0]) },
    { tokens: characterTokenizer("abd").tokens },
  ];
  for (const other of others) assert(!hasSameTokens(tokenizer, { ...tokenizer, ...other }));
});
