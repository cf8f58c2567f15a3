/** Whether the tests notice a mutant. */
import type { Copy } from "./copy.ts";
import type { Mutant } from "./mutants.ts";
import type { Outcome, TestUnit } from "./run.ts";

/** The verdict on a mutant. */
export type Verdict =
  /** A test failed, or did not end. */
  | { readonly kind: "killed"; readonly by: string; readonly outcome: Outcome }
  /** All tests that run its file passed. */
  | { readonly kind: "survived" };

/** The times of tests. */
export interface Timings {
  /** Seconds that a test took when it passed; undefined before. */
  known(unit: TestUnit): number | undefined;
  /** Records that a test passed, and its time. */
  passed(unit: TestUnit, seconds: number): void;
  /**
   * Seconds that a test takes without a change; null if it fails, so that it cannot judge a mutant.
   */
  secondsOf(unit: TestUnit): Promise<number | null>;
  /** The tests that failed without any change. */
  failing(): readonly string[];
}

/** Runs tests in a copy for at most `limit` seconds. */
export type Runner = (unit: TestUnit, copy: Copy, limit: number) => Promise<Outcome>;

/** Seconds that every test has: the time that a busy machine takes to start a process. */
const GRACE = 20;

/** The longest time of a test, as a multiple of its time without the change. */
const SLOWNESS = 5;

/** Seconds for a test that has never passed so far. */
const FIRST = 60;

/** Seconds after which a test without a change counts as failed. */
const LONGEST = 600;

const limitFor = (seconds: number) => GRACE + SLOWNESS * seconds;

/**
 * The times of tests, each measured at most once.
 *
 * @param run Runs tests.
 * @param copy A copy without a change.
 * @returns The times.
 */
export function timingsOf(run: Runner, copy: Copy): Timings {
  const known = new Map<string, number>();
  const measured = new Map<string, Promise<number | null>>();
  const failing: string[] = [];
  const measure = async (unit: TestUnit) => {
    const outcome = await run(unit, copy, LONGEST);
    if (outcome.kind === "passed") {
      known.set(unit.name, outcome.seconds);
      return outcome.seconds;
    }
    failing.push(unit.name);
    return null;
  };
  return {
    known: ({ name }) => known.get(name),
    passed: ({ name }, seconds) => void known.set(name, seconds),
    failing: () => failing,
    async secondsOf(unit) {
      const found = known.get(unit.name) ?? measured.get(unit.name) ?? measure(unit);
      if (typeof found !== "number") measured.set(unit.name, found);
      return await found;
    },
  };
}

/** The outcome of a test on a change; undefined if the test cannot judge it. */
async function outcomeOf(
  unit: TestUnit,
  copy: Copy,
  run: Runner,
  timings: Timings,
): Promise<Outcome | undefined> {
  const known = timings.known(unit);
  const limit = known === undefined ? FIRST : limitFor(known);
  const outcome = await run(unit, copy, limit);
  if (outcome.kind === "passed") {
    timings.passed(unit, outcome.seconds);
    return outcome;
  }
  // A failure counts only if the test passes without the change.
  const seconds = await timings.secondsOf(unit);
  if (seconds === null) return undefined;
  return outcome.kind === "timed out" && limitFor(seconds) > limit
    ? await run(unit, copy, limitFor(seconds))
    : outcome;
}

/**
 * Runs the tests of a mutant's file, one after the other, until one notices the change.
 *
 * @param mutant The mutant.
 * @param tests The tests, in their order.
 * @param copy A copy of the tree, in which the file is changed while they run.
 * @param run Runs tests.
 * @param timings The times of the tests.
 * @returns The verdict.
 */
export async function judge(
  { file, text }: Pick<Mutant, "file" | "text">,
  tests: readonly TestUnit[],
  copy: Copy,
  run: Runner,
  timings: Timings,
): Promise<Verdict> {
  const path = copy.root + file;
  const whole = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text);
  try {
    for (const unit of tests) {
      const outcome = await outcomeOf(unit, copy, run, timings);
      if (outcome !== undefined && outcome.kind !== "passed") {
        return { kind: "killed", by: unit.name, outcome };
      }
    }
    return { kind: "survived" };
  } finally {
    await Deno.writeTextFile(path, whole);
  }
}
