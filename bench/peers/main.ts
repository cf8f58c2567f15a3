/** `deno task bench --peers`: training steps of PyTorch and of jax-js beside ours, in turns. */
import { fileURLToPath } from "node:url";
import { countParameters, gpt } from "@unitune/models";
import {
  alignTable,
  type Estimate,
  type FlagValues,
  helpText,
  parseFlags,
  runCommand,
  wantsHelp,
} from "@unitune/cli";
import { gigaflops, stepOperations } from "../arithmetic.ts";
import { besideLines, startBeside } from "../beside.ts";
import { type Measuring, measuringFor } from "../measure.ts";
import { withProgress } from "../progress.ts";
import { brief, quartiles } from "../report.ts";
import { chosenWorkloads, type Workload, workloads } from "../workloads.ts";
import { peersFlags } from "./flags.ts";
import { compareGeneration, generationLines } from "./generation.ts";
import { type Missing, type Peer, type PeerCommand, sizesOf } from "./peer.ts";
import { type DeviceName, permissionsFor } from "./permissions.ts";
import { measureSittings, type SittingOptions, turnsOf } from "./sittings.ts";
import { pairedRatio, together } from "./turns.ts";

const usage = `Measures a training step by SFT of PyTorch and of jax-js beside ours: the same GPT, \
forward, backward, clipping and AdamW, on all processors, until the loss is known.

  deno task bench --peers
  deno task bench --peers --python .venv/bin/python --preset nano-cpu
  deno task bench --peers --generation --python .venv/bin/python
  deno task bench --peers --device webgpu --jax-js ../jaxjs --preset nano-cpu
  git worktree add ../before HEAD~1 && deno task bench --peers --checkout ../before

Each library has a process of its own that takes steps when its turn comes. All are warmed up for \
as long; in every round each has a turn, forward and backward. In every sitting the processes are \
started anew, in the other order, since which comes first counts, too. Ratios are those of the \
medians; the interval is Student's, of 95 %, of the ratios of sittings, each the mean of those within \
its rounds.`;

/** Unitune's name in reports. */
const OURS = "unitune";

/** The measurements of a workload. */
interface ComparisonReport {
  readonly preset: string;
  readonly parameters: number;
  readonly turns: readonly (ReturnType<typeof together> & {
    readonly version: string;
    readonly gigaflops: number;
    /** The time of a step as a multiple of Unitune's. */
    readonly timesOurs: number;
    /** The ratio to Unitune's time, sitting by sitting. */
    readonly paired: Estimate;
  })[];
  readonly missing: readonly Missing[];
}

function peersOf(
  workload: Workload,
  { device, python, torchDevice, jaxJs, torchCompile, checkout, preset }: {
    readonly device: DeviceName;
    readonly python: string;
    readonly torchDevice: FlagValues<typeof peersFlags>["torchDevice"];
    readonly jaxJs: string | undefined;
    readonly torchCompile: boolean;
    readonly checkout: string | undefined;
    readonly preset: string;
  },
): (PeerCommand | Missing)[] {
  const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const sizes = sizesOf(workload);
  const unitune = (name: string, folder: string): PeerCommand => ({
    name,
    program: Deno.execPath(),
    args: [
      "run",
      "--no-prompt",
      ...permissionsFor(device, folder),
      `--config=${folder}/deno.json`,
      path("unitune_gpt.ts"),
      folder,
      preset,
      device,
    ],
  });
  const torch = (label: string, compile: boolean): PeerCommand => ({
    name: label,
    program: python,
    args: [path("torch_gpt.py"), JSON.stringify({ ...sizes, compile, device: torchDevice })],
  });
  const jax = jaxJs === undefined
    ? { name: "jax-js", missing: "name the folder in which npm installed it: --jax-js FOLDER" }
    : {
      name: `jax-js ${device === "native" ? "wasm" : device}`,
      program: Deno.execPath(),
      args: [
        "run",
        "--no-prompt",
        "--no-config",
        `--allow-read=${jaxJs}`,
        path("jaxjs_gpt.ts"),
        jaxJs,
        JSON.stringify(sizes),
        device === "native" ? "wasm" : device,
      ],
    };
  return [
    unitune(OURS, path("../..")),
    ...(checkout === undefined ? [] : [unitune(checkout, Deno.realPathSync(checkout))]),
    torch("PyTorch eager", false),
    ...(torchCompile ? [torch("PyTorch compiled", true)] : []),
    jax,
  ];
}

