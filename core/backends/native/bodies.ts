/**
 * Functions made of bodies. Each is named by a digest of its text, and a file in the cache names the
 * library that has it; so kernels of other programs, and of runs before, are compiled already.
 */
import { operationsSource, type Source } from "./body.ts";
import { compileAll, type Compiler, digestOf } from "./compiler.ts";
import { cString, type Runtime } from "./library.ts";
import type { Callee } from "./calls.ts";
import { prelude } from "./prelude.ts";

/** A function made of a body. */
type Body = Extract<Callee, { kind: "body" }>;

const signatures: { readonly [R in Body["role"]]: Source } = {
  kernel: "const context *c, char *const *b, const int64_t *p",
  epilogue: "char *const *b, const int64_t *p, int64_t row, int64_t rowEnd, int64_t column, " +
    "int64_t columnEnd",
};

/** Bodies round as they say: nothing is fused unasked. */
const BODY_FLAGS = ["-ffp-contract=off"];

/** The least text, in characters, that is worth a file of its own. */
const PIECE = 20_000;

/** Gives the addresses of functions. */
export interface Bodies {
  /** Compiles what is not compiled yet, and gives the address of each function. */
  addressesOf(bodies: readonly Body[]): ReadonlyMap<Callee, bigint>;
}

/** The name of a function. */
function nameOf({ role, body }: Body): string {
  return `f${digestOf([prelude, operationsSource, role, body])}`;
}

const textOf = (body: Body, name: string): Source =>
  `void ${name}(${signatures[body.role]}) {\n${body.body}\n}\n`;

/** Functions in files of about equal length, as many as can be compiled at a time. */
function pieces(functions: readonly Source[], most: number): Source[] {
  const length = functions.reduce((total, { length }) => total + length, 0);
  const count = Math.max(1, Math.min(most, Math.ceil(length / PIECE)));
  const files = Array.from({ length: count }, (): Source[] => []);
  const lengths = files.map(() => 0);
  for (const text of functions.toSorted((a, b) => b.length - a.length)) {
    const shortest = lengths.reduce(
      (best, length, i) => length < (lengths[best] ?? 0) ? i : best,
      0,
    );
    files[shortest]?.push(text);
    lengths[shortest] = (lengths[shortest] ?? 0) + text.length;
  }
  return files.map((texts) => [prelude, operationsSource, ...texts].join("\n"));
}

/** Functions of a device. */
export function makeBodies(compiler: Compiler, runtime: Runtime): Bodies {
  const known = new Map<string, bigint>();
  const libraries = new Map<string, bigint>();
  const find = (path: string, name: string): bigint => {
    const library = libraries.get(path) ?? runtime.native_open(cString(path));
    libraries.set(path, library);
    const address = library === 0n ? 0n : runtime.native_find(library, cString(name));
    if (address === 0n) throw new Error(`the compiled function ${name} is not in ${path}`);
    return address;
  };
  const indexOf = (name: string) => `${compiler.folder}/${name}`;
  /** The library that has a function, as far as the cache knows. */
  const libraryOf = (name: string): string | undefined => {
    try {
      const path = `${compiler.folder}/${Deno.readTextFileSync(indexOf(name))}`;
      return Deno.statSync(path).isFile ? path : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    addressesOf(bodies) {
      const names = bodies.map((body) => [body, nameOf(body)] as const);
      const missing = new Map<string, Body>();
      for (const [body, name] of names) {
        if (known.has(name)) continue;
        const path = libraryOf(name);
        if (path === undefined) missing.set(name, body);
        else known.set(name, find(path, name));
      }
      if (missing.size > 0) {
        const texts = [...missing].map(([name, body]) => textOf(body, name));
        const files = pieces(texts, navigator.hardwareConcurrency);
        const paths = compileAll(
          compiler,
          files.map((source) => ({ source, flags: BODY_FLAGS })),
        );
        for (const name of missing.keys()) {
          const path = paths[files.findIndex((file) => file.includes(`void ${name}(`))] ?? "";
          known.set(name, find(path, name));
          const beside = `${indexOf(name)}.${crypto.randomUUID()}`;
          Deno.writeTextFileSync(beside, path.slice(compiler.folder.length + 1));
          Deno.renameSync(beside, indexOf(name));
        }
      }
      return new Map(names.map(([body, name]) => [body, known.get(name) ?? 0n]));
    },
  };
}
