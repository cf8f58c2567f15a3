/** Reports of the growth of cost: lines for a terminal, a document and its plot. */
import { curves, standaloneSvg } from "@unitune/cli/plot";
import { alignTable } from "@unitune/cli";
import { gigaflops } from "../arithmetic.ts";
import { brief, quartiles } from "../report.ts";
import type { Workload } from "../workloads.ts";
import type { Growth, GrowthPoint } from "./sweeps.ts";

/** The measurements of growth, and their circumstances. */
export interface GrowthReport {
  /** The version of Deno. */
  readonly deno: string;
  /** The backend. */
  readonly device: string;
  /** Logical processors of the machine. */
  readonly processors: number;
  /** The command that measured it. */
  readonly command: string;
  /** The workload that the sweeps have in common. */
  readonly base: Workload;
  /** The sweeps. */
  readonly growth: readonly Growth[];
}

const titles = ["size", "value", "GFLOP", "ms", "quartiles", "GFLOP/s", "MB"] as const;

function pointCells(
  size: string,
  { value, operations, milliseconds, bytes }: GrowthPoint,
): string[] {
  return [
    size,
    `${value}`,
    brief(operations / 1e9),
    brief(milliseconds.median),
    quartiles(milliseconds),
    brief(gigaflops(operations, milliseconds.median)),
    brief(bytes / 1e6),
  ];
}

const powerTitles = ["size", "power of time", "power of operations"] as const;

function powerCells({ size, exponent, expected }: Growth): string[] {
  return [size, exponent.toFixed(2), expected.toFixed(2)];
}

function pointRows(growth: readonly Growth[]): string[][] {
  return growth.flatMap(({ size, points }) => points.map((point) => pointCells(size, point)));
}

/** The report for a terminal. */
export function growthLines({ growth }: GrowthReport): string[] {
  return [
    ...alignTable([titles, ...pointRows(growth)]),
    "",
    ...alignTable([powerTitles, ...growth.map(powerCells)]),
  ];
}

/** Rows of cells as a table whose first column is text and whose others are numbers. */
function markdownTable([head = [], ...body]: readonly (readonly string[])[]): string[] {
  const rule = head.map((_, i) => i === 0 ? "---" : "---:");
  const cells = [head, rule, ...body].map((row) => row.flatMap((cell) => ["|", cell]).concat("|"));
  return cells.map((row) => row.join(" "));
}

/** The report as a document, beside the plot. */
export function growthDocument(report: GrowthReport, plotFile: string): string {
  const { deno, device, processors, command, base, growth } = report;
  const { config: { vocabulary, context, layers, heads, width }, batch } = base;
  return [
    "# Growth of training time and memory with model size",
    "",
    "This page shows how the time and the memory of a training step grow with one size of the model or",
    "its batches.",
    `The other sizes stay at ${layers} layers, width ${width} (${heads} heads of ${
      width / heads
    }; a wider model`,
    `has more heads), context ${context}, batch size ${batch} and vocabulary ${vocabulary}.`,
    "A step of SFT is forward pass, backward pass, clipping and AdamW.",
    "Times are medians of workloads measured in turns,",
    `on ${device}, with Deno ${deno} and ${processors} processors.`,
    "Operations are counted by the formula in [performance.md](./performance.md).",
    "",
    "```sh",
    command,
    "```",
    "",
    "A power of time is the slope of log time over log size, by least squares: 1 is linear growth.",
    "A power of operations is the same slope for the number of operations.",
    "It is below 2 for the width, because the head and attention are a larger part of narrow models.",
    "It is below 1 for the layers, because there is only one head,",
    "and for the vocabulary, because there are layers as well,",
    "and above 1 for the context, because of attention.",
    "",
    "Memory is what a step takes between its operands and its results: activations and gradients.",
    "It grows with the vocabulary by the gradient of the embedding alone,",
    "because wide vocabularies are computed in blocks, and with the context as its activations do,",
    "because attention stores no weights.",
    "",
    "The time of a step also has costs that are not counted as operations:",
    "costs that do not depend on the batch (AdamW, clipping, barriers between threads),",
    "and computations outside of matrix products.",
    "They weigh most in small steps, which are therefore slower than the operations predict.",
    "So the powers of time are smaller than the powers of operations.",
    "",
    ...markdownTable([powerTitles, ...growth.map(powerCells)]),
    "",
    `![Time of a step by size, measured and by number of operations](./${plotFile})`,
    "",
    ...markdownTable([titles, ...pointRows(growth)]),
    "",
  ].join("\n");
}

/** From one power of two to another around some values, so that an axis has marks at its ends. */
function aroundOf(values: readonly number[]): [number, number] {
  return [
    2 ** Math.floor(Math.log2(values.reduce((least, value) => Math.min(least, value)))),
    2 ** Math.ceil(Math.log2(values.reduce((most, value) => Math.max(most, value)))),
  ];
}

/** Times of each sweep as multiples of the base's, over the size as a multiple of the base's. */
export function growthPlot({ growth, base }: GrowthReport): string {
  const bases: Readonly<Record<string, number>> = { ...base.config, batch: base.batch };
  const series = growth.flatMap(({ size, points }, color) => {
    const from = points.find(({ value }) => value === bases[size]);
    if (from === undefined) throw new RangeError(`growth of ${size}: the base was not measured`);
    const curve = (name: string, dashed: boolean, cost: (point: GrowthPoint) => number) => ({
      name,
      color,
      dashed,
      points: points.map((point) => ({ x: point.value / from.value, y: cost(point) / cost(from) })),
    });
    return [
      curve(size, false, ({ milliseconds }) => milliseconds.median),
      curve(`${size}, arithmetic`, true, ({ operations }) => operations),
    ];
  });
  const times = series.flatMap(({ points }) => points.map(({ y }) => y));
  return standaloneSvg(curves(series, {
    title: "Time of a training step by size, measured and by arithmetic",
    height: 420,
    x: { label: "size, multiple of the base", scale: "log", base: 2 },
    y: {
      label: "time of a step, multiple of the base",
      scale: "log",
      base: 2,
      domain: aroundOf(times),
    },
  }));
}
