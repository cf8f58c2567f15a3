/**
 * The progress of a run: a bar on a terminal, plain lines elsewhere.
 *
 * @module
 */

import { abridged, printable, printableLines } from "@unitune/core";
import type { Measured } from "@unitune/training";
import { WIDTH, wrapText } from "./layout.ts";

/** The progress of a run. */
export interface Progress extends Measured {
  /** The number of finished steps. */
  readonly step: number;
  /** The total number of steps. */
  readonly steps: number;
  /** Steps per second; undefined until two steps have been timed. */
  readonly rate?: number | undefined;
  /** Training tokens per second, without padding; undefined where none are counted. */
  readonly tokenRate?: number | undefined;
  /** The name of the work between two steps, such as an evaluation. */
  readonly phase?: string | undefined;
  /** What is counted (default: steps). */
  readonly unit?: ProgressUnit | undefined;
}

/** What progress counts. */
export interface ProgressUnit {
  /** The words in front of a plain line. */
  readonly lead: string;
  /** The finished part of the whole, as a text. */
  readonly part: (step: number, steps: number) => string;
  /** A rate as a text, from a number each second. */
  readonly rate: (rate: number) => string;
}

/** Steps of a training. */
const stepUnit: ProgressUnit = {
  lead: "step",
  part: (step, steps) => `${step}/${steps}`,
  rate: (rate) => formatRate(rate),
};

/** Answers to prompts. */
export const answerUnit: ProgressUnit = {
  lead: "answer",
  part: stepUnit.part,
  rate: (rate) => formatRate(rate, "answer"),
};

/** Bytes of a download. */
export const byteUnit: ProgressUnit = {
  lead: "downloaded",
  part: (bytes, all) => `${formatBytes(bytes)} of ${formatBytes(all)}`,
  rate: (rate) => `${formatBytes(rate)}/s`,
};

/**
 * Formats a number of bytes in decimal units, as the hub does.
 *
 * @param bytes The number.
 * @returns `"512 B"`, `"3.4 MB"`, `"1.2 GB"`.
 *
 * @example
 * ```ts
 * import { formatBytes } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([512, 999_999, 269e6, 1.2e9].map(formatBytes), ["512 B", "1.0 MB", "269.0 MB", "1.2 GB"]);
 * ```
 */
export function formatBytes(bytes: number): string {
  const units = ["kB", "MB", "GB", "TB"];
  const thousands = units.findLastIndex((_, i) => bytes >= 999.95 * 1000 ** i);
  const unit = units[thousands];
  if (unit === undefined) return `${Math.round(bytes)} B`;
  return `${(bytes / 1000 ** (thousands + 1)).toFixed(1)} ${unit}`;
}

/**
 * Formats a duration in its two largest units.
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
 * Formats a rate in the unit that needs no leading zeros.
 *
 * @param rate Steps per second.
 * @param unit The word for a step (default "step").
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
export function formatRate(rate: number, unit = "step"): string {
  return rate >= 1 ? `${rate.toFixed(1)} ${unit}s/s` : `${(1 / rate).toFixed(1)} s/${unit}`;
}

/**
 * Formats a metric in few characters: with four decimals, or with two significant digits and an
 * exponent if four decimals would show fewer than two digits.
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

/** The known facts about a run, the most important first. */
function facts(progress: Progress): string[] {
  const { step, steps, rate, tokenRate, phase, unit = stepUnit } = progress;
  const { reward, unscorable, loss, padding } = progress;
  const known = [unit.part(step, steps)];
  if (phase !== undefined) known.push(phase);
  // The loss of rewarded answers is about 0 whatever the rewards are.
  if (reward !== undefined) known.push(`reward ${formatMeasured(reward)}`);
  if (unscorable !== undefined) {
    known.push(`${Math.max(1, Math.round(100 * unscorable))} % unscorable`);
  }
  if (loss !== undefined) known.push(`loss ${formatMeasured(loss)}`);
  if (rate !== undefined && rate > 0) {
    known.push(`${formatDuration((steps - step) / rate)} left`, unit.rate(rate));
  }
  if (tokenRate !== undefined) {
    known.push(`${Math.round(tokenRate).toLocaleString("en-US")} tokens/s`);
  }
  if (padding !== undefined) known.push(`${Math.round(100 * padding)} % padding`);
  return known;
}

/** The facts that a width has room for, the most important one at any width. */
function factsWithin(progress: Progress, width: number): string {
  const known = facts(progress);
  while (known.length > 1 && known.join(" · ").length > width) known.pop();
  return known.join(" · ");
}

