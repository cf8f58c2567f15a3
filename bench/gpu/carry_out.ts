/** Carries out a measurement: its program, until its end or the end of its time. */
import type { Measurement } from "./measurements.ts";

/** A line that a run wrote, and when it was there. */
export interface TimedLine {
  /** Seconds since the start of the program. */
  readonly seconds: number;
  /** The line's JSON. */
  readonly line: unknown;
}

/** The results of a measurement, or the reason why there are none. */
export type Outcome =
  & { readonly measurement: Measurement; readonly seconds: number }
  & ({ readonly result: unknown } | { readonly missing: string });

/** The last line that is not empty. */
function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** Milliseconds between two looks at the file that a run writes. */
const LOOK_MILLISECONDS = 50;

/** The complete lines of a file, as far as it is there. */
async function linesOf(file: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(file)).split("\n").slice(0, -1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Watches the lines of a file until it is told that no more come. */
async function watchLines(file: string, isOver: () => boolean): Promise<TimedLine[]> {
  const start = performance.now();
  const seen: TimedLine[] = [];
  for (let isLast = false; !isLast;) {
    isLast = isOver();
    const seconds = (performance.now() - start) / 1000;
    for (const line of (await linesOf(file)).slice(seen.length)) {
      seen.push({ seconds, line: JSON.parse(line) });
    }
    if (!isLast) await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
  }
  return seen;
}

/**
 * Carries out a measurement.
 *
 * @param measurement Its program prints JSON; that of a run writes lines of metrics.
 * @param metrics The file of the run's metrics.
 * @param loader The folder of Vulkan's loader, where the system has none.
 * @returns The JSON, or the run's lines with their times: those of its time, if it ended too late.
 */
export async function carryOut(
  measurement: Measurement,
  metrics: string,
  loader?: string,
): Promise<Outcome> {
  const { args, kind, seconds: limit } = measurement;
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...(loader !== undefined && { LD_LIBRARY_PATH: loader }) },
  }).spawn();
  let [isOver, isLate] = [false, false];
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, 1000 * limit);
  const watched = kind === "run" ? watchLines(metrics, () => isOver) : undefined;
  const { code, stdout, stderr } = await child.output();
  isOver = true;
  clearTimeout(timer);
  const lines = await watched;
  const seconds = (performance.now() - start) / 1000;
  const decoder = new TextDecoder();
  // The steps that a run has taken in its time tell their rate as well.
  if (isLate && lines !== undefined && lines.length > 0) {
    return { measurement, seconds, result: lines };
  }
  if (isLate) return { measurement, seconds, missing: `it took more than ${limit} seconds` };
  if (code !== 0) {
    const why = lastLine(decoder.decode(stderr)) || "without a word";
    return { measurement, seconds, missing: `it ended with code ${code}: ${why}` };
  }
  try {
    return { measurement, seconds, result: lines ?? JSON.parse(decoder.decode(stdout)) };
  } catch {
    return { measurement, seconds, missing: "it printed no JSON" };
  }
}
