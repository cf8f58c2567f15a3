/** Circles in a graph of imports. */

/** The files that each file imports. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/** All files that a file imports, directly or through others. */
function reachedFrom(imports: Imports, file: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [...imports.get(file) ?? []];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    waiting.push(...imports.get(next) ?? []);
  }
  return reached;
}

/**
 * The circles of a graph: sets of files of which each reaches every other, itself included; each set
 * as large as it can be, sorted.
 */
export function circlesOf(imports: Imports): string[][] {
  const reached = new Map([...imports.keys()].map((file) => [file, reachedFrom(imports, file)]));
  const circles = new Map<string, string[]>();
  for (const [file, others] of reached) {
    if (!others.has(file)) continue;
    const circle = [...others].filter((other) => reached.get(other)?.has(file)).sort();
    circles.set(circle.join(), circle);
  }
  return [...circles.values()];
}
