/** Pages: memory in pieces of at most a size, where one piece cannot be as large as all of it. */

/**
 * The first place from a start on where some bytes lie in one page; more bytes than a page has begin
 * with one, and go on in the pages after it.
 *
 * @param start The place from which on there is room, in bytes.
 * @param bytes The bytes to place.
 * @param pageBytes Bytes of a page; infinite where there is one page only.
 */
export function placeInPages(start: number, bytes: number, pageBytes: number): number {
  if (pageBytes === Infinity) return start;
  const inPage = start % pageBytes;
  const fits = inPage === 0 || inPage + bytes <= pageBytes;
  return fits ? start : start - inPage + pageBytes;
}
