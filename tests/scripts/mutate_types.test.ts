/** Mutants count only if they type-check. */
import { assertEquals } from "@std/assert";
import { typeChecker } from "../../scripts/mutate/types.ts";
import { withTree } from "./small_tree.ts";

const tree = {
  "deno.json": JSON.stringify({ workspace: ["./low"] }),
  "low/deno.json": JSON.stringify({ name: "@small/low", exports: "./table.ts" }),
  "low/table.ts": 'import { unknown } from "npm:unknown";\n' +
    'export const table = { kind: "a", size: 1 } as const;\n' +
    "export function sizeOf(x: number[]): number {\n  return x.length + unknown;\n}\n",
  "low/user.ts": 'import { table } from "./table.ts";\nexport const one: 1 = table.size;\n',
};

Deno.test("a change is refused where its file no longer type-checks, or one that imports it", () =>
  withTree(tree, ({ root, files, resolve, configuration }) => {
    const checker = typeChecker({ root, files, resolve, configuration }, "");
    const accepts = (from: string, to: string) =>
      checker.accepts("low/table.ts", tree["low/table.ts"].replace(from, to));
    assertEquals(accepts("x.length +", "x.length -"), true);
    assertEquals(accepts("x.length", "x.size"), false);
    assertEquals(accepts("return x.length", "return return"), false);
    // The file itself is right, but another relies on the type.
    assertEquals(accepts("size: 1", "size: 2"), false);
    assertEquals(accepts('kind: "a"', 'kind: "b"'), true);
    // Nothing is left of the changes before.
    assertEquals(accepts("x.length +", "x.length *"), true);
  }));
