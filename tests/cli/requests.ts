/** What a browser would fetch for a page. */

/** Where markup and style name something else to load. */
const references = [
  // A link that is only followed when clicked is none; `href` of other elements is.
  /<(?!a\b)[a-z]+\b[^>]*?\s(?:src|srcset|href|xlink:href|data|poster|action)\s*=\s*["']?([^"'\s>]+)/gi,
  /url\(\s*["']?([^"')]+)/gi,
  /@import\s+["']?([^"';]+)/gi,
] as const;

/**
 * The addresses that a page, style or drawing would load from, those within itself excepted.
 *
 * @param text Its text.
 * @returns The addresses.
 */
export function requestsOf(text: string): readonly string[] {
  return references
    .flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""))
    .filter((address) => !address.startsWith("#") && !address.startsWith("data:"));
}
