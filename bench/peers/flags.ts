/** The flags of `deno task bench --peers`. */
import { type FlagTable, parseFlags, wantsHelp } from "@unitune/cli";
import { besideFlag } from "../beside.ts";
import { gptPresetFlag } from "../workloads.ts";

/** The flags. */
export const peersFlags = {
  preset: gptPresetFlag,
  device: {
    kind: "choice",
    choices: ["wasm", "native", "webgpu"],
    default: "wasm",
    help: "Where ours and jax-js compute.",
  },
  python: {
    kind: "string",
    default: "python3",
    placeholder: "PATH",
    help: "The Python that has PyTorch.",
  },
  "torch-device": {
    kind: "choice",
    choices: ["cpu", "cuda"],
    default: "cpu",
    help: "Where PyTorch computes.",
  },
  "torch-compile": {
    kind: "boolean",
    help: "Measure PyTorch with torch.compile as well, which needs a C++ compiler.",
  },
  "jax-js": {
    kind: "string",
    placeholder: "FOLDER",
    help: "The folder in which npm installed @jax-js/jax.",
  },
  checkout: {
    kind: "string",
    placeholder: "FOLDER",
    help: "Another checkout of this repository, such as one before a change.",
  },
  sittings: {
    kind: "integer",
    default: 6,
    min: 2,
    help: "Sittings: in each, every library is started anew, in the other order.",
  },
  rounds: {
    kind: "integer",
    default: 5,
    min: 1,
    help: "Rounds of a sitting, in which each has its turn; the medians are over all.",
  },
  turn: {
    kind: "number",
    default: 0.3,
    above: 0,
    help: "Seconds of a turn: as many steps as fit, at least one.",
  },
  "warm-up": {
    kind: "number",
    default: 2,
    min: 0,
    help: "Seconds that each is run before it is timed.",
  },
  generation: {
    kind: "boolean",
    help:
      "Measure generation at the shape of SmolLM2-135M beside transformers, with one prompt and 16.",
  },
  tokens: {
    kind: "integer",
    default: 32,
    min: 2,
    help: "Tokens of a prompt, and of its completion, with --generation.",
  },
  beside: besideFlag,
  json: { kind: "boolean", help: "Print JSON." },
} as const satisfies FlagTable;

/** The permissions for the programs that the flags name: Python, and Deno for the others. */
export function permissionsOfPeers(args: readonly string[]): string[] {
  const { python, checkout } = wantsHelp(args)
    ? { python: peersFlags.python.default, checkout: undefined }
    : parseFlags(peersFlags, args).values;
  return [
    `--allow-run=${python},${Deno.execPath()}`,
    // The folder of the other checkout, by a path that does not depend on the working directory.
    ...(checkout === undefined ? [] : [`--allow-read=${checkout}`]),
  ];
}
