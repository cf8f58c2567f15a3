/** Which tests belong to a file, and in which order they find a fault soonest. */
import type { Reach } from "./reach.ts";
import type { Repository } from "./repository.ts";
import type { TestUnit } from "./run.ts";

/** Folders of tests that run all of a package, where they are not named as it is. */
const packageOf: Readonly<Record<string, string>> = { webgpu: "core" };

/** Folders of tests that run functions; others start programs, which takes long. */
const quick: readonly string[] = ["core", "webgpu", "autodiff", "models", "objectives", "training"];

/** A test, and how near it is to the file. */
export interface BelongingTest extends TestUnit {
  /** Whether it is of the file's package. */
  readonly isOwn: boolean;
  /** 0 for the file's own examples, 1 for a test file that names something of the file. */
  readonly distance: number;
}

/** A test file, and the folder of `tests` that it stands in. */
const TEST = /^tests\/(?<folder>\w+)\/.*\.test\.ts$/;

/** Whether tests of a folder are of the package that a file is of. */
function areOf(folder: string, file: string): boolean {
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
        : [{ name, args: [name], isOwn, distance }];
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
