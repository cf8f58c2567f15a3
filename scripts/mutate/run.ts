/** Runs of test files, each a process of its own, which is ended together with its children. */
import { testPermissions } from "../test_permissions.ts";
import type { Copy } from "./copy.ts";

/** Tests that are run at once. */
export interface TestUnit {
  /** The name in messages: a path, or the examples of one. */
  readonly name: string;
  /** The arguments of `deno test`. */
  readonly args: readonly string[];
}

/** The outcome of a run. */
export interface Outcome {
  /** All tests passed; one failed, or the process ended itself; or the time limit was reached. */
  readonly kind: "passed" | "failed" | "timed out";
  /** Its time, in seconds. */
  readonly seconds: number;
  /** Its output. */
  readonly output: string;
}

/** Ends a process that leads its own group, and its group, unless they have ended by themselves. */
async function endGroup({ pid }: Deno.ChildProcess): Promise<void> {
  await new Deno.Command("sh", { args: ["-c", 'kill -KILL "-$0"', `${pid}`], stderr: "null" })
    .output();
}

/** Megabytes of objects at which a process counts as failed, long before the machine is full. */
const MEMORY = 2048;

/**
 * Runs tests in a copy until the first failure.
 *
 * @param unit The tests to run.
 * @param copy The copy of the tree.
 * @param limit Seconds after which the run is ended.
 * @param options Who ends the run, and the folder in which the lines that are run are noted, those
 * of programs that a test starts among them (default: they are not).
 * @returns The outcome.
 */
export async function runTests(
  unit: TestUnit,
  copy: Copy,
  limit: number,
  { signal, coverage }: { readonly signal?: AbortSignal; readonly coverage?: string } = {},
): Promise<Outcome> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "--no-check", "--lock=deno.lock", "--frozen", "--fail-fast", "--quiet"],
      `--v8-flags=--max-old-space-size=${MEMORY}`,
      ...(coverage === undefined ? [] : [`--coverage=${coverage}`, "--coverage-raw-data-only"]),
      ...testPermissions([copy.root]),
      ...unit.args,
    ],
    cwd: copy.root,
    // The variable is for the programs that a test starts.
    env: { ...copy.environment, ...coverage !== undefined && { DENO_COVERAGE_DIR: coverage } },
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isOver = false;
  const end = () => {
    isOver = true;
    endGroup(child);
  };
  const timer = setTimeout(end, 1000 * limit);
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end);
  const { code, stdout, stderr } = await child.output();
  signal?.removeEventListener("abort", end);
  clearTimeout(timer);
  const output = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  const seconds = (performance.now() - started) / 1000;
  return { kind: isOver ? "timed out" : code === 0 ? "passed" : "failed", seconds, output };
}
