/** Whether the tests notice a mutant. */
import type { Baselines } from "./baselines.ts";
import type { Copy } from "./copy.ts";
import type { Mutant } from "./mutants.ts";
import type { Outcome, TestUnit } from "./run.ts";

/** The verdict on a mutant. */
export type Verdict =
  /** A test failed, or did not end. */
  | { readonly kind: "killed"; readonly by: string; readonly outcome: Outcome }
  /** All tests that run its file passed. */
  | { readonly kind: "survived" };

/** Runs tests in a copy for at most `limit` seconds. */
export type Runner = (unit: TestUnit, copy: Copy, limit: number) => Promise<Outcome>;

/** Seconds that every test has: the time that a busy machine takes to start a process. */
const GRACE = 20;

/** The longest time of a test, as a multiple of its time without the change. */
const SLOWNESS = 5;

const limitFor = (seconds: number) => GRACE + SLOWNESS * seconds;

/**
 * Runs the tests that run a mutant's line, one after the other, until one notices the change. Of some
 * code no coverage is known, such as that of threads: where no test has run the line, all that load the
 * file are run, and where none has loaded it, all that import it. Where a time is given, the nearest
 * tests have it, each counted as its fastest run, and what they do not notice counts as survived, so
 * that a rate of a run is at least what it says.
 *
 * @param mutant The mutant.
 * @param tests The tests, in their order.
 * @param copy A copy of the tree, in which the file is changed while they run.
 * @param run Runs tests.
 * @param baselines The tests without the change.
 * @param within The seconds after which no further test is begun (default Infinity).
 * @returns The verdict.
 */
export async function judge(
  { file, line, text }: Pick<Mutant, "file" | "line" | "text">,
  tests: readonly TestUnit[],
  copy: Copy,
  run: Runner,
  baselines: Baselines,
  within = Infinity,
): Promise<Verdict> {
  const path = copy.root + file;
  const whole = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text);
  try {
    let isCovered = false;
    let spent = 0;
    const failureOf = async (unit: TestUnit, seconds: number): Promise<Verdict | undefined> => {
      const outcome = await run(unit, copy, limitFor(seconds));
      if (outcome.kind !== "passed") return { kind: "killed", by: unit.name, outcome };
      spent += baselines.passed(unit, outcome.seconds);
      return undefined;
    };
    const loading: (readonly [TestUnit, number])[] = [];
    const importing: (readonly [TestUnit, number])[] = [];
    for (const unit of tests) {
      const baseline = await baselines.of(unit);
      if (baseline === null) continue;
      const lines = baseline.lines.get(file);
      if (!lines?.has(line)) {
        (lines === undefined ? importing : loading).push([unit, baseline.seconds]);
        continue;
      }
      isCovered = true;
      const killed = await failureOf(unit, baseline.seconds);
      if (killed !== undefined) return killed;
      if (spent >= within) return { kind: "survived" };
    }
    if (isCovered) return { kind: "survived" };
    for (const [unit, seconds] of loading.length > 0 ? loading : importing) {
      const killed = await failureOf(unit, seconds);
      if (killed !== undefined) return killed;
      if (spent >= within) break;
    }
    return { kind: "survived" };
  } finally {
    await Deno.writeTextFile(path, whole);
  }
}
