/**
 * No files of a package import each other in a circle. An `import type` counts: it costs nothing
 * when the program runs, but whoever reads one file of such a circle has to read all of them.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { circlesOf, type Imports } from "./circles.ts";

const root = new URL("../../", import.meta.url);
const packages = ["core", "autodiff", "models", "objectives", "training"];

/** A module of `deno info --json`: `code` is what it loads, `type` what only types are taken from. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** The modules that an entry reaches, by `import type` too. */
async function modulesOf(entry: URL): Promise<readonly Module[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry.href],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const graph: { modules: readonly Module[] } = JSON.parse(new TextDecoder().decode(stdout));
  return graph.modules;
}

/** What a package exports: one file, or some by their names. */
async function entriesOf(name: string): Promise<URL[]> {
  const folder = new URL(`${name}/`, root);
  const config: { exports: string | Readonly<Record<string, string>> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", folder)),
  );
  const files = typeof config.exports === "string"
    ? [config.exports]
    : Object.values(config.exports);
  return files.map((file) => new URL(file, folder));
}

async function importsOf(name: string): Promise<Imports> {
  const modules = (await Promise.all((await entriesOf(name)).map(modulesOf))).flat();
  const folder = new URL(`${name}/`, root).href;
  const inFolder = (specifier: string | undefined): string[] =>
    specifier?.startsWith(folder) ? [specifier.slice(root.href.length)] : [];
  return new Map(
    modules.flatMap(({ specifier, dependencies = [] }) =>
      inFolder(specifier).map((file): [string, Set<string>] => [
        file,
        new Set(
          dependencies.flatMap(({ code, type }) =>
            [code, type].flatMap((imported) => inFolder(imported?.specifier))
          ),
        ),
      ])
    ),
  );
}

for (const name of packages) {
  Deno.test(`no files of ${name} import each other in a circle`, async () => {
    const imports = await importsOf(name);
    assert(imports.size > 5, `expected the files of ${name}, got ${[...imports.keys()]}`);
    assertEquals(circlesOf(imports), []);
  });
}

/** A graph of the files 0 to 5. */
const graphs = fc.array(fc.uniqueArray(fc.nat(5)), { minLength: 6, maxLength: 6 }).map(
  (imported): Imports =>
    new Map(imported.map((files, i) => [String(i), new Set(files.map(String))])),
);

Deno.test("circles are the sets of files that reach each other", () => {
  const imports = new Map([
    ["a", new Set(["b", "d"])],
    ["b", new Set(["c"])],
    ["c", new Set(["a", "d"])],
    ["d", new Set(["e"])],
    ["e", new Set(["d"])],
    ["f", new Set(["a", "f"])],
  ]);
  assertEquals(circlesOf(imports), [["a", "b", "c"], ["d", "e"], ["f"]]);

  fc.assert(fc.property(graphs, (imports) => {
    const inCircles = circlesOf(imports).flat();
    assertEquals(inCircles.length, new Set(inCircles).size);
    // Without its circles, a graph has an order in which imports point down.
    const left = new Set([...imports.keys()].filter((file) => !inCircles.includes(file)));
    while (left.size > 0) {
      const lowest = [...left].find((file) => imports.get(file)?.isDisjointFrom(left));
      assert(lowest !== undefined, "the files that are left reach each other");
      left.delete(lowest);
    }
  }));
});
