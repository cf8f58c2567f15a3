/** Contents of files that are to be written. */

/**
 * The content of a file that is made in pieces while it is written, so that it is never held as a
 * whole.
 */
export interface StreamedContent {
  /** The number of bytes of all pieces. */
  readonly size: number;
  /** Makes the pieces, from the first to the last. */
  pieces(): AsyncIterable<Uint8Array>;
}

/** The content of a file: text, which is written as UTF-8, bytes, or pieces of them. */
export type FileContent = string | Uint8Array | StreamedContent;

/**
 * The pieces of a content, from the first to the last.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { contentPieces } from "@unitune/models";
 *
 * assertEquals(await Array.fromAsync(contentPieces("a")), [new Uint8Array([97])]);
 * ```
 *
 * @param content The content.
 * @returns The pieces.
 * @throws {RangeError} At their end, if the pieces of a content have another number of bytes than it
 * says.
 */
export async function* contentPieces(content: FileContent): AsyncIterable<Uint8Array> {
  if (typeof content === "string") yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else {
    let made = 0;
    for await (const piece of content.pieces()) {
      made += piece.length;
      yield piece;
    }
    if (made === content.size) return;
    throw new RangeError(
      `the pieces of a file have ${made} bytes, and its size is ${content.size}`,
    );
  }
}

/**
 * The bytes of a content, in memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { contentBytes } from "@unitune/models";
 *
 * async function* pieces() {
 *   yield new Uint8Array([1, 2]);
 *   yield new Uint8Array([3]);
 * }
 * assertEquals(await contentBytes({ size: 3, pieces }), new Uint8Array([1, 2, 3]));
 * ```
 *
 * @param content The content.
 * @returns Its bytes; a copy.
 * @throws {RangeError} If the pieces of a content have another number of bytes than it says.
 */
export async function contentBytes(content: FileContent): Promise<Uint8Array<ArrayBuffer>> {
  // No Array.fromAsync, which came to Node with version 22.
  const pieces: Uint8Array[] = [];
  for await (const piece of contentPieces(content)) pieces.push(piece);
  const bytes = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