/**
 * Formats progress as a line with a bar, for a terminal. On a narrow terminal the bar is omitted
 * first, then the least important facts.
 *
 * @param progress The progress.
 * @param columns The width of the terminal.
 * @returns A line with fewer than `columns` characters, so that the cursor does not wrap.
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
  const width = columns - 1;
  const text = factsWithin(progress, width).slice(0, Math.max(0, width));
  const inner = Math.min(40, width - text.length - "[] ".length);
  if (inner < 8) return text;
  const done = progress.steps > 0 ? Math.min(1, progress.step / progress.steps) : 1;
  return `[${"#".repeat(Math.floor(done * inner)).padEnd(inner)}] ${text}`;
}

/**
 * Formats progress as a plain line, for a file or a pipe, without the least important facts where it
 * would be longer than other lines.
 *
 * @param progress The progress.
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
  const { lead } = progress.unit ?? stepUnit;
  return `${lead} ${factsWithin(progress, WIDTH - lead.length - 1)}`;
}

/** An output for progress. */
export interface ProgressOutput {
  /** Writes a text without changing it. */
  write(text: string): void;
  /** The width of the terminal; undefined if the output is not a terminal. */
  columns(): number | undefined;
  /** The time in milliseconds. */
  now(): number;
}

/** Shows the progress of a run. */
export interface ProgressReporter extends Disposable {
  /**
   * Shows the number of finished steps, and metrics (default: those shown before).
   *
   * @param step The number of finished steps.
   * @param measured The metrics.
   * @param tokens The tokens of all finished steps (default: none are counted).
   */
  update(step: number, measured?: Measured, tokens?: number): void;
  /** Shows the name of the work before the next step. */
  phase(name: string): void;
  /** Prints lines above the bar, which stay. */
  print(text: string): void;
  /** Shows the last state, which stays. */
  [Symbol.dispose](): void;
}

/** A reporter that shows nothing. */
export const silentProgress: ProgressReporter = {
  update: () => {},
  phase: () => {},
  print: () => {},
  [Symbol.dispose]: () => {},
};

/** What was done until a time, in milliseconds. */
interface Moment {
  readonly step: number;
  readonly time: number;
  readonly tokens: number | undefined;
}

/** The rates between two moments; undefined where no time is between them. */
function ratesSince(
  start: Moment | undefined,
  now: Moment,
): Pick<Progress, "rate" | "tokenRate"> {
  if (start === undefined || now.time === start.time) return {};
  const perSecond = (done: number) => done * 1000 / (now.time - start.time);
  return {
    rate: perSecond(now.step - start.step),
    ...now.tokens !== undefined && start.tokens !== undefined && {
      tokenRate: perSecond(now.tokens - start.tokens),
    },
  };
}

/** The most characters of a phase's name that are shown. */
const LONGEST_PHASE = 80;

/** The least time between two drawings of the bar, in milliseconds. */
const redrawEvery = 100;

/**
 * Makes a reporter of a run's progress.
 *
 * A terminal gets one line, which is redrawn; other outputs get a line whenever another `lineEvery`
 * steps are finished, and at the last step. The rate is measured from the second update on, since
 * the first step compiles.
 *
 * @param output The output.
 * @param steps The total number of steps.
 * @param lineEvery The number of steps between two plain lines.
 * @param unit What is counted (default: steps).
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
  unit: ProgressUnit = stepUnit,
): ProgressReporter {
  let begun: number | undefined;
  let start: Moment | undefined;
  let latest: Progress = { step: 0, steps, unit };
  let shown: { readonly progress: Progress; readonly time: number } | undefined;

  const show = (text: string) => {
    output.write(text);
    shown = { progress: latest, time: output.now() };
  };
  const draw = (columns: number) => show(`\r${clearToEnd}${formatBar(latest, columns)}`);

  return {
    update(
      step,
      measured = {
        ...{ loss: latest.loss, padding: latest.padding },
        ...{ reward: latest.reward, unscorable: latest.unscorable },
      },
      tokens,
    ) {
      const time = output.now();
      // The steps before the first update were not made here.
      const before = begun === undefined ? step - 1 : latest.step;
      begun ??= step;
      if (step > begun) start ??= { step, time, tokens };
      latest = { ...measured, step, steps, unit, ...ratesSince(start, { step, time, tokens }) };
      const columns = output.columns();
      if (columns === undefined) {
        const isDue = Math.floor(step / lineEvery) > Math.floor(before / lineEvery);
        if (step > Math.max(before, 0) && (isDue || step === steps)) {
          show(`${formatLine(latest)}\n`);
        }
      } else if (shown === undefined || step === steps || time - shown.time >= redrawEvery) {
        draw(columns);
      }
    },
    phase(name) {
      latest = { ...latest, phase: printable(abridged(name, LONGEST_PHASE)) };
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
 * Standard error as an output for progress, apart from the results on standard output. A closed
 * pipe or terminal, or a full disk behind a redirection, does not stop the command.
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
        // The reader is gone, or the disk is full.
      }
    },
    columns: () => {
      if (!Deno.stderr.isTerminal()) return undefined;
      try {
        // 0 if the terminal does not know its size.
        return Deno.consoleSize().columns || 80;
      } catch {
        return undefined;
      }
    },
    now: () => performance.now(),
  };
}
