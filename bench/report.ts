/** The measurements of a benchmark, and their tables. */
import { alignTable } from "@unitune/cli";
import { besideLines } from "./beside.ts";
import type { MemorySample } from "./endurance.ts";
import type { GenerationReport } from "./generation.ts";
import type { Spread } from "./measure.ts";
import type { ProductReport } from "./products.ts";
import type { KernelShare } from "./profile.ts";
import type { TrainingReport } from "./training.ts";
import type { WorkloadConfig } from "./workloads.ts";

/** The measurements of a workload. */
export interface WorkloadReport {
  /** Its preset. */
  readonly preset: string;
  /** Sizes of the model. */
  readonly config: WorkloadConfig;
  /** Parameters of the model. */
  readonly parameters: number;
  /** Sequences in a training batch. */
  readonly batch: number;
  /** Training, by objective. */
  readonly training: readonly TrainingReport[];
  /** Generation, by number of prompts. */
  readonly generation: readonly GenerationReport[];
  /** The memory of a long training, if it was requested. */
  readonly endurance?: readonly MemorySample[];
  /** The most memory that the process ever had by the end of this workload, in bytes. */
  readonly peakMemoryBytes: number;
}

/** The measurements of a benchmark, and the machine. */
export interface Report {
  /** The version of Deno. */
  readonly deno: string;
  /** The backend. */
  readonly device: string;
  /** The name that a graphics device gives itself. */
  readonly adapter?: string;
  /** The features that it was found to have beyond those that WebGPU promises. */
  readonly features?: readonly string[];
  /** Logical processors of the machine. */
  readonly processors: number;
  /** Processes that were kept busy beside. */
  readonly beside: number;
  /** The workloads, in the order in which they were measured. */
  readonly workloads: readonly WorkloadReport[];
  /** A product of matrices by itself, if it was measured. */
  readonly product?: ProductReport;
}

/** A number to three digits, with separators between thousands. */
export function brief(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** Bytes as mebibytes. */
function mebibytes(bytes: number): string {
  return `${brief(bytes / 2 ** 20)} MiB`;
}

/** Bytes as kibibytes. */
function kibibytes(bytes: number): string {
  return `${brief(bytes / 2 ** 10)} KiB`;
}

/** The quartiles of a spread. */
export function quartiles({ low, high }: Spread): string {
  return `${brief(low)}-${brief(high)}`;
}

function trainingTable(workloads: readonly WorkloadReport[]): string[] {
  const rows = workloads.flatMap(({ preset, training }) =>
    training.map((report) => [
      `${preset} ${report.objective}`,
      brief(report.milliseconds.median),
      quartiles(report.milliseconds),
      report.timesSft.toFixed(2),
      brief(report.tokensPerSecond),
      brief(report.gigaflops),
      brief(report.compileMilliseconds),
      `${report.program.kernels}`,
      mebibytes(report.program.arenaBytes),
      kibibytes(report.program.codeBytes),
    ])
  );
  const titles = [
    "training step",
    "ms",
    "quartiles",
    "x sft",
    "tokens/s",
    "GFLOP/s",
    "compile ms",
    "kernels",
    "arena",
    "code",
  ];
  return alignTable([titles, ...rows]);
}

function generationTable(workloads: readonly WorkloadReport[]): string[] {
  const rows = workloads.flatMap(({ preset, generation }) =>
    generation.map(({ batch, newTokens, milliseconds, tokensPerSecond }) => [
      `${preset}, ${batch} x ${newTokens} tokens`,
      brief(milliseconds.median),
      quartiles(milliseconds),
      brief(tokensPerSecond),
    ])
  );
  return alignTable([["generation", "ms", "quartiles", "tokens/s"], ...rows]);
}

function workloadTable(workloads: readonly WorkloadReport[]): string[] {
  const rows = workloads.map(({ preset, config, parameters, batch, peakMemoryBytes }) => [
    preset,
    parameters.toLocaleString("en-US"),
    `${config.layers}x${config.heads}x${config.width}`,
    `${config.vocabulary}`,
    `${batch} x ${config.context}`,
    mebibytes(peakMemoryBytes),
  ]);
  const titles = ["workload", "parameters", "sizes", "vocabulary", "batch", "peak memory"];
  return alignTable([titles, ...rows]);
}

function productTable({ size, milliseconds, gigaflops }: ProductReport): string[] {
  return alignTable([["product", "ms", "quartiles", "GFLOP/s"], [
    `${size} x ${size} x ${size}`,
    brief(milliseconds.median),
    quartiles(milliseconds),
    brief(gigaflops),
  ]]);
}

/** Kernels that a profile shows one by one. */
const SHOWN = 15;

function shareTable(title: string, shares: readonly KernelShare[]): string[] {
  const rows = shares.map(({ kernel, count, milliseconds, share, gigaflops }) => [
    kernel,
    `${count}`,
    milliseconds.toFixed(3),
    `${(100 * share).toFixed(1)} %`,
    gigaflops === undefined ? "" : brief(gigaflops),
  ]);
  return alignTable([[title, "count", "ms", "share", "GFLOP/s"], ...rows]);
}

function profileTables({ preset, training }: WorkloadReport): string[] {
  return training.flatMap(({ objective, profile }) => {
    if (profile === undefined) return [];
    const { milliseconds, kinds, kernels } = profile;
    const left = kernels.length - SHOWN;
    return [
      "",
      `${preset} ${objective}, each kernel by itself: ${brief(milliseconds)} ms`,
      ...shareTable("kind", kinds),
      "",
      ...shareTable("kernel", kernels.slice(0, SHOWN)),
      ...(left > 0 ? [`and ${left} more`] : []),
    ];
  });
}

function enduranceTable({ preset, endurance }: WorkloadReport): string[] {
  if (endurance === undefined) return [];
  const rows = endurance.map(({ step, residentBytes, deviceBytes }) => [
    step.toLocaleString("en-US"),
    mebibytes(residentBytes),
    deviceBytes === undefined ? "unknown" : `${deviceBytes.toLocaleString("en-US")} bytes`,
  ]);
  return ["", ...alignTable([[`${preset} sft, steps`, "process", "device"], ...rows])];
}

/** A report as text: tables under a line on the machine. */
export function reportLines(report: Report): string[] {
  const { deno, device, adapter, features, processors, beside, workloads, product } = report;
  return [
    `${device} on Deno ${deno}, ${processors} processors; medians`,
    ...besideLines(beside),
    ...(adapter === undefined ? [] : [`${adapter}; features: ${features?.join(", ") || "none"}`]),
    ...(workloads.length === 0 ? [] : ["", ...workloadTable(workloads)]),
    ...(workloads.some(({ training }) => training.length > 0)
      ? ["", ...trainingTable(workloads)]
      : []),
    ...(workloads.some(({ generation }) => generation.length > 0)
      ? ["", ...generationTable(workloads)]
      : []),
    ...(product === undefined ? [] : ["", ...productTable(product)]),
    ...workloads.flatMap(profileTables),
    ...workloads.flatMap(enduranceTable),
  ];
}
