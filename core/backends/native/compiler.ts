/**
 * C compiled by the machine's own compiler, as libraries in a folder of the user's cache. A library's
 * name is a digest of what it was made of, so it is made once for each compiler and processor; it is
 * written beside its place and renamed, so that processes do not disturb one another.
 */
import { createHash } from "node:crypto";

/** The compiler, or its use, is missing. */
export class NativeUnavailableError extends Error {
  /** The kind of error. */
  override readonly name = "NativeUnavailableError";
}

/** A compiler, and the folder of what it has compiled. */
export interface Compiler {
  /** Its command. */
  readonly command: string;
  /** The flags that every file is compiled with. */
  readonly flags: readonly string[];
  /** The folder, of this compiler and processor alone. */
  readonly folder: string;
}

/** A file to compile. */
export interface Compilation {
  readonly source: string;
  /** Flags beside those of all files. */
  readonly flags: readonly string[];
}

/** Commands of compilers, in the order in which they are tried. */
const COMMANDS = ["cc", "gcc", "clang"];

/** Flags for the instructions of this processor, by the compilers that have them. */
const NATIVE_FLAGS = [["-march=native"], ["-mcpu=native"], []];

/**
 * Flags of all files. Results depend on neither errno nor traps; integers wrap around; buffers are
 * memory that elements of any type may use.
 */
const FLAGS = [
  ...["-O3", "-std=gnu11", "-fPIC", "-shared", "-pthread", "-w"],
  ...["-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-fno-strict-aliasing"],
];

/** The digest of some texts. */
export function digestOf(texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 32);
}

const decoder = new TextDecoder();

/** Runs a command to its end; undefined if there is no such command. */
function output(command: string, args: readonly string[]): Deno.CommandOutput | undefined {
  try {
    return new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).outputSync();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** The macros that a compiler defines for this processor tell both apart from others. */
function describe(command: string, flags: readonly string[]): string | undefined {
  const found = output(command, [...flags, "-dM", "-E", "-x", "c", "/dev/null"]);
  return found?.success === true ? decoder.decode(found.stdout) : undefined;
}

/** The value of a variable, if it may be read. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/** The folder of the user's cache. */
function cacheFolder(): string | undefined {
  const [cache, home] = [variable("XDG_CACHE_HOME"), variable("HOME")];
  if (cache !== undefined && cache !== "") return `${cache}/unitune/native`;
  return home === undefined || home === "" ? undefined : `${home}/.cache/unitune/native`;
}

/** The compiler that the user names, or the usual ones. */
function usualCommands(): readonly string[] {
  const named = variable("CC");
  return named === undefined || named === "" ? COMMANDS : [named];
}

/**
 * Finds a compiler.
 *
 * @param cache The folder for what is compiled (default: `unitune/native` in the user's cache).
 * @param commands The commands to try (default: the one in CC, or the usual ones).
 * @throws {NativeUnavailableError} If there is none.
 */
export function findCompiler(
  cache: string | undefined = cacheFolder(),
  commands: readonly string[] = usualCommands(),
): Compiler {
  for (const command of commands) {
    for (const flags of NATIVE_FLAGS) {
      const macros = describe(command, flags);
      if (macros === undefined) continue;
      const wide = /__AVX512F__/.test(macros) ? ["-mprefer-vector-width=512"] : [];
      const all = [...FLAGS, ...flags, ...wide];
      const folder = `${cache ?? Deno.makeTempDirSync({ prefix: "unitune-native-" })}/${
        digestOf([command, macros, ...all])
      }`;
      Deno.mkdirSync(folder, { recursive: true });
      return { command, flags: all, folder };
    }
  }
  throw new NativeUnavailableError(
    `the native backend compiles C, and no compiler was found (${
      commands.join(", ")
    }): install one ` +
      `(on Debian gcc, on macOS the command line tools), name it by CC, or use the wasm device`,
  );
}

/** Whether there is a file. */
function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A word in a line of a shell. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * Compiles files, all at a time, unless they are compiled already.
 *
 * @returns The paths of their libraries.
 * @throws {Error} If the compiler refuses one.
 */
export function compileAll(
  { command, flags, folder }: Compiler,
  files: readonly Compilation[],
): string[] {
  const named = files.map(({ source, flags }) => ({
    source,
    flags,
    path: `${folder}/${digestOf([source, ...flags])}.so`,
  }));
  const missing = named.filter(({ path }) => !exists(path));
  if (missing.length > 0) {
    const place = Deno.makeTempDirSync({ dir: folder, prefix: "new-" });
    try {
      const jobs = missing.map(({ source, flags: own }, i) => {
        Deno.writeTextFileSync(`${place}/${i}.c`, source);
        return [
          command,
          ...flags,
          ...own,
          "-o",
          `${place}/${i}.so`,
          `${place}/${i}.c`,
          "-lm",
          "-ldl",
        ];
      });
      const [only, ...others] = jobs;
      const [program = "", ...args] = others.length === 0 && only !== undefined
        ? only
        : ["sh", "-c", together(jobs)];
      const done = output(program, args);
      if (done?.success !== true) {
        throw new Error(
          `${command} failed to compile a program: ${decoder.decode(done?.stderr).slice(0, 2000)}`,
        );
      }
      missing.forEach(({ path }, i) => Deno.renameSync(`${place}/${i}.so`, path));
    } finally {
      Deno.removeSync(place, { recursive: true });
    }
  }
  return named.map(({ path }) => path);
}

/** Commands that run at a time, as a line of a shell that fails if one of them does. */
function together(jobs: readonly (readonly string[])[]): string {
  const started = jobs.map((job, i) => `${job.map(quoted).join(" ")} & p${i}=$!`);
  const awaited = jobs.map((_, i) => `wait $p${i} || failed=1`);
  return [...started, "failed=0", ...awaited, "exit $failed"].join("\n");
}
