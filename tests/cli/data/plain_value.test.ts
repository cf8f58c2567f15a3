/** Values of Parquet as JSON has them. */
import { assertStrictEquals } from "@std/assert";
import { plainValue } from "../../../cli/data/readers/plain_value.ts";

const cases: Readonly<Record<string, readonly [value: unknown, json: string]>> = {
  "a whole number": [3n, "3"],
  "the largest exact number": [2n ** 53n - 1n, "9007199254740991"],
  "a number beyond": [2n ** 53n, '"9007199254740992"'],
  "a number far below 0": [-(2n ** 60n) - 1n, '"-1152921504606846977"'],
  "a point in time": [new Date(1000), '"1970-01-01T00:00:01.000Z"'],
  "no point in time": [new Date(NaN), "null"],
  "bytes": [Uint8Array.of(1, 255), "[1,255]"],
  "a list": [[1n, [new Date(NaN)], "a"], '[1,[null],"a"]'],
  "a row": [{ a: { b: 2n }, c: null }, '{"a":{"b":2},"c":null}'],
  "a text": ["7", '"7"'],
  "nothing": [null, "null"],
  "a truth": [false, "false"],
  "a float": [0.5, "0.5"],
};

for (const [name, [value, json]] of Object.entries(cases)) {
  Deno.test(`of Parquet as JSON has it: ${name}`, () => {
    assertStrictEquals(JSON.stringify(plainValue(value)), json);
  });
}

Deno.test("of Parquet as JSON has it: a value that is missing", () => {
  assertStrictEquals(plainValue(undefined), undefined);
});
