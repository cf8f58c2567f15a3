/** `deno task bench --peers`: training steps of PyTorch and of jax-js beside ours, in turns. */
import { countParameters } from "@unitune/models";
import {
  type Estimate,
  type FlagValues,
  helpText,
  parseFlags,
  runCommand,
  wantsHelp,
} from "@unitune/cli";
import { alignTable } from "../../cli/layout.ts";
import { gigaflops, stepOperations } from "../arithmetic.ts";
import { type Measuring, measuringFor } from "../measure.ts";
import { withProgress } from "../progress.ts";
import { brief, quartiles } from "../report.ts";
import { chosenWorkloads, type Workload } from "../workloads.ts";
import { peersFlags } from "./flags.ts";
import { type Missing, type Peer, type PeerCommand, sizesOf, startPeer } from "./peer.ts";
import { measureTurns, pairedRatio, type TurnReport } from "./turns.ts";

const usage = `Measures a training step by SFT of PyTorch and of jax-js beside ours: the same GPT, \
forward, backward, clipping and AdamW, on all processors, until the loss is known.

  deno task bench --peers
  deno task bench --peers --python .venv/bin/python --preset nano-cpu
  deno task bench --peers --device webgpu --jax-js ../jaxjs --preset nano-cpu
  git worktree add ../before HEAD~1 && deno task bench --peers --checkout ../before

Each library has a process of its own that is started once and takes steps when its turn comes. All \
are warmed up for as long; in every round each has a turn, forward and backward. Ratios are those of \
the medians; the interval is Student's, of 95 %, of the ratios within each round.`;

/** Where ours and jax-js compute. */
type DeviceName = FlagValues<typeof peersFlags>["device"];

/** What ours is called. */
const OURS = "unitune";

/** What is measured of a workload. */
interface ComparisonReport {
  readonly preset: string;
  readonly parameters: number;
  readonly turns: readonly (TurnReport & {
    readonly version: string;
    readonly gigaflops: number;
    /** How many times as long as ours a step takes. */
    readonly timesOurs: number;
    /** How many times as long ours takes, round by round. */
    readonly paired: Estimate;
  })[];
  readonly missing: readonly Missing[];
}

const isPeer = (peer: Peer | Missing): peer is Peer => "run" in peer;

function peersOf(
  workload: Workload,
  { device, python, jaxJs, torchCompile, checkout, preset }: {
    readonly device: DeviceName;
    readonly python: string;
    readonly jaxJs: string | undefined;
    readonly torchCompile: boolean;
    readonly checkout: string | undefined;
    readonly preset: string;
  },
): (PeerCommand | Missing)[] {
  const path = (file: string) => new URL(file, import.meta.url).pathname;
  const sizes = sizesOf(workload);
  const unitune = (name: string, folder: string): PeerCommand => ({
    name,
    program: Deno.execPath(),
    args: [
      "run",
      "--no-prompt",
      `--allow-read=${folder}`,
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
    args: [path("torch_gpt.py"), JSON.stringify({ ...sizes, compile })],
  });
  const jax = jaxJs === undefined
    ? { name: "jax-js", missing: "name the folder in which npm installed it: --jax-js FOLDER" }
    : {
      name: `jax-js ${device}`,
      program: Deno.execPath(),
      args: [
        "run",
        "--no-prompt",
        "--no-config",
        `--allow-read=${jaxJs}`,
        path("jaxjs_gpt.ts"),
        jaxJs,
        JSON.stringify(sizes),
        device,
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
  turnMilliseconds: number,
): Promise<ComparisonReport> {
  await using stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  const missing: Missing[] = [];
  for (const command of commands) {
    const peer = "missing" in command ? command : await startPeer(command);
    if (isPeer(peer)) peers.push(stack.use(peer));
    else missing.push(peer);
  }
  const parameters = countParameters(workload.config);
  const other = peers.find((peer) => peer.parameters !== parameters);
  if (other !== undefined) {
    throw new Error(`${other.name} has ${other.parameters} parameters, ours ${parameters}`);
  }
  const turns = await measureTurns(peers, measuring, turnMilliseconds);
  const ours = turns.find((turn) => turn.name === OURS);
  if (ours === undefined) throw new Error(`${OURS} did not start: ${missing[0]?.missing}`);
  const versions = new Map(peers.map((peer) => [peer.name, peer.version]));
  return {
    preset,
    parameters,
    missing,
    turns: turns.map((turn) => ({
      ...turn,
      version: versions.get(turn.name) ?? "",
      gigaflops: gigaflops(stepOperations(workload, "sft"), turn.milliseconds.median),
      timesOurs: turn.milliseconds.median / ours.milliseconds.median,
      paired: pairedRatio(ours, turn),
    })),
  };
}

/** A comparison for a person. */
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
  const titles = ["ms", "quartiles", "GFLOP/s", "its / ours", "ours / its", "by rounds", "version"];
  return [
    ...alignTable([[`${preset} sft step`, ...titles], ...rows]),
    `${parameters.toLocaleString("en-US")} parameters in each`,
    ...missing.map(({ name, missing }) => `${name}: not measured: ${missing}`),
  ];
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(peersFlags, usage));
    return;
  }
  const { values } = parseFlags(peersFlags, Deno.args);
  const measuring = measuringFor(values);
  const reports: ComparisonReport[] = [];
  for (const [preset, workload] of chosenWorkloads(values.preset)) {
    const commands = peersOf(workload, { ...values, preset });
    const turn = 1000 * values.turn;
    const report = await withProgress(
      `${preset}: training by each library`,
      (progress) => compare(preset, workload, commands, { ...measuring, progress }, turn),
    );
    reports.push(report);
    if (!values.json) console.log([...comparisonLines(report), ""].join("\n"));
  }
  if (values.json) console.log(JSON.stringify(reports, null, 2));
}

if (import.meta.main) await runCommand(main);
