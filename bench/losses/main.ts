/** `deno task bench --losses`: the losses of a few training steps beside PyTorch's. */
import { fileURLToPath } from "node:url";
import { encodeSafetensors, toRawTensor, wasm } from "@unitune/core";
import { countParameters, encodeCheckpoint, gpt } from "@unitune/models";
import { alignTable, helpText, parseFlags, runCommand, wantsHelp } from "@unitune/cli";
import { UserError } from "@unitune/training";
import { trainingBatches } from "../workloads.ts";
import { lossesFlags, lossWorkloads } from "./flags.ts";
import { handFiles } from "./handed.ts";
import { lossesOf, newParameters, recipe } from "./training.ts";

const usage = `Trains a new model for a few steps on one batch of random tokens, by AdamW after \
clipping, and compares the losses with those of GPT2LMHeadModel (transformers) in PyTorch from the \
same weights, which the two share as a checkpoint. They agree to about 1e-5.

  deno task bench --losses --python .venv/bin/python
  deno task bench --losses --python .venv/bin/python --preset gpt2-small`;

/** PyTorch's results. */
interface PeerLosses {
  readonly version: string;
  readonly parameters: number;
  readonly losses: readonly number[];
}

function isPeerLosses(value: unknown): value is PeerLosses {
  return typeof value === "object" && value !== null &&
    "version" in value && typeof value.version === "string" &&
    "parameters" in value && typeof value.parameters === "number" &&
    "losses" in value && Array.isArray(value.losses) &&
    value.losses.every((loss) => typeof loss === "number");
}

/** The name of a missing Python module, if the process reports one. */
function missingIn(value: unknown): string | undefined {
  return typeof value === "object" && value !== null && "missing" in value
    ? String(value.missing)
    : undefined;
}

async function peerLosses(python: string, folder: string, steps: number): Promise<PeerLosses> {
  const script = fileURLToPath(new URL("torch_losses.py", import.meta.url));
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(python, {
      args: [script, folder, JSON.stringify({ ...recipe, steps })],
      stderr: "inherit",
    }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(`${python} is not there: name the Python with PyTorch by --python PATH`);
    }
    throw error;
  }
  const last = new TextDecoder().decode(output.stdout).trim().split("\n").at(-1) ?? "";
  if (!output.success) throw new UserError(`${python} ended with code ${output.code}`);
  const told: unknown = JSON.parse(last);
  if (isPeerLosses(told)) return told;
  throw new UserError(missingIn(told) ?? `${python} printed ${last}`);
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(lossesFlags, usage));
    return;
  }
  const { preset, steps, python, out, json } = parseFlags(lossesFlags, Deno.args).values;
  const workload = lossWorkloads[preset];
  const [batch] = workload === undefined ? [] : trainingBatches(workload, 1);
  if (workload === undefined || batch === undefined) throw new Error(`there is no ${preset}`);
  const { config } = workload;

  using device = wasm();
  const params = newParameters(config, device);
  const ids = { shape: batch.ids.shape, dtype: batch.ids.dtype, data: await batch.ids.data() };
  const files = new Map([
    ...await encodeCheckpoint({ model: gpt(config), params }),
    ["batch.safetensors", encodeSafetensors(new Map([["ids", toRawTensor(ids)]]))] as const,
  ]);
  // Each model has files of its own.
  const folder = `${out}/${preset}`;
  await handFiles(folder, files);
  files.clear();
  const ours = await lossesOf(config, params, batch, device, steps);
  const peer = await peerLosses(python, folder, steps);
  const parameters = countParameters(gpt(config));
  if (peer.parameters !== parameters) {
    throw new Error(`PyTorch's model has ${peer.parameters} parameters, ours ${parameters}`);
  }

  const differences = ours.map((loss, i) => Math.abs(loss - (peer.losses[i] ?? NaN)));
  if (json) {
    const { losses, version } = peer;
    console.log(JSON.stringify({ preset, parameters, version, ours, theirs: losses }, null, 2));
    return;
  }
  const rows = ours.map((loss, i) => [
    `${i + 1}`,
    loss.toFixed(6),
    (peer.losses[i] ?? NaN).toFixed(6),
    (differences[i] ?? NaN).toExponential(1),
  ]);
  console.log([
    ...alignTable([["step", "ours", peer.version, "difference"], ...rows]),
    `${parameters.toLocaleString("en-US")} parameters, from one checkpoint, which is in ${folder}`,
  ].join("\n"));
}

if (import.meta.main) await runCommand(main);
