/** WebAssembly modules: functions under construction, and their binary encoding. */
import {
  type AddressWidth,
  type Code,
  local,
  typeCode,
  unsigned,
  type ValueType,
} from "./instructions.ts";

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

/** The bytes of code in a module with addresses of a width. */
function bytesOf(code: Code, width: AddressWidth): number[] {
  const bytes: number[] = [];
  const flatten = (code: Code): void => {
    for (const item of code) {
      if (typeof item === "number") bytes.push(item);
      else flatten("length" in item ? item : item[width]);
    }
  };
  flatten(code);
  return bytes;
}

function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items];
}

function text(value: string): Code {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, content: Code, width: AddressWidth): Code {
  const bytes = bytesOf(content, width);
  return [id, ...unsigned(bytes.length), bytes];
}

function body({ locals, code }: WasmFunction, width: AddressWidth): Code {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const declared = list(runs.map(({ type, count }) => [...unsigned(count), typeCode(type, width)]));
  const bytes = bytesOf([declared, code, 0x0b], width);
  return [...unsigned(bytes.length), bytes];
}

/** A function that a module imports from `host`; it gives nothing back. */
export interface ImportedFunction {
  /** Its name. */
  readonly name: string;
  /** Types of the parameters. */
  readonly parameters: readonly ValueType[];
}

/** The memory that a module imports. */
export interface MemoryType {
  /** Whether it is shared between threads (default false). */
  readonly isShared?: boolean;
  /** The width of its addresses (default 32). */
  readonly width?: AddressWidth;
}

/** The pages of a memory by the width of its addresses: at most what V8 gives, 4 or 16 GiB. */
export const mostPages: { readonly [Width in AddressWidth]: number } = { 32: 2 ** 16, 64: 2 ** 18 };

/**
 * A module that imports a memory as `host.memory` and exports functions by name.
 *
 * @param functions Its own functions; calls name them by position, after the imported functions.
 * @param exported Names of the exported functions, with their positions.
 * @param memory The memory.
 * @param imported Functions of the host.
 * @returns The module's binary encoding.
 */
export function encodeModule(
  functions: readonly WasmFunction[],
  exported: Readonly<Record<string, number>>,
  { isShared = false, width = 32 }: MemoryType = {},
  imported: readonly ImportedFunction[] = [],
): Uint8Array<ArrayBuffer> {
  const coded = (types: readonly ValueType[]): Code[] =>
    types.map((type) => [typeCode(type, width)]);
  const limits = 1 + 2 * Number(isShared) + (width === 64 ? 4 : 0);
  const signatures = new Map<string, number>();
  const signatureCodes: Code[] = [];
  const signatureOf = ({ parameters, results }: Pick<WasmFunction, "parameters" | "results">) => {
    const key = `${parameters}>${results}`;
    const known = signatures.get(key);
    if (known !== undefined) return known;
    signatures.set(key, signatureCodes.length);
    const encoded = [0x60, list(coded(parameters)), list(coded(results))];
    return signatureCodes.push(encoded) - 1;
  };
  const fromHost = imported.map(({ name, parameters }) => [
    text("host"),
    text(name),
    0,
    ...unsigned(signatureOf({ parameters, results: [] })),
  ]);
  const declared = functions.map((f) => unsigned(signatureOf(f)));
  const exports = Object.entries(exported);
  return new Uint8Array(bytesOf([
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(1, list(signatureCodes), width),
    section(
      2,
      list([
        [text("host"), text("memory"), 0x02, limits, 16, ...unsigned(mostPages[width])],
        ...fromHost,
      ]),
      width,
    ),
    section(3, list(declared), width),
    section(7, list(exports.map(([name, at]) => [text(name), 0, ...unsigned(at)])), width),
    section(10, list(functions.map((f) => body(f, width))), width),
  ], width));
}
