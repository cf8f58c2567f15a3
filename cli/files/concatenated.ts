/**
 * Pieces of bytes as one.
 *
 * @module
 */

/**
 * Joins pieces.
 *
 * @param parts The pieces.
 * @returns Their bytes, in order: a copy, unless there is one piece alone.
 */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
