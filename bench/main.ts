/** `deno task bench`: measures training steps, generation and memory. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { countParameters } from "@unitune/models";
import {
  type DeviceOptions,
  type FlagTable,
  helpText,
  type NamedDevice,
  openDevice,
  parseFlags,
  runCommand,
  wantsHelp,
} from "@unitune/cli";
import { besideFlag, startBeside } from "./beside.ts";
import { measureEndurance } from "./endurance.ts";
import { measureGeneration } from "./generation.ts";
import { permissionsOfGrowth } from "./growth/flags.ts";
import { permissionsOfLosses } from "./losses/flags.ts";
import { type Measuring, measuringFor } from "./measure.ts";
import { permissionsOfGpu } from "./gpu/flags.ts";
import { permissionsOfPeers } from "./peers/flags.ts";
import { measureProduct } from "./products.ts";
import { withProgress } from "./progress.ts";
import { type Report, reportLines, type WorkloadReport } from "./report.ts";
import { measureTraining } from "./training.ts";
import {
  allWorkloads,
  type AnyWorkload,
  chosenWorkloads,
  modelOf,
  presetFlag,
} from "./workloads.ts";

const usage = `Measures training steps by SFT and by IFT in turns, generation, a product of \
matrices, and memory.

  deno task bench
  deno task bench --preset nano-cpu --profile
  deno task bench --preset nano --memory-steps 10000
  deno task bench --peers --python .venv/bin/python --jax-js ../jaxjs
  deno task bench --losses --python .venv/bin/python
  deno task bench --growth
  deno task bench --only product --product 4096 --device webgpu
  deno task bench --gpu

A step is timed from its call until its loss is known: forward, backward, clipping and AdamW. \
Generation is greedy, from 8 tokens to a full context. GFLOP/s count what the arithmetic needs; \
docs/performance.md has the formula.

Peak memory is the most that the process had so far: --preset measures a workload alone. The \
quartiles tell how quiet the machine was; close what else is running.`;

const flags = {
  preset: presetFlag,
  device: {
    kind: "choice",
    choices: ["wasm", "native", "auto", "webgpu", "reference"],
    default: "wasm",
    help: "Where to compute; auto is a graphics processor where there is one, else wasm.",
  },
  precision: {
    kind: "choice",
    choices: ["f32", "f16", "bf16"],
    default: "f32",
    help:
      "What operands of products are rounded to: f16 on a graphics processor that has it, bf16 " +
      "by --device native on a processor with AMX or AVX-512 BF16.",
  },
  steps: {
    kind: "integer",
    default: 50,
    min: 1,
    help: "Timed steps of each objective; generation is timed a quarter as often.",
  },
  "in-a-row": {
    kind: "integer",
    default: 1,
    min: 1,
    help: "Steps that are taken before a loss is waited for: a wait for WebGPU takes 10 ms.",
  },
  "warm-up": {
    kind: "number",
    default: 2,
    min: 0,
    help: "Seconds that each thing is run before it is timed: the engine compiles what runs for " +
      "long a second time, and better.",
  },
  only: {
    kind: "choice",
    choices: ["training", "generation", "product"],
    help: "What is measured (default: everything).",
  },
  product: {
    kind: "integer",
    min: 1,
    help: "Rows and columns of the matrices that are multiplied (default 1024; on other " +
      "devices than wasm, where it is asked for).",
  },
  beside: besideFlag,
  profile: { kind: "boolean", help: "Print the share of each kernel in a step." },
  "memory-steps": {
    kind: "integer",
    min: 1,
    help: "Print the memory of a training that runs on for so many steps.",
  },
  json: { kind: "boolean", help: "Print JSON." },
  peers: {
    kind: "boolean",
    help: "Measure PyTorch and jax-js beside this, in turns; --peers --help lists its flags.",
  },
  losses: {
    kind: "boolean",
    help: "Compare the losses of a few steps with PyTorch's; --losses --help lists its flags.",
  },
  gpu: {
    kind: "boolean",
    help: "Measure what a graphics processor does, in ten minutes, and write a table in Markdown " +
      "and JSON; --gpu --help lists its flags.",
  },
  growth: {
    kind: "boolean",
    help:
      "Measure how cost grows with width, depth, context, vocabulary and batch, and write docs/growth.md " +
      "and docs/growth.svg; --growth --help lists its flags.",
  },
} as const satisfies FlagTable;

/** Measurements by programs of their own, with permissions that only they need. */
const programs: readonly {
  readonly flag: string;
  readonly file: string;
  permissions(args: readonly string[]): string[];
}[] = [
  { flag: "--peers", file: "peers/main.ts", permissions: permissionsOfPeers },
  { flag: "--losses", file: "losses/main.ts", permissions: permissionsOfLosses },
  { flag: "--gpu", file: "gpu/main.ts", permissions: permissionsOfGpu },
  { flag: "--growth", file: "growth/main.ts", permissions: permissionsOfGrowth },
];

