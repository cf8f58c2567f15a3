/**
 * The reward of code: an answer's program is run against the tests of its row.
 *
 * @module
 */

import { type Answered, type Asked, type TextReward, UserError } from "@unitune/training";
import type { Trial } from "./program_main.ts";
import { pooled } from "../run/pool.ts";
import { type ProcessLimits, startProcess } from "./process.ts";

/** The column with the tests. */
const TESTS = "tests";

/** The tests of a row: a text, or texts that are run one after the other. */
function testsOf({ columns: { [TESTS]: tests } }: Asked): string | undefined {
  const texts: readonly unknown[] = Array.isArray(tests) ? tests : [tests];
  const all = texts.filter((text) => typeof text === "string");
  return all.length < texts.length || all.join("").trim() === "" ? undefined : all.join("\n");
}

/** A block of code in Markdown, with a language or without. */
const BLOCK = /^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```/gms;

/**
 * The program in an answer: its last block of code, or all of it if there is none.
 *
 * @param answer The answer.
 * @returns The program.
 *
 * @example
 * ```ts
 * import { programOf } from "./code.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fence = "`".repeat(3);
 * const answer = `So:\n${fence}ts\nconst one = 1;\n${fence}\nThat is it.`;
 * assertEquals(programOf(answer), "const one = 1;\n");
 * assertEquals(programOf("const one = 1;"), "const one = 1;");
 * ```
 */
export function programOf(answer: string): string {
  return [...answer.matchAll(BLOCK)].at(-1)?.[1] ?? answer;
}

/** What a process does that runs a program. */
const MAIN = new URL("./program_main.ts", import.meta.url).href;

/** The most seconds for a process to start, which runs nothing of others yet. */
const START_SECONDS = 60;

/** Runs a program and its tests in a process of their own. */
async function passes(
  program: string,
  tests: string,
  limits: ProcessLimits,
): Promise<boolean> {
  const trial: Trial = {
    // A comment that the program leaves open ends before the tests.
    module: `${program}\n/**/;\n${tests}`,
    word: crypto.randomUUID(),
  };
  const source = `import { serve } from ${JSON.stringify(MAIN)};\nserve(line);`;
  await using child = await startProcess({ ...limits, source, loadSeconds: START_SECONDS });
  const ready = await child.ready;
  if (ready.kind !== "message") {
    throw new UserError(
      `the reward code could not start a process for a program (${ready.kind}): give it more memory ` +
        `by --reward-memory, or close other programs`,
    );
  }
  const answer = await child.ask(trial);
  return answer.kind === "message" && answer.message === trial.word;
}

/**
 * Makes a reward that is 1 for complete answers whose program passes the tests of the row, and 0 for
 * all others: programs that throw, that do not end in time, that need more memory, or that ask for
 * anything outside. Null for a row without tests.
 *
 * The program and the tests are one module in TypeScript, which has no permissions; a test throws an
 * error if it fails. A program can read its tests, and change what they use.
 *
 * @param limits The limits of each program.
 * @returns The reward.
 *
 * @example
 * ```ts
 * import { codeReward } from "./code.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const columns = { tests: ["if (add(1, 2) !== 3) throw new Error('3')"] };
 * const answered = { prompt: "Write add.", ids: [], isEnded: true, columns };
 * const answers = ["+", "-"].map((sign) => ({
 *   ...answered,
 *   answer: `const add = (a: number, b: number): number => a ${sign} b;`,
 * }));
 * const { score } = codeReward({ seconds: 60, mebibytes: 128 });
 * assertEquals(await score(answers), [1, 0]);
 * ```
 */
export function codeReward(limits: ProcessLimits): TextReward {
  const judge = async ({ answer, isEnded, ...asked }: Answered): Promise<number | null> => {
    const tests = testsOf(asked);
    if (tests === undefined) return null;
    return Number(isEnded && await passes(programOf(answer), tests, limits));
  };
  // As many processes at a time as there are processors.
  const run = pooled(Array.from({ length: navigator.hardwareConcurrency }, () => judge));
  return {
    name: "code",
    reads: [TESTS],
    needs: "a text or a list of texts",
    isScorable: (asked) => testsOf(asked) !== undefined,
    score: (answers) => Promise.all(answers.map(run)),
  };
}
