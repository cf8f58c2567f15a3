/** WebAssembly modules: functions under construction, and their binary encoding. */
import { type Code, local, unsigned, type ValueType } from "./instructions.ts";

/** A function of a module. */
export interface WasmFunction {
  /** Types of the parameters, which are the first locals. */
  readonly parameters: readonly ValueType[];
  /** Types of the results. */
  readonly results: readonly ValueType[];
  /** Types of the other locals. */
  readonly locals: readonly ValueType[];
  /** The body. */
  readonly code: Code;
}

/** Locals of a function under construction. */
export interface Locals {
  /** A new local of a type. */
  readonly add: (type: ValueType) => number;
  /** The types of all that were added. */
  readonly types: readonly ValueType[];
}

/** Locals after a number of parameters. */
export function newLocals(parameters: number): Locals {
  const types: ValueType[] = [];
  return { types, add: (type) => parameters + types.push(type) - 1 };
}

/** A function written with its locals at hand, which come after its parameters. */
export function defineFunction(
  parameters: readonly ValueType[],
  results: readonly ValueType[],
  body: (locals: Locals) => Code,
): WasmFunction {
  const locals = newLocals(parameters.length);
  const code = body(locals);
  return { parameters, results, locals: locals.types, code };
}

/** A value kept in a new local: the code that sets it, and the code that reads it. */
export function keep(
  locals: Locals,
  type: ValueType,
  value: Code,
): { readonly set: Code; readonly get: Code } {
  const index = locals.add(type);
  return { set: local.set(index, value), get: local.get(index) };
}

function flatten(code: Code, bytes: number[]): void {
  for (const item of code) {
    if (typeof item === "number") bytes.push(item);
    else flatten(item, bytes);
  }
}

function bytesOf(code: Code): number[] {
  const bytes: number[] = [];
  flatten(code, bytes);
  return bytes;
}

function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items];
}

function text(value: string): Code {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, content: Code): Code {
  const bytes = bytesOf(content);
  return [id, ...unsigned(bytes.length), bytes];
}

function body({ locals, code }: WasmFunction): Code {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const declared = list(runs.map(({ type, count }) => [...unsigned(count), type]));
  const bytes = bytesOf([declared, code, 0x0b]);
  return [...unsigned(bytes.length), bytes];
}

/** A function that a module imports from `host`; it gives nothing back. */
export interface ImportedFunction {
  /** Its name. */
  readonly name: string;
  /** Types of the parameters. */
  readonly parameters: readonly ValueType[];
}

/**
 * A module that imports a memory as `host.memory` and exports functions by name.
 *
 * @param functions Its own functions; calls name them by position, after the imported functions.
 * @param exported Names of the exported functions, with their positions.
 * @param isShared Whether the memory is shared between threads.
 * @param imported Functions of the host.
 * @returns The module's binary encoding.
 */
export function encodeModule(
  functions: readonly WasmFunction[],
  exported: Readonly<Record<string, number>>,
  isShared = false,
  imported: readonly ImportedFunction[] = [],
): Uint8Array<ArrayBuffer> {
  const signatures = new Map<string, number>();
  const signatureCodes: Code[] = [];
  const signatureOf = ({ parameters, results }: Pick<WasmFunction, "parameters" | "results">) => {
    const key = `${parameters}>${results}`;
    const known = signatures.get(key);
    if (known !== undefined) return known;
    signatures.set(key, signatureCodes.length);
    const encoded = [0x60, list(parameters.map((p) => [p])), list(results.map((r) => [r]))];
    return signatureCodes.push(encoded) - 1;
  };
  const fromHost = imported.map(({ name, parameters }) => [
    text("host"),
    text(name),
    0,
    ...unsigned(signatureOf({ parameters, results: [] })),
  ]);
  const declared = functions.map((f) => unsigned(signatureOf(f)));
  return new Uint8Array(bytesOf([
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(1, list(signatureCodes)),
    section(
      2,
      list([
        [text("host"), text("memory"), 0x02, isShared ? 3 : 1, 16, ...unsigned(65536)],
        ...fromHost,
      ]),
    ),
    section(3, list(declared)),
    section(
      7,
      list(Object.entries(exported).map(([name, at]) => [text(name), 0, ...unsigned(at)])),
    ),
    section(10, list(functions.map(body))),
  ]));
}
