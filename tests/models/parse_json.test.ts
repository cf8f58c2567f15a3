import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseJson } from "../../models/tokenizers/parse_json.ts";

/** Keys that V8 mixes up, and those that stand for keys while a text is read. */
const keys = fc.oneof(
  fc.constantFrom(
    "h",
    "\\",
    '"',
    "\n",
    "\\\\",
    ": ",
    '"h":',
    "\ue000",
    "\ue0000",
    "__proto__",
    "7",
  ),
  fc.string({ unit: "binary" }),
);

const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, 1.5, '"', "\\", 'a":'),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 5 }),
  ),
}));

Deno.test("every key is what the text says, whatever was read before", () => {
  fc.assert(
    fc.property(fc.array(values, { maxLength: 3 }), fc.constantFrom(0, 1), (all, indent) => {
      for (const value of all) {
        const text = JSON.stringify(value, null, indent);
        // Objects without prototype are equal to those with one as JSON.
        assertEquals(JSON.stringify(parseJson(text), null, indent), text);
      }
    }),
  );
});

Deno.test("a key with an escape is not read as one of an earlier object", () => {
  // JSON.parse of V8 gives a backslash for the second object's key: nodejs/node#63785.
  parseJson(String.raw`{"h":[],"\\":0}`);
  assertEquals(parseJson(String.raw`{"h":1,"\"":2}`), { h: 1, '"': 2 });
});

Deno.test("a text that is not JSON is refused", () => {
  for (const text of ["", "{", '{"a', String.raw`{"\x":1}`, String.raw`{"\"":1`, '"\\']) {
    assertThrows(() => parseJson(text), SyntaxError);
  }
});
