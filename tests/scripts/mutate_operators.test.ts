/** The changes that mutants have: source in, mutants out. */
import { assertEquals } from "@std/assert";
import { diffOf, mutantsOf } from "../../scripts/mutate/mutants.ts";

/** A source, and what each operator makes of it. */
const changes: Readonly<Record<string, readonly (readonly [operator: string, text: string])[]>> = {
  "const r = x + y": [["swap", "const r = x - y"]],
  "const r = x * y % z": [["swap", "const r = x / y % z"], ["swap", "const r = x * y * z"]],
  "const r = x < y": [["swap", "const r = x <= y"]],
  "const r = x !== y": [["swap", "const r = x === y"]],
  "const r = x && y": [["swap", "const r = x || y"]],
  "const r = x << y": [["swap", "const r = x >> y"]],
  "const r = x ?? y": [["fallback", "const r = y"]],
  "x = -y": [["without-statement", "{}"], ["without-sign", "x = y"]],
  "x -= y": [["without-statement", "{}"], ["swap", "x += y"]],
  "x++": [["without-statement", "{}"], ["swap", "x--"]],
  "++x": [["without-statement", "{}"], ["without-sign", "--x"]],
  "const x = !y": [["without-sign", "const x = y"]],
  "const x = 3": [["plus-one", "const x = 4"], ["minus-one", "const x = 2"]],
  "const x = 0": [["plus-one", "const x = 1"], ["minus-one", "const x = (-1)"]],
  "const x = 0.5": [["plus-one", "const x = 1.5"], ["minus-one", "const x = (-0.5)"]],
  "const x = 0x10": [["plus-one", "const x = 17"], ["minus-one", "const x = 15"]],
  "const x = 7n": [["plus-one", "const x = 8n"]],
  "const x = true": [["flip", "const x = false"]],
  "const x = Math.max(y, z)": [["counterpart", "const x = Math.min(y, z)"]],
  "const x = sub(y, z)": [["counterpart", "const x = add(y, z)"]],
  "const x = c ? y : z": [
    ["only-then", "const x = (y)"],
    ["only-else", "const x = (z)"],
    ["negate", "const x = !(c) ? y : z"],
  ],
  "if (c) f();": [["without-if", "{}"], ["negate", "if (!(c)) f();"]],
  "if (c) f(); else g();": [
    ["only-then", "f();"],
    ["only-else", "g();"],
    ["negate", "if (!(c)) f(); else g();"],
    ["without-statement", "if (c) {} else g();"],
    ["without-statement", "if (c) f(); else {}"],
  ],
  "while (c) f();": [
    ["without-statement", "{}"],
    ["negate", "while (!(c)) f();"],
    ["without-statement", "while (c) {}"],
  ],
  // Negated by another operator.
  "if (x === y) f();": [["without-if", "{}"], ["swap", "if (x !== y) f();"]],
  "if (!x) f();": [["without-if", "{}"], ["without-sign", "if (x) f();"]],
  "function f() { g(); return x; }": [
    ["without-statement", "function f() { {} return x; }"],
    ["without-statement", "function f() { g(); {} }"],
  ],
  // An early return that is all that its condition guards.
  "function f() { if (c) return; g(); }": [
    ["without-if", "function f() { {} g(); }"],
    ["negate", "function f() { if (!(c)) return; g(); }"],
    ["without-statement", "function f() { if (c) return; {} }"],
  ],
  // A function ends by itself, and gives undefined.
  "function f() { g(); return undefined; }": [
    ["without-statement", "function f() { {} return undefined; }"],
  ],
  "const f = () => { return; }": [],
  "function f() { { return undefined; } g(); }": [
    ["without-statement", "function f() { { {} } g(); }"],
    ["without-statement", "function f() { { return undefined; } {} }"],
  ],
  // Read by people, or by the type checker.
  'const x = "a" + y': [],
  "const x = `${y}` + z": [],
  'throw new Error(`got ${x + 1}`, "why")': [],
  "type X = 3": [],
  "interface X { readonly y: 0 | true }": [],
  "const x: 1 = y": [],
  'import { x } from "./1.ts"': [],
};

for (const [source, expected] of Object.entries(changes)) {
  Deno.test(`mutants of ${source}`, () => {
    const found = mutantsOf("a.ts", source).map(({ id, text }) => [id.split(":")[3], text]);
    const sorted = (pairs: readonly (readonly unknown[])[]) => pairs.map(String).toSorted();
    assertEquals(sorted(found), sorted(expected));
  });
}

Deno.test("a mutant is named by its place, and shown with what is around it", () => {
  const source = [
    "const table = {",
    "  size(shape: number[]) {",
    "    const known =",
    "      shape.length > 2;",
    "    return known;",
    "  },",
    "};",
  ].join("\n");
  const [mutant] = mutantsOf("core/a.ts", source);
  assertEquals(mutant?.id, "core/a.ts:4:20:swap");
  assertEquals(mutant?.inside, "table.size.known");
  assertEquals(mutant && diffOf(mutant), "- shape.length > 2;\n+ shape.length >= 2;");
  assertEquals(mutant?.text, source.replace(">", ">="));
});

Deno.test("mutants that begin at one place have names of their own", () => {
  const ids = mutantsOf("a.ts", "const x = y ?? z ?? w").map(({ id }) => id);
  assertEquals(ids, ["a.ts:1:11:fallback", "a.ts:1:11:fallback:2"]);
});
