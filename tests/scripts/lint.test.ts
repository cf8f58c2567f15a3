/** The lint rules of this repository: what they find, and what they let pass. */
import { assertEquals } from "@std/assert";
import plugin from "../../scripts/lint.ts";

/** Sources of one call each, and whether its arguments may be too many. */
const calls: Readonly<Record<string, boolean>> = {
  "Math.max(...rows)": true,
  "Math.max(0, ...rows.map((row) => row.length))": true,
  "kept.push(...rows)": true,
  "String.fromCharCode(...bytes)": true,
  "[].concat(...parts)": true,
  "new Map(...rows)": true,
  "Math.max.apply(null, rows)": true,
  "Math.max(...[...rows])": true,
  "const f = (rows: number[]) => Math.max(...rows)": true,
  "Math.max(...[a, b])": false,
  "line.push(...(isOne ? [a] : [a, b]))": false,
  "new Set([...rows, ...others])": false,
  "Object.fromEntries([...rows])": false,
  "f({ ...options })": false,
  "const f = (...rows: number[]) => Math.max(...rows)": false,
  "function f(...rows: number[]) { return rows.map(() => g(...rows)); }": false,
  "entry.apply(inputs)": false,
};

for (const [source, isFound] of Object.entries(calls)) {
  Deno.test(`lint: ${isFound ? "finds" : "lets pass"} ${source}`, () => {
    const found = Deno.lint.runPlugin(plugin, "main.ts", source);
    assertEquals(found.map(({ id }) => id), isFound ? ["unitune/no-spread-of-data"] : []);
  });
}

Deno.test("lint: tests may spread what they make up", () => {
  assertEquals(Deno.lint.runPlugin(plugin, "/repository/tests/a.test.ts", "f(...rows)"), []);
});
