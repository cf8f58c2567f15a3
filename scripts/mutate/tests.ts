/** Which tests belong to a file, and in which order they find a fault soonest. */
import type { Reach } from "./reach.ts";
import type { Repository } from "./repository.ts";
import type { TestUnit } from "./run.ts";

/** Folders of tests that run all of a package, where they are not named as it is. */
const packageOf: Readonly<Record<string, string>> = { webgpu: "core" };

/** Folders of tests that run functions; others start programs, which takes long. */
const quick: readonly string[] = ["core", "webgpu", "autodiff", "models", "objectives"];

/** A test, and how near it is to the file. */
export interface BelongingTest extends TestUnit {
  /** Whether it is of the file's package. */
  readonly isOwn: boolean;
  /** 0 for the file's own examples, 1 for a test file that names something of the file. */
  readonly distance: number;
}

/** The folder of a path in the first folder, such as `core` of `tests/core/sums.test.ts`. */
const folderOf = (test: string): string | undefined => test.split("/")[1];

/** Whether a test is of the package that a file is of. */
function isOf(test: string, file: string): boolean {
  const folder = folderOf(test) ?? "";
  return file.startsWith(`${packageOf[folder] ?? folder}/`);
}

/**
 * The tests that belong to a file: its own examples, the tests of its package that run it, and
 * those of other packages unless they start programs.
 *
 * @param repository The files.
 * @param reach What runs what.
 * @returns A function from a file to its tests.
 */
export function testsFor(
  { files }: Repository,
  reach: Reach,
): (file: string) => readonly BelongingTest[] {
  const tests = [...files.keys()].filter((path) =>
    path.startsWith("tests/") && path.endsWith(".test.ts")
  );
  const distances = new Map(tests.map((test) => [test, reach.from(test)]));
  return (file) => {
    const examples = files.get(file)?.includes(" * ```ts\n")
      ? [{ name: `the examples of ${file}`, args: ["--doc", file], isOwn: true, distance: 0 }]
      : [];
    const reaching = tests.flatMap((test) => {
      const distance = distances.get(test)?.get(file);
      const isOwn = isOf(test, file);
      return distance === undefined || !(isOwn || quick.includes(folderOf(test) ?? ""))
        ? []
        : [{ name: test, args: [test], isOwn, distance }];
    });
    return [...examples, ...reaching];
  };
}

/** Seconds that a test is taken to need before it was run. */
const TYPICAL = 2;

/**
 * Tests in the order in which they are run: those of the package before others, and among them what
 * is near and quick before what is far and slow.
 *
 * @param tests The tests of a file.
 * @param secondsOf How long a test takes, where that is known.
 * @returns The same tests.
 */
export function inOrder(
  tests: readonly BelongingTest[],
  secondsOf: (test: TestUnit) => number | undefined,
): BelongingTest[] {
  const costs = new Map(
    tests.map((test) => [test.name, (secondsOf(test) ?? TYPICAL) * (1 + test.distance)]),
  );
  const costOf = ({ name }: TestUnit) => costs.get(name) ?? Infinity;
  return tests.toSorted((a, b) =>
    Number(b.isOwn) - Number(a.isOwn) || costOf(a) - costOf(b) || (a.name < b.name ? -1 : 1)
  );
}
