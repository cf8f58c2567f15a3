/** The tests that belong to a file, in the order in which they find a fault soonest. */
import type { Reach } from "./reach.ts";
import type { Repository } from "./repository.ts";
import type { TestUnit } from "./run.ts";

/** The packages that the tests of a folder run, if it is not the one of its name. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  native: ["core"],
  webgpu: ["core"],
  // The commands call training, which has no files.
  cli: ["cli", "training"],
};

/** Folders of tests that call functions; others start programs, which takes long. */
const quick: readonly string[] = [
  "core",
  "native",
  "webgpu",
  "autodiff",
  "models",
  "objectives",
  "training",
];

/** A test, and its distance to the file. */
export interface BelongingTest extends TestUnit {
  /** Whether it tests the file's package. */
  readonly isOwn: boolean;
  /**
   * 0 for the file's own examples and for the test file of its path, 1 for another test file that
   * imports something from the file.
   */
  readonly distance: number;
}

/** A test file, and the folder of `tests` that it stands in. */
const TEST = /^tests\/(?<folder>\w+)\/.*\.test\.ts$/;

/** Whether tests of a folder test the package of a file. */
function areOf(folder: string, file: string): boolean {
  return (packagesOf[folder] ?? [folder]).some((name) => file.startsWith(`${name}/`));
}

/** The test file of a file's path: `tests/cli/run/pace.test.ts` of `cli/run/pace.ts`. */
const namesakeOf = (file: string) => `tests/${file.replace(/\.ts$/, ".test.ts")}`;

/**
 * The tests that belong to a file: its own examples, the tests of its package that run it, and
 * tests of other packages unless they start programs.
 *
 * @param repository The files.
 * @param reach The files that run others.
 * @returns A function from a file to its tests.
 */
export function testsFor(
  { files }: Repository,
  reach: Reach,
): (file: string) => readonly BelongingTest[] {
  const tests = [...files.keys()].flatMap((name) => {
    const folder = TEST.exec(name)?.groups?.folder;
    return folder === undefined ? [] : [{ name, folder, distances: reach.from(name) }];
  });
  return (file) => {
    const examples = files.get(file)?.includes(" * ```ts\n")
      ? [{ name: `the examples of ${file}`, args: ["--doc", file], isOwn: true, distance: 0 }]
      : [];
    const reaching = tests.flatMap(({ name, folder, distances }) => {
      const distance = distances.get(file);
      const isOwn = areOf(folder, file);
      return distance === undefined || !(isOwn || quick.includes(folder))
        ? []
        : [{ name, args: [name], isOwn, distance: name === namesakeOf(file) ? 0 : distance }];
    });
    return [...examples, ...reaching];
  };
}

/** The assumed seconds of a test before its first run. */
const TYPICAL = 2;

/**
 * Tests in the order in which they are run: the package's own tests first, and among them near and
 * quick ones before far and slow ones. Distance counts twice, since each file in between uses only a
 * part of the next one, and its own results show only a part of that.
 *
 * @param tests The tests of a file.
 * @param secondsOf The time of a test, if it is known.
 * @returns The same tests.
 */
export function inOrder(
  tests: readonly BelongingTest[],
  secondsOf: (test: TestUnit) => number | undefined,
): BelongingTest[] {
  const costs = new Map(
    tests.map((test) => [test.name, (secondsOf(test) ?? TYPICAL) * (1 + test.distance) ** 2]),
  );
  const costOf = ({ name }: TestUnit) => costs.get(name) ?? Infinity;
  return tests.toSorted((a, b) =>
    Number(b.isOwn) - Number(a.isOwn) || costOf(a) - costOf(b) || (a.name < b.name ? -1 : 1)
  );
}
