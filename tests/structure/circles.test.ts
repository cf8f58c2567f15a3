/**
 * No files import each other in a circle, and no room of the house imports one above it. An
 * `import type` counts: it costs nothing when the program runs, but whoever reads one file of a
 * circle has to read all of them.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { circlesOf, type Imports } from "./circles.ts";

const root = new URL("../../", import.meta.url);

/** The packages. */
const packages = ["core", "autodiff", "models", "objectives", "training", "cli"] as const;

/** The rooms of ARCHITECTURE.md, each with the rooms that its files may import from. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  core: [],
  autodiff: ["core"],
  models: ["core"],
  objectives: ["core", "autodiff"],
  training: ["core", "autodiff", "models", "objectives"],
  cli: ["core", "autodiff", "models", "objectives", "training"],
  examples: packages,
  bench: packages,
  scripts: packages,
  tests: [...packages, "examples", "bench", "scripts"],
};

/** Packages that stand in for published ones: every room may import them. */
const LINKS = "links";

/** A module of `deno info --json`: `code` is what it loads, `type` what only types are taken from. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** The TypeScript files of a folder and of its folders. */
async function filesIn(folder: URL): Promise<URL[]> {
  const files: URL[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) files.push(...await filesIn(new URL(`${name}/`, folder)));
    else if (name.endsWith(".ts")) files.push(new URL(name, folder));
  }
  return files;
}

/** The files of all rooms by their paths from the root, each with those that it imports. */
async function importsOfAll(): Promise<Imports> {
  const folders = [...Object.keys(rooms), LINKS].map((room) => new URL(`${room}/`, root));
  const files = (await Promise.all(folders.map(filesIn))).flat();
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(entry, files.map(({ href }) => `import "${href}";\n`).join(""));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--lock=deno.lock", "--frozen", "--config=deno.json", entry],
      cwd: root,
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const graph: { modules: readonly Module[] } = JSON.parse(new TextDecoder().decode(stdout));
    return importsIn(graph.modules);
  } finally {
    await Deno.remove(entry);
  }
}

function importsIn(modules: readonly Module[]): Imports {
  const inTree = (specifier: string | undefined): string[] =>
    specifier?.startsWith(root.href) ? [specifier.slice(root.href.length)] : [];
  return new Map(
    modules.flatMap(({ specifier, dependencies = [] }) =>
      inTree(specifier).map((file): [string, Set<string>] => [
        file,
        new Set(
          dependencies.flatMap(({ code, type }) =>
            [code, type].flatMap((imported) => inTree(imported?.specifier))
          ),
        ),
      ])
    ),
  );
}

const imports = await importsOfAll();
const roomOf = (file: string) => file.slice(0, file.indexOf("/"));

for (const [room, below] of Object.entries(rooms)) {
  Deno.test(`no files of ${room} import each other in a circle, or a room above`, () => {
    const own = [...imports].filter(([file]) => roomOf(file) === room);
    assert(own.length > 5, `expected the files of ${room}, got ${own.map(([file]) => file)}`);
    const allowed = [room, ...below, LINKS];
    for (const [file, imported] of own) {
      assertEquals([...imported].filter((other) => !allowed.includes(roomOf(other))), [], file);
    }
    assertEquals(circlesOf(new Map(own)), []);
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