async function compare(
  preset: string,
  workload: Workload,
  commands: readonly (PeerCommand | Missing)[],
  measuring: Measuring,
  times: Pick<SittingOptions, "sittings" | "turnMilliseconds">,
): Promise<ComparisonReport> {
  const parameters = countParameters(gpt(workload.config));
  const check = (peers: readonly Peer[]) => {
    const other = peers.find((peer) => peer.parameters !== parameters);
    if (other === undefined) return;
    throw new Error(`${other.name} has ${other.parameters} parameters, ours ${parameters}`);
  };
  const sittings = await measureSittings(commands, { ...times, check }, measuring);
  const [{ peers, missing }] = sittings;
  const ours = turnsOf(sittings, OURS);
  if (ours.length < times.sittings) {
    const why = missing.find(({ name }) => name === OURS)?.missing;
    throw new Error(`${OURS} did not start: ${why}`);
  }
  const own = together(ours).milliseconds.median;
  return {
    preset,
    parameters,
    missing,
    turns: peers.map(({ name, version }) => {
      const turn = together(turnsOf(sittings, name));
      return {
        ...turn,
        version,
        gigaflops: gigaflops(stepOperations(workload, "sft"), turn.milliseconds.median),
        timesOurs: turn.milliseconds.median / own,
        paired: pairedRatio(ours, turnsOf(sittings, name)),
      };
    }),
  };
}

/** A comparison as text. */
export function comparisonLines(report: ComparisonReport): string[] {
  const { preset, parameters, turns, missing } = report;
  const own = turns.find((turn) => turn.name === OURS)?.milliseconds.median ?? NaN;
  const rows = turns.map(({ name, version, milliseconds, gigaflops, timesOurs, paired }) => [
    name,
    brief(milliseconds.median),
    quartiles(milliseconds),
    brief(gigaflops),
    timesOurs.toFixed(2),
    (own / milliseconds.median).toFixed(2),
    name === OURS
      ? ""
      : `${paired.mean.toFixed(3)} [${paired.low.toFixed(3)}, ${paired.high.toFixed(3)}]`,
    version,
  ]);
  const titles = [
    "ms",
    "quartiles",
    "GFLOP/s",
    "its / ours",
    "ours / its",
    "by sittings",
    "version",
  ];
  return [
    ...alignTable([[`${preset} sft step`, ...titles], ...rows]),
    `${parameters.toLocaleString("en-US")} parameters in each`,
    ...missing.map(({ name, missing }) => `${name}: not measured: ${missing}`),
  ];
}

/** Compares generation. */
async function generation(
  values: FlagValues<typeof peersFlags>,
  measuring: Measuring,
): Promise<void> {
  const comparisons = await withProgress(
    "generation by each library",
    (progress) =>
      compareGeneration(
        { ...values, turnMilliseconds: 1000 * values.turn },
        { ...measuring, progress },
      ),
  );
  console.log(
    values.json
      ? JSON.stringify(comparisons, null, 2)
      : comparisons.flatMap((one) => [...generationLines(one), ""]).join("\n"),
  );
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(peersFlags, usage));
    return;
  }
  const { values } = parseFlags(peersFlags, Deno.args);
  const measuring = measuringFor(values);
  await using _busy = startBeside(values.beside);
  if (!values.json) { for (const line of besideLines(values.beside)) console.log(line); }
  if (values.generation) return await generation(values, measuring);
  const reports: ComparisonReport[] = [];
  for (const [preset, workload] of chosenWorkloads(values.preset, workloads)) {
    const commands = peersOf(workload, { ...values, preset });
    const times = { sittings: values.sittings, turnMilliseconds: 1000 * values.turn };
    const report = await withProgress(
      `${preset}: training by each library`,
      (progress) => compare(preset, workload, commands, { ...measuring, progress }, times),
    );
    reports.push(report);
    if (!values.json) console.log([...comparisonLines(report), ""].join("\n"));
  }
  if (values.json) console.log(JSON.stringify(reports, null, 2));
}

if (import.meta.main) await runCommand(main);
