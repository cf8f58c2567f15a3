/**
 * The examples of doc comments and READMEs, as tests. `deno test --doc` gives each of them a worker,
 * which loads the packages anew: minutes for hundreds of examples. Here all of them share one.
 */

import { assert } from "@std/assert";

/** A documented example: a module of its own, whose assertions throw. */
interface Example {
  /** The file and the line of its first statement: `core/shape.ts:38`. */
  readonly place: string;
  /** Its source text, which names files by whole addresses, since it has no place of its own. */
  readonly code: string;
}

/** A fenced block of TypeScript, with the marks of a comment's lines or without. */
const BLOCK = /^(?<mark>[ \t]*(?:\* )?)```ts\n(?<body>[\s\S]*?)^[ \t]*(?:\* )?```$/gm;

/** The specifiers of imports of files beside the one with the example. */
const RELATIVE = /(?<= from ")\.{1,2}\/[^"]+(?=")/g;

const root = new URL("../../", import.meta.url);

/** The examples of a file, by its path from the root. */
function examplesIn(file: string): Example[] {
  const place = new URL(file, root);
  const text = Deno.readTextFileSync(place);
  return [...text.matchAll(BLOCK)].map(({ index, groups: { mark = "", body = "" } = {} }) => {
    const line = text.slice(0, index).split("\n").length + 1;
    const code = body.split("\n").map((line) => line.slice(mark.length)).join("\n")
      .replace(RELATIVE, (path) => new URL(path, place).href);
    return { place: `${file}:${line}`, code };
  });
}

/** The files of a room that may have examples, as paths from the root. */
function filesOf(room: string): string[] {
  const info = Deno.statSync(new URL(room, root));
  if (info.isFile) return [room];
  return [...Deno.readDirSync(new URL(room, root))].flatMap(({ name, isDirectory }) =>
    isDirectory || /\.(?:ts|md)$/.test(name) ? filesOf(`${room}/${name}`) : []
  ).toSorted();
}

const rooms = [
  "core",
  "autodiff",
  "models",
  "objectives",
  "training",
  "cli",
  "links",
  "README.md",
] as const;

for (const room of rooms) {
  const examples = filesOf(room).flatMap(examplesIn);
  Deno.test(`${room} has examples`, () => assert(examples.length > 0));
  for (const { place, code } of examples) {
    Deno.test(`the example at ${place}`, async () => {
      await import(`data:application/typescript,${encodeURIComponent(code)}`);
    });
  }
}
