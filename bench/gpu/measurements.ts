/** The measurements of `deno task bench --gpu`: programs, each with a limit to its time. */
import { fileURLToPath } from "node:url";
import type { FlagValues } from "@unitune/cli";
import { type gpuFlags, permissionToRun } from "./flags.ts";

/** The kinds of results, which the report reads in their own ways. */
export type ResultKind = "product" | "training" | "generation" | "peers" | "run";

/** A measurement by a program that prints JSON, or trains a run. */
export interface Measurement {
  readonly kind: ResultKind;
  /** The name that it has in the report. */
  readonly name: string;
  /** The most seconds that it may take. */
  readonly seconds: number;
  /** Arguments of Deno. */
  readonly args: readonly string[];
}

/** The sizes of the measurements. */
interface Sizes {
  readonly product: number;
  /** The presets of the step beside PyTorch's, of the large step, and of generation. */
  readonly step: string;
  readonly large: string;
  readonly generation: readonly string[];
  readonly run: readonly string[];
  readonly steps: number;
  /** Steps before a loss is waited for, which takes 10 ms on WebGPU. */
  readonly inARow: number;
  /** Seconds of a turn of PyTorch or ours. */
  readonly turn: number;
}

const full: Sizes = {
  product: 4096,
  step: "baby",
  large: "smollm2-135m",
  generation: ["nano-cpu", "baby", "smollm2-135m"],
  // nanoGPT's configuration for a GPU: batches of 64, an evaluation every 250 steps.
  run: [
    ...["--preset", "baby", "--batch-size", "64", "--steps", "500", "--logging-steps", "50"],
    ...["--eval-steps", "250"],
  ],
  steps: 9,
  inARow: 10,
  turn: 1,
};

const small: Sizes = {
  product: 128,
  step: "nano",
  large: "nano-cpu",
  generation: ["nano"],
  run: [
    ...["--preset", "nano", "--batch-size", "4", "--steps", "20", "--logging-steps", "5"],
    ...["--eval-steps", "20", "--eval-examples", "4"],
  ],
  steps: 2,
  inARow: 2,
  turn: 0.05,
};

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Variables of the environment that a training may read. */
const VARIABLES = [
  ...["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "USERPROFILE", "LOG_STREAM"],
  "LOG_TOKENS",
];

/**
 * The measurements in their order, the most telling first.
 *
 * @param flags The flags.
 * @param text The file with the text that the run is trained on.
 */
export function measurementsFor(
  flags: FlagValues<typeof gpuFlags>,
  text: string,
): Measurement[] {
  const { device, python, out, loader } = flags;
  const sizes = flags.small ? small : full;
  const warmUp = ["--warm-up", flags.small ? "0" : "1"];
  const run = (file: string, permissions: readonly string[], args: readonly string[]) => [
    ...["run", "--no-prompt", ...permissions, path(file)],
    ...args,
  ];
  const bench = (...args: string[]) =>
    run("../main.ts", [`--allow-run=${Deno.execPath()}`], [
      ...["--device", device, ...warmUp, "--json"],
      ...args,
    ]);
  const training = (preset: string, steps: number) =>
    bench(...[
      ...["--only", "training", "--preset", preset, "--steps", `${steps}`, "--profile"],
      ...["--in-a-row", `${sizes.inARow}`],
    ]);
  const peers = [
    ...["--preset", sizes.step, "--device", device, "--python", python, ...warmUp, "--json"],
    ...["--torch-device", device === "webgpu" ? "cuda" : "cpu"],
    ...["--sittings", "2", "--rounds", "3", "--turn", `${sizes.turn}`],
  ];
  return [
    {
      kind: "product",
      name: `product of ${sizes.product} x ${sizes.product} matrices`,
      seconds: 50,
      args: bench(
        "--only",
        "product",
        "--product",
        `${sizes.product}`,
        "--steps",
        `${sizes.steps}`,
      ),
    },
    {
      kind: "training",
      name: `step of ${sizes.step}`,
      seconds: 90,
      args: training(sizes.step, sizes.steps),
    },
    {
      kind: "peers",
      name: `step of ${sizes.step} beside PyTorch`,
      seconds: 90,
      args: run("../peers/main.ts", [permissionToRun([python, Deno.execPath()], loader)], peers),
    },
    {
      kind: "training",
      name: `step of ${sizes.large}`,
      seconds: 100,
      args: training(sizes.large, Math.ceil(sizes.steps / 2)),
    },
    {
      kind: "run",
      name: `training run (${sizes.run.slice(0, 6).join(" ")})`,
      seconds: 110,
      args: run("../../cli/commands/train.ts", [
        ...["--allow-read", `--allow-write=${out}`, `--allow-env=${VARIABLES.join(",")}`],
      ], [...sizes.run, "--data", text, "--device", device, "--out", `${out}/run`]),
    },
    ...sizes.generation.map((preset): Measurement => ({
      kind: "generation",
      name: `generation at ${preset}`,
      seconds: 45,
      args: bench("--only", "generation", "--preset", preset, "--steps", "8"),
    })),
  ];
}
