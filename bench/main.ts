/** `deno task bench`: measures training steps, generation and memory. */
import process from "node:process";
import type { Device } from "@unitune/core";
import { countParameters } from "@unitune/models";
import {
  type FlagTable,
  helpText,
  openDevice,
  parseFlags,
  runCommand,
  wantsHelp,
} from "@unitune/cli";
import { measureGeneration } from "./generation.ts";
import { type Report, reportLines, type WorkloadReport } from "./report.ts";
import { measureTraining } from "./training.ts";
import { type Workload, workloads } from "./workloads.ts";

const usage = `Measures training steps by SFT and by IFT in turns, generation, and memory.

  deno task bench
  deno task bench --preset nano --json

A step is timed from its call until its loss is known: forward, backward, clipping and AdamW. \
Generation is greedy, from 8 tokens to a full context.

Peak memory is the most that the process had so far: --preset measures a workload alone. The \
quartiles tell how quiet the machine was; close what else is running.`;

const flags = {
  preset: {
    kind: "choice",
    choices: Object.keys(workloads),
    help: "The workload; all of them unless told.",
  },
  device: {
    kind: "choice",
    choices: ["wasm", "webgpu", "reference"],
    default: "wasm",
    help: "Where to compute.",
  },
  steps: {
    kind: "integer",
    default: 20,
    min: 1,
    help: "Timed steps of each objective; generation is timed a quarter as often.",
  },
  json: { kind: "boolean", help: "Print JSON." },
} as const satisfies FlagTable;

async function measure(
  preset: string,
  workload: Workload,
  device: Device,
  steps: number,
): Promise<WorkloadReport> {
  const now = () => performance.now();
  const training = await measureTraining(workload, device, steps, now);
  const generation = await measureGeneration(workload, device, Math.ceil(steps / 4), now);
  return {
    preset,
    ...workload,
    parameters: countParameters(workload.config),
    training,
    generation,
    // Counted in KiB.
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const { values } = parseFlags(flags, Deno.args);
  using device = await openDevice(values.device);
  const reports: WorkloadReport[] = [];
  for (const [preset, workload] of Object.entries(workloads)) {
    if (values.preset !== undefined && preset !== values.preset) continue;
    reports.push(await measure(preset, workload, device, values.steps));
  }
  const report: Report = {
    deno: Deno.version.deno,
    device: device.name,
    processors: navigator.hardwareConcurrency,
    workloads: reports,
  };
  console.log(values.json ? JSON.stringify(report, null, 2) : reportLines(report).join("\n"));
}

if (import.meta.main) await runCommand(main);
