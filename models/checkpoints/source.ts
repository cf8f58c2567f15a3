/** Where a checkpoint is read from: its files, of which parts are read when they are needed. */
import { abridged, printable } from "@unitune/core";
import { CheckpointError } from "./checkpoint_error.ts";

/**
 * The files of a checkpoint: in memory, in a folder, or behind a network. Reading a model holds one
 * tensor of them at a time.
 */
export interface CheckpointSource {
  /** The names of the files. */
  readonly names: readonly string[];
  /** The number of bytes of a file. */
  size(name: string): Promise<number>;
  /** The bytes of a file from `begin` to before `end`, both within it. */
  read(name: string, begin: number, end: number): Promise<Uint8Array>;
}

/**
 * Files in memory as a source.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { filesSource } from "@unitune/models";
 *
 * const source = filesSource(new Map([["a.bin", new Uint8Array([1, 2, 3])]]));
 * assertEquals(await source.read("a.bin", 1, 3), new Uint8Array([2, 3]));
 * ```
 *
 * @param files The files' bytes by name.
 * @returns The source.
 */
export function filesSource(files: ReadonlyMap<string, Uint8Array>): CheckpointSource {
  const bytesOf = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new CheckpointError(`there is no file ${printable(name)}`);
    return bytes;
  };
  return {
    names: [...files.keys()],
    size: (name) => Promise.resolve(bytesOf(name).length),
    read: (name, begin, end) => Promise.resolve(bytesOf(name).subarray(begin, end)),
  };
}

/**
 * A whole file as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { filesSource, textIn } from "@unitune/models";
 *
 * const source = filesSource(new Map([["a.txt", new TextEncoder().encode("abc")]]));
 * assertEquals([await textIn(source, "a.txt"), await textIn(source, "b.txt")], ["abc", undefined]);
 * ```
 *
 * @param source The files.
 * @param name The name of the file.
 * @returns The text; undefined if there is no such file.
 * @throws {CheckpointError} If the file is not UTF-8.
 */
export async function textIn(source: CheckpointSource, name: string): Promise<string | undefined> {
  if (!source.names.includes(name)) return undefined;
  const bytes = await source.read(name, 0, await source.size(name));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${name} is not UTF-8: the file is corrupt`, { cause });
  }
}

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object of JSON in a file; undefined if there is no such file. */
export async function objectIn(
  source: CheckpointSource,
  name: string,
): Promise<JsonObject | undefined> {
  const text = await textIn(source, name);
  return text === undefined ? undefined : parseObject(text, name);
}

/** The object of JSON in the text of a file. */
export function parseObject(text: string, name: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${name} is not JSON in UTF-8: the file is corrupt`, { cause });
  }
  if (isObject(value)) return value;
  throw new CheckpointError(`${name} is not an object`);
}

/** The error for a file that is missing. */
export function missingFile({ names }: CheckpointSource, name: string): CheckpointError {
  const found = abridged(printable(names.join(", ")), 200) || "none";
  return new CheckpointError(`${name} is missing; the files are: ${found}`);
}
