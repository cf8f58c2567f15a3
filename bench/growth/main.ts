/** `deno task bench --growth`: cost by each size of a model and its batches, as a table and a plot. */
import { wasm } from "@unitune/core";
import {
  fileError,
  helpText,
  parseFlags,
  requireReplaceable,
  runCommand,
  shellQuote,
  wantsHelp,
  writeSealed,
} from "@unitune/cli";
import { measuringFor } from "../measure.ts";
import { withProgress } from "../progress.ts";
import { growthFlags } from "./flags.ts";
import { growthDocument, growthLines, growthPlot, type GrowthReport } from "./report.ts";
import { base, measureGrowth, sweeps } from "./sweeps.ts";

const usage =
  `Measures how the time and the memory of a training step grow with width, layers, context, \
vocabulary and batch, prints them, and writes growth.md and its plot growth.svg.

  deno task bench --growth`;

const PLOT = "growth.svg";
const DOCUMENT = "growth.md";

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(growthFlags, usage));
    return;
  }
  const { values } = parseFlags(growthFlags, Deno.args);
  const measuring = measuringFor({ warmUp: values.warmUp, rounds: values.steps });
  const [plot, text] = [`${values.out}/${PLOT}`, `${values.out}/${DOCUMENT}`];
  const instead = "choose another --out";
  // Checked now, rather than after measuring.
  try {
    await Deno.mkdir(values.out, { recursive: true });
  } catch (error) {
    throw fileError(error, "make the folder", values.out);
  }
  for (const path of [plot, text]) await requireReplaceable(path, instead);
  using device = wasm();
  const report: GrowthReport = {
    deno: Deno.version.deno,
    device: device.name,
    processors: navigator.hardwareConcurrency,
    command: ["deno task bench --growth", ...Deno.args.map(shellQuote)].join(" "),
    base,
    growth: await withProgress(
      "growth",
      (progress) => measureGrowth(device, sweeps, { ...measuring, progress }),
    ),
  };
  await writeSealed(plot, growthPlot(report), instead);
  await writeSealed(text, growthDocument(report, PLOT), instead);
  console.log(growthLines(report).join("\n"));
}

if (import.meta.main) await runCommand(main);
