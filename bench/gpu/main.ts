/** `deno task bench --gpu`: measures what a graphics processor does, in ten minutes. */
import { helpText, parseFlags, runCommand, wantsHelp } from "@unitune/cli";
import { carryOut, type Outcome } from "./carry_out.ts";
import { gpuFlags } from "./flags.ts";
import { measurementsFor } from "./measurements.ts";
import { markdown } from "./report.ts";

const usage = `Measures on a graphics processor: a product of matrices, training steps with the \
time of their kernels, a step beside PyTorch's in f32, a training run, and generation.

  deno task bench --gpu
  deno task bench --gpu --small
  scripts/gpu_check.sh pack && scripts/gpu_check.sh run

Each measurement is a program of its own with a limit to its time, ten minutes in all. What cannot \
be measured is named, and the others are measured. scripts/gpu_check.sh brings Deno and the loader of \
Vulkan to a machine without network.`;

/** The documents of the repository one after the other: a text that is always there to train on. */
async function documents(): Promise<string> {
  const folder = new URL("../../docs/", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".md")).toSorted();
  const texts = names.map((name) => Deno.readTextFile(new URL(name, folder)));
  return (await Promise.all(texts)).join("\n");
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(gpuFlags, usage));
    return;
  }
  const { values } = parseFlags(gpuFlags, Deno.args);
  const { out } = values;
  await Deno.mkdir(out, { recursive: true });
  // A run is trained into a folder that is not there.
  await Deno.remove(`${out}/run`, { recursive: true }).catch((error: unknown) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const text = `${out}/text.txt`;
  await Deno.writeTextFile(text, await documents());
  const outcomes: Outcome[] = [];
  for (const measurement of measurementsFor(values, text)) {
    console.error(`${measurement.name}: at most ${measurement.seconds} seconds`);
    outcomes.push(await carryOut(measurement, `${out}/run/metrics.jsonl`, values.loader));
    // What was measured is there even if this program is ended before its time.
    await Deno.writeTextFile(`${out}/report.md`, `${markdown(outcomes).join("\n")}\n`);
    await Deno.writeTextFile(`${out}/report.json`, `${JSON.stringify(outcomes, null, 2)}\n`);
  }
  console.log(markdown(outcomes).join("\n"));
}

if (import.meta.main) await runCommand(main);