/** The versions of the packages that draw. */
const LOCK = fileURLToPath(new URL("../deno.lock", import.meta.url));

/** Runs another program of this folder to its end, in this terminal. */
async function runProgram(file: string, permissions: string[], args: string[]): Promise<number> {
  const path = new URL(file, import.meta.url).href;
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--lock=${LOCK}`, "--frozen", ...permissions, path, ...args],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  return code;
}

/** Measurements requested beside the usual ones. */
interface Extras {
  readonly withProfile: boolean;
  readonly inARow: number;
  readonly memorySteps: number | undefined;
  readonly precision: NonNullable<DeviceOptions["precision"]>;
  /** The only thing to measure. */
  readonly only: "training" | "generation" | "product" | undefined;
}

async function measure(
  preset: string,
  workload: AnyWorkload,
  device: NamedDevice,
  measuring: Measuring,
  { withProfile, inARow, memorySteps, precision, only }: Extras,
): Promise<WorkloadReport> {
  const training = only === "generation" ? [] : await withProgress(
    `${preset}: training`,
    (progress) =>
      measureTraining(workload, device, { ...measuring, progress }, {
        withProfile,
        inARow,
      }),
  );
  const rounds = Math.ceil(measuring.rounds / 4);
  const generation = only === "training" ? [] : await withProgress(
    `${preset}: generation`,
    (progress) => measureGeneration(workload, device, { ...measuring, rounds, progress }),
  );
  // Counted in KiB.
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  const endurance = memorySteps === undefined
    ? undefined
    : await endure(preset, workload, device.name, precision, memorySteps);
  return {
    preset,
    ...workload,
    parameters: countParameters(modelOf(workload)),
    training,
    generation,
    peakMemoryBytes,
    ...(endurance && { endurance }),
  };
}

/** Trains on a device of its own, which holds nothing else. */
async function endure(
  preset: string,
  workload: AnyWorkload,
  name: NamedDevice["name"],
  precision: NonNullable<DeviceOptions["precision"]>,
  steps: number,
) {
  using device = await openDevice(name, console.warn, { precision });
  return await withProgress(
    `${preset}: memory`,
    (progress) => measureEndurance(workload, device, steps, (step) => progress(step, steps)),
  );
}

/** A device that may report its adapter and features. */
type TellingDevice = NamedDevice & {
  readonly description?: string;
  readonly features?: readonly string[];
};

/** Rows and columns of the matrices that are multiplied. */
const PRODUCT_SIZE = 1024;

/** Rows and columns of a product, if one is to be measured. */
function productSize(
  device: NamedDevice,
  { only, product }: { readonly only: Extras["only"]; readonly product: number | undefined },
): number | undefined {
  const isWanted = only === "product" ||
    only === undefined && (product !== undefined || device.name === "wasm");
  return isWanted ? product ?? PRODUCT_SIZE : undefined;
}

async function main(): Promise<number | void> {
  for (const { flag, file, permissions } of programs) {
    if (!Deno.args.includes(flag)) continue;
    const rest = Deno.args.filter((arg) => arg !== flag);
    return await runProgram(file, permissions(rest), rest);
  }
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const { values } = parseFlags(flags, Deno.args);
  const measuring = measuringFor({ warmUp: values.warmUp, rounds: values.steps });
  const extras: Extras = {
    withProfile: values.profile,
    inARow: values.inARow,
    memorySteps: values.memorySteps,
    precision: values.precision,
    only: values.only,
  };
  using device: TellingDevice = await openDevice(values.device, console.warn, {
    precision: values.precision,
  });
  await using _busy = startBeside(values.beside);
  const reports: WorkloadReport[] = [];
  const chosen = values.only === "product" ? [] : chosenWorkloads(values.preset, allWorkloads);
  for (const [preset, workload] of chosen) {
    reports.push(await measure(preset, workload, device, measuring, extras));
  }
  const isUntold = values.profile &&
    reports.some(({ training }) => training.some(({ profile }) => profile === undefined));
  if (isUntold) {
    console.error(`--profile: the ${device.name} device cannot tell kernels apart (no timestamps)`);
  }
  const size = productSize(device, values);
  const product = size === undefined ? undefined : await measureProduct(device, size, measuring);
  const report: Report = {
    deno: Deno.version.deno,
    device: device.name,
    ...(device.description !== undefined && { adapter: device.description }),
    ...(device.features !== undefined && { features: device.features }),
    processors: navigator.hardwareConcurrency,
    beside: values.beside,
    workloads: reports,
    ...(product && { product }),
  };
  console.log(values.json ? JSON.stringify(report, null, 2) : reportLines(report).join("\n"));
}

if (import.meta.main) await runCommand(main);
