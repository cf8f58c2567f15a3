/** Texts that end a completion. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { evaluate, key, mapTree, mul } from "@unitune/core";
import {
  characterTokenizer,
  createGenerator,
  generatedIds,
  gpt,
  isEnded,
  stopStrings,
  textBefore,
  textGate,
  type Tokenizer,
} from "@unitune/models";
import fc from "fast-check";

const words = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
const strings = fc.array(words, { minLength: 1, maxLength: 3 });

/** The place of the first of some strings in a text, or its end. */
function firstPlace(text: string, strings: readonly string[]): number {
  const places = strings.map((string) => text.indexOf(string)).filter((place) => place >= 0);
  return Math.min(text.length, ...places);
}

Deno.test("a gate lets through what stands before the first of its strings, and as early as it can", () => {
  fc.assert(fc.property(fc.array(words), strings, (parts, strings) => {
    const gate = textGate(strings);
    let [given, shown] = ["", ""];
    for (const part of parts) {
      const before = gate.found;
      given += part;
      shown += gate.push(part);
      if (before !== undefined) continue;
      const place = firstPlace(given, strings);
      assertEquals(gate.found !== undefined, place < given.length);
      if (gate.found !== undefined) {
        assertEquals(shown, given.slice(0, place));
        assert(given.startsWith(gate.found, place));
        continue;
      }
      // What is held back is the beginning of a string, and nothing longer would be.
      assert(given.startsWith(shown));
      const isOpen = (held: string) =>
        strings.some((string) => held !== string && string.startsWith(held));
      for (let start = 0; start <= given.length; start++) {
        if (start < shown.length) assert(!isOpen(given.slice(start)), given.slice(start));
        if (start === shown.length) assert(isOpen(given.slice(start)));
      }
    }
    const isFound = gate.found !== undefined;
    assertEquals(shown + gate.end(), isFound ? shown : given);
    assertEquals(gate.end(), "");
  }));
});

Deno.test("of strings at one place the first listed is found, of others the one before", () => {
  const found = (strings: readonly string[]) => {
    const gate = textGate(strings);
    gate.push("abc");
    return gate.found;
  };
  assertEquals([["bc", "b"], ["b", "bc"], ["c", "ab"]].map(found), ["bc", "b", "ab"]);
});

Deno.test("a completion ends with the token that completes a stop string, wherever it ends", async () => {
  // Tokens of several characters, so that strings begin and end amid them.
  const pieces = ["a", "ab", "ba", "bb", "c"];
  const plain = characterTokenizer("x");
  const tokenizer: Tokenizer = {
    ...plain,
    special: new Set(),
    decode: (ids) => Array.from(ids, (id) => pieces[id]).join(""),
  };
  const model = gpt({
    ...{ vocabulary: pieces.length, context: 24, layers: 1, heads: 2, width: 8, dropout: 0 },
  });
  const params = evaluate(mapTree(model.init(key(1)), (leaf) => mul(leaf, 3)));
  using generator = createGenerator(model);
  let ended = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(2 ** 31), strings, async (seed, strings) => {
      const options = { maxNewTokens: 12, temperature: 1, seed, stop: [4] };
      const prompts = [[0], [1], [2]];
      const free = await generator.generate(params, prompts, options);
      const watch = stopStrings(tokenizer, strings);
      const stopped = await generator.generate(params, prompts, { ...options, watch, places: 2 });
      free.forEach((completion, i) => {
        const { ids } = completion;
        const end = ids.findIndex((_, t) => {
          const text = tokenizer.decode(ids.slice(0, t + 1));
          return firstPlace(text, strings) < text.length;
        });
        const own = stopped[i];
        assert(own !== undefined);
        if (end < 0) return assertEquals(own, completion);
        ended += 1;
        const text = tokenizer.decode(own.ids);
        assertEquals(own.ids, ids.slice(0, end + 1));
        assertEquals([own.stop, isEnded(own)], [undefined, true]);
        assertEquals(textBefore(text, own.stopString), text.slice(0, firstPlace(text, strings)));
        assertEquals(generatedIds(own), own.ids);
      });
      const streamed = await Array.fromAsync(
        generator.stream(params, prompts[0] ?? [], { ...options, watch }),
      );
      assertEquals(streamed, stopped[0] && generatedIds(stopped[0]));
    }),
    { numRuns: 15 },
  );
  assert(ended > 10, "the stop strings are likely texts");
});

Deno.test("special tokens are read by name, and an empty string is refused", () => {
  const tokenizer = characterTokenizer("ab");
  const { stop } = tokenizer;
  const name = tokenizer.decode([stop], { special: "shown" });
  const watch = stopStrings(tokenizer, [name.slice(1)])();
  assertEquals([...tokenizer.encode("ab"), stop].map(watch), [undefined, undefined, name.slice(1)]);
  assertThrows(() => stopStrings(tokenizer, ["a", ""]), RangeError, "a stop string is empty");
});
