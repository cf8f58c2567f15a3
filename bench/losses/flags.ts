/** The flags of `deno task bench --losses`. */
import { type FlagTable, parseFlags, wantsHelp } from "@unitune/cli";
import { type Workload, workloads } from "../workloads.ts";

/**
 * The models: the benchmark's, and GPT-2 with 124 million parameters at a short context, whose
 * training state takes more than 2 GiB.
 */
export const lossWorkloads: Readonly<Record<string, Workload>> = {
  ...workloads,
  "gpt2-small": {
    config: { vocabulary: 50257, context: 128, layers: 12, heads: 12, width: 768, dropout: 0 },
    batch: 1,
    isLong: true,
  },
};

/** The flags. */
export const lossesFlags = {
  preset: {
    kind: "choice",
    choices: Object.keys(lossWorkloads),
    default: "nano",
    help: "The model; gpt2-small has 124 million parameters and takes some minutes.",
  },
  steps: { kind: "integer", default: 3, min: 1, help: "Steps of training." },
  python: {
    kind: "string",
    default: "python3",
    placeholder: "PATH",
    help: "The Python that has PyTorch, transformers and safetensors.",
  },
  out: {
    kind: "string",
    default: "runs/losses",
    placeholder: "FOLDER",
    help: "Where the weights and the batch are written for PyTorch to read, by the preset.",
  },
  json: { kind: "boolean", help: "Print JSON." },
} as const satisfies FlagTable;

/** The permissions for the folder and the program that the flags name. */
export function permissionsOfLosses(args: readonly string[]): string[] {
  const { out, python } = wantsHelp(args)
    ? { out: lossesFlags.out.default, python: lossesFlags.python.default }
    : parseFlags(lossesFlags, args).values;
  return [`--allow-read=${out}`, `--allow-write=${out}`, `--allow-run=${python}`];
}
