/** The runtime as a library: its functions as JavaScript calls them. */
import { type Compilation, compileAll, type Compiler } from "./compiler.ts";
import { runtimeSource } from "./runtime.ts";

const symbols = {
  native_allocate: { parameters: ["usize"], result: "usize" },
  native_free: { parameters: ["usize"], result: "void" },
  native_copy_in: { parameters: ["usize", "buffer", "usize"], result: "void" },
  native_copy_out: { parameters: ["buffer", "usize", "usize"], result: "void" },
  native_move: { parameters: ["usize", "usize", "usize"], result: "void" },
  native_open: { parameters: ["buffer"], result: "usize" },
  native_find: { parameters: ["usize", "buffer"], result: "usize" },
  native_unit: { parameters: [], result: "i64" },
  native_pool: { parameters: ["i64", "i64"], result: "usize" },
  native_threads: { parameters: ["usize"], result: "i64" },
  native_end: { parameters: ["usize"], result: "void" },
  native_run: { parameters: ["buffer", "buffer", "buffer"], result: "void" },
} as const;

/** The functions of the runtime. */
export type Runtime = Deno.DynamicLibrary<typeof symbols>["symbols"] & {
  /** The address of a function of the runtime itself. */
  readonly addressOf: (name: string) => bigint;
};

/** A text as C reads it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The runtime. Its products and attention may fuse multiplications with additions; bodies say where. */
export const runtime: Compilation = { source: runtimeSource, flags: ["-ffp-contract=fast"] };

/** Compiles the runtime, unless it is, and loads it. */
export function loadRuntime(compiler: Compiler): Runtime {
  const [path = ""] = compileAll(compiler, [runtime]);
  const { symbols: functions } = Deno.dlopen(path, symbols);
  const library = functions.native_open(cString(path));
  return {
    ...functions,
    addressOf: (name) => functions.native_find(library, cString(name)),
  };
}
