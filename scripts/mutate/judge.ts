/** Whether the tests notice a mutant. */
import type { Copy } from "./copy.ts";
import type { Mutant } from "./mutants.ts";
import type { Outcome, TestUnit } from "./run.ts";

/** What became of a mutant. */
export type Verdict =
  /** A test failed, or came to no end. */
  | { readonly kind: "killed"; readonly by: string; readonly outcome: Outcome }
  /** All tests that run its file passed. */
  | { readonly kind: "survived" };

/** How long tests take. */
export interface Timings {
  /** Seconds that a test took when it passed; undefined before. */
  known(unit: TestUnit): number | undefined;
  /** Says that a test passed, and how long it took. */
  passed(unit: TestUnit, seconds: number): void;
  /** Seconds that a test takes without a change; null where it fails, and so can judge nothing. */
  secondsOf(unit: TestUnit): Promise<number | null>;
  /** The tests that failed without any change. */
  failing(): readonly string[];
}

/** Runs tests in a copy for at most so many seconds. */
export type Runner = (unit: TestUnit, copy: Copy, limit: number) => Promise<Outcome>;

/** Seconds that a test has in any case: what a busy machine takes to start a process. */
const GRACE = 20;

/** How many times as long as without the change a test may take. */
const SLOWNESS = 5;

/** Seconds that a test has which never passed so far. */
const FIRST = 60;

/** Seconds after which a test without a change counts as failed. */
const LONGEST = 600;

const limitFor = (seconds: number) => GRACE + SLOWNESS * seconds;

/**
 * The times of tests, each of which is measured at most once.
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

/** What a test says of a change, or undefined where it says nothing. */
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
 * @param timings How long they take.
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
