/** Tests without a change: whether they pass, in what time, and which lines they run. */
import type { Copy } from "./copy.ts";
import type { Outcome, TestUnit } from "./run.ts";

/** The lines that were run by file, from 1. A file that was loaded is there, whatever it ran. */
export type LinesByFile = ReadonlyMap<string, ReadonlySet<number>>;

/** A test that passes without a change. */
export interface Baseline {
  /** Its time, in seconds. */
  readonly seconds: number;
  /** The lines that it ran. */
  readonly lines: LinesByFile;
}

/** Tests without a change. */
export interface Baselines {
  /** The seconds of a test, if it was run before and passed: of its fastest run. */
  known(unit: TestUnit): number | undefined;
  /** Notes that a test has passed once more; the seconds of its fastest run. */
  passed(unit: TestUnit, seconds: number): number;
  /** Runs a test, once; null if it fails, so that it cannot judge a mutant. */
  of(unit: TestUnit): Promise<Baseline | null>;
  /** The tests that failed. */
  failing(): readonly string[];
}

/** Runs a test in a copy, and notes which lines it runs. */
export type CoveredRunner = (
  unit: TestUnit,
  copy: Copy,
  limit: number,
) => Promise<{ readonly outcome: Outcome; readonly lines: LinesByFile }>;

/** Seconds after which a test without a change counts as failed. */
const LONGEST = 600;

/**
 * Tests without a change, each run when it is first asked for.
 *
 * @param run Runs tests.
 * @param copy A copy without a change.
 * @returns The tests.
 */
export function baselinesOf(run: CoveredRunner, copy: Copy): Baselines {
  const begun = new Map<string, Promise<Baseline | null>>();
  const known = new Map<string, number>();
  const failing: string[] = [];
  // Other work on the machine only slows runs down.
  const passed = ({ name }: TestUnit, seconds: number): number => {
    const least = Math.min(seconds, known.get(name) ?? Infinity);
    known.set(name, least);
    return least;
  };
  const measure = async (unit: TestUnit): Promise<Baseline | null> => {
    const { outcome: { kind, seconds }, lines } = await run(unit, copy, LONGEST);
    if (kind !== "passed") {
      failing.push(unit.name);
      return null;
    }
    passed(unit, seconds);
    return { seconds, lines };
  };
  return {
    known: ({ name }) => known.get(name),
    passed,
    of: (unit) => {
      const found = begun.get(unit.name) ?? measure(unit);
      begun.set(unit.name, found);
      return found;
    },
    failing: () => failing,
  };
}

/**
 * The lines in a report of coverage.
 *
 * @param report The report, in the format of lcov: `SF:` before a file, `DA:LINE,COUNT` for each line.
 * @param root The folder of the files, as a path that ends with a slash.
 * @returns The lines by file, as paths from the root.
 */
export function linesIn(report: string, root: string): LinesByFile {
  const lines = new Map<string, Set<number>>();
  let current = new Set<number>();
  for (const entry of report.split("\n")) {
    const [, kind, rest = ""] = /^(SF|DA):(.*)$/.exec(entry) ?? [];
    if (kind === "SF") {
      current = new Set();
      if (rest.startsWith(root)) lines.set(rest.slice(root.length), current);
    } else if (kind === "DA") {
      const [line, count] = rest.split(",").map(Number);
      if (line !== undefined && count !== undefined && count > 0) current.add(line);
    }
  }
  return lines;
}

/**
 * The lines that tests have run, which Deno has noted in a folder.
 *
 * @param folder The folder.
 * @param copy The copy in which they ran.
 * @returns The lines; none if nothing was noted.
 */
export async function linesRun(folder: string, { root }: Copy): Promise<LinesByFile> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", "--quiet", "--lcov", folder],
    cwd: root,
    stdin: "null",
    stderr: "null",
  }).output();
  return linesIn(new TextDecoder().decode(stdout), root);
}
