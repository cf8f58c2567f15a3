/**
 * The progress of a run: a bar on a terminal, plain lines elsewhere.
 *
 * @module
 */

import { clipped, printable, printableLines } from "@unitune/core";
import { wrapText } from "./layout.ts";

/** What the latest steps have measured. */
export interface Measured {
  /** The loss, where it is known by now. */
  readonly loss?: number | undefined;
  /** The mean reward of answers, where answers are rewarded. */
  readonly reward?: number | undefined;
}

/** How far a run is. */
export interface Progress extends Measured {
  /** Steps done. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  /** Steps a second, where two steps have been timed. */
  readonly rate?: number | undefined;
  /** What is done between two steps, if anything. */
  readonly phase?: string | undefined;
}

/**
 * A duration in its two largest units.
 *
 * @param seconds The duration.
 * @returns `"45s"`, `"2m 05s"`, `"3h 07m"`.
 *
 * @example
 * ```ts
 * import { formatDuration } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatDuration(125), "2m 05s");
 * ```
 */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (count: number) => String(count).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${two(whole % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

/**
 * A rate in whatever unit needs no leading zeros.
 *
 * @param rate Steps a second.
 * @returns `"12.3 steps/s"`, or `"4.0 s/step"` below one.
 *
 * @example
 * ```ts
 * import { formatRate } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatRate(12.34), "12.3 steps/s");
 * assertEquals(formatRate(0.25), "4.0 s/step");
 * ```
 */
export function formatRate(rate: number): string {
  return rate >= 1 ? `${rate.toFixed(1)} steps/s` : `${(1 / rate).toFixed(1)} s/step`;
}

/**
 * A measured number in few characters that do not hide it: four decimals, or two significant digits
 * and an exponent where four decimals would show less than two of them.
 *
 * @param value The number.
 * @returns `"0.6931"`, `"-3.1e-6"`, `"0"`.
 *
 * @example
 * ```ts
 * import { formatMeasured } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([Math.LN2, -3.14e-6, -0].map(formatMeasured), ["0.6931", "-3.1e-6", "0"]);
 * ```
 */
export function formatMeasured(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 || !Number.isFinite(value)
    ? value.toFixed(4)
    : value.toExponential(1);
}

/** What is known about a run, from the most to the least important. */
function facts({ step, steps, reward, loss, rate, phase }: Progress): string[] {
  const known = [`${step}/${steps}`];
  if (phase !== undefined) known.push(phase);
  // The loss of rewarded answers is about 0 whatever they are worth.
  if (reward !== undefined) known.push(`reward ${formatMeasured(reward)}`);
  if (loss !== undefined) known.push(`loss ${formatMeasured(loss)}`);
  if (rate !== undefined && rate > 0) {
    known.push(`${formatDuration((steps - step) / rate)} left`, formatRate(rate));
  }
  return known;
}

/**
 * A progress bar that fits on one line: what is known, behind a bar of what is left of the width.
 * Where there is not enough of it, the bar goes first, then the least important facts.
 *
 * @param progress How far the run is.
 * @param columns The width of the terminal.
 * @returns A line of fewer than `columns` characters, so that the cursor does not wrap.
 *
 * @example
 * ```ts
 * import { formatBar } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   formatBar({ step: 25, steps: 100, loss: 1.5, rate: 5 }, 60),
 *   "[##         ] 25/100 · loss 1.5000 · 15s left · 5.0 steps/s",
 * );
 * ```
 */
export function formatBar(progress: Progress, columns: number): string {
  const known = facts(progress);
  const width = columns - 1;
  while (known.length > 1 && known.join(" · ").length > width) known.pop();
  const text = known.join(" · ").slice(0, Math.max(0, width));
  const inner = Math.min(40, width - text.length - "[] ".length);
  if (inner < 8) return text;
  const done = progress.steps > 0 ? Math.min(1, progress.step / progress.steps) : 1;
  return `[${"#".repeat(Math.floor(done * inner)).padEnd(inner)}] ${text}`;
}

/**
 * Progress as a plain line, for a file or a pipe.
 *
 * @param progress How far the run is.
 * @returns The line, without its newline.
 *
 * @example
 * ```ts
 * import { formatLine } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatLine({ step: 25, steps: 100, loss: 1.5 }), "step 25/100 · loss 1.5000");
 * ```
 */
export function formatLine(progress: Progress): string {
  return `step ${facts(progress).join(" · ")}`;
}

/** Where progress is shown. */
export interface ProgressOutput {
  /** Writes a text as it is. */
  write(text: string): void;
  /** The width of the terminal; undefined where the output is none. */
  columns(): number | undefined;
  /** A clock, in milliseconds. */
  now(): number;
}

/** Shows how far a run is. */
export interface ProgressReporter extends Disposable {
  /** Steps done, and what the latest have measured; unless told, what was shown before. */
  update(step: number, measured?: Measured): void;
  /** What is done until the next step. */
  phase(name: string): void;
  /** Prints lines that stay, above the bar. */
  print(text: string): void;
  /** Shows the last state for good. */
  [Symbol.dispose](): void;
}

/** Shows nothing. */
export const silentProgress: ProgressReporter = {
  update: () => {},
  phase: () => {},
  print: () => {},
  [Symbol.dispose]: () => {},
};

/** Characters of a phase's name that are shown. */
const LONGEST_PHASE = 80;

/** A terminal's bar is drawn at most this often, in milliseconds. */
const redrawEvery = 100;

/**
 * A reporter of a run's progress.
 *
 * On a terminal one line is drawn over and over; elsewhere a line is printed every `lineEvery` steps
 * and at the last. The rate is that of this run since the first step after its first update, which
 * has the time of compiling behind it.
 *
 * @param output Where to show it.
 * @param steps Steps in all.
 * @param lineEvery How many steps lie between two plain lines.
 * @returns The reporter.
 *
 * @example
 * ```ts
 * import { progressReporter } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const written: string[] = [];
 * const write = (text: string) => written.push(text);
 * const output = { write, columns: () => undefined, now: () => 0 };
 * {
 *   using progress = progressReporter(output, 2, 1);
 *   progress.update(1, { loss: 0.5 });
 * }
 * assertEquals(written, ["step 1/2 · loss 0.5000\n"]);
 * ```
 */
export function progressReporter(
  output: ProgressOutput,
  steps: number,
  lineEvery: number,
): ProgressReporter {
  let begun: number | undefined;
  let start: { readonly step: number; readonly time: number } | undefined;
  let latest: Progress = { step: 0, steps };
  let shown: { readonly progress: Progress; readonly time: number } | undefined;

  const show = (text: string) => {
    output.write(text);
    shown = { progress: latest, time: output.now() };
  };
  const draw = (columns: number) => show(`\r${clearToEnd}${formatBar(latest, columns)}`);

  return {
    update(step, measured = { loss: latest.loss, reward: latest.reward }) {
      const time = output.now();
      begun ??= step;
      if (step > begun) start ??= { step, time };
      const elapsed = start === undefined ? 0 : (time - start.time) / 1000;
      const rate = start !== undefined && elapsed > 0 ? (step - start.step) / elapsed : undefined;
      latest = { ...measured, step, steps, rate };
      const columns = output.columns();
      if (columns === undefined) {
        if (step > 0 && (step % lineEvery === 0 || step === steps)) show(`${formatLine(latest)}\n`);
      } else if (shown === undefined || step === steps || time - shown.time >= redrawEvery) {
        draw(columns);
      }
    },
    phase(name) {
      latest = { ...latest, phase: printable(clipped(name, LONGEST_PHASE)) };
      const columns = output.columns();
      if (columns !== undefined) draw(columns);
    },
    print(given) {
      const text = printableLines(given);
      const columns = output.columns();
      if (columns === undefined) {
        output.write(`${text}\n`);
      } else {
        output.write(`\r${clearToEnd}${wrapText(text, "  ", columns)}\n`);
        draw(columns);
      }
    },
    [Symbol.dispose]() {
      const columns = output.columns();
      const { phase: _, ...last } = latest;
      latest = last;
      if (columns !== undefined) {
        draw(columns);
        output.write("\n");
      } else if (latest.step > 0 && shown?.progress.step !== latest.step) {
        show(`${formatLine(latest)}\n`);
      }
    },
  };
}

/** The terminal's control sequence that clears from the cursor to the end of the line. */
const clearToEnd = "\x1b[K";

/**
 * Standard error as an output: progress stays out of what a command prints as its result. A reader
 * or a terminal that is gone, or a full disk behind a redirection, is no reason to stop.
 *
 * @returns The output.
 */
export function standardProgress(): ProgressOutput {
  const encoder = new TextEncoder();
  return {
    write: (text) => {
      try {
        Deno.stderr.writeSync(encoder.encode(text));
      } catch {
        // Nobody reads it any more.
      }
    },
    columns: () => {
      if (!Deno.stderr.isTerminal()) return undefined;
      try {
        // A terminal that does not know its size says 0.
        return Deno.consoleSize().columns || 80;
      } catch {
        return undefined;
      }
    },
    now: () => performance.now(),
  };
}
