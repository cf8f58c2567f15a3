/** The report of `deno task bench --gpu`: tables in Markdown of the results of the measurements. */
import { brief } from "../report.ts";
import type { Outcome } from "./carry_out.ts";
import type { ResultKind } from "./measurements.ts";

/** The value at a path of properties. */
export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === "object" && inner !== null
        ? Object.entries(inner).find(([key]) => key === `${name}`)?.[1]
        : undefined,
    value,
  );
}

/** The number at a path, to three digits. */
function numberAt(value: unknown, ...path: readonly (string | number)[]): string {
  const found = valueAt(value, ...path);
  return typeof found === "number" ? brief(found) : "?";
}

/** The list at a path. */
function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** Median and quartiles in milliseconds. */
function spread(value: unknown): string {
  const [median, low, high] = ["median", "low", "high"].map((name) => numberAt(value, name));
  return `${median} ms (${low}-${high})`;
}

/** A row of the table: what was measured, its time, and what else it tells. */
type Row = readonly [name: string, time: string, rates: string];

function trainingRows(name: string, result: unknown): Row[] {
  return listAt(result, "workloads", 0, "training").map((training) => [
    `${name}, ${valueAt(training, "objective")}`,
    spread(valueAt(training, "milliseconds")),
    `${numberAt(training, "tokensPerSecond")} tokens/s, ${numberAt(training, "gigaflops")} ` +
    `GFLOP/s; compiling ${numberAt(training, "compileMilliseconds")} ms`,
  ]);
}

function peerRows(name: string, result: unknown): Row[] {
  return listAt(result, 0, "turns").map((turn) => [
    `${name}: ${valueAt(turn, "name")}`,
    spread(valueAt(turn, "milliseconds")),
    `${numberAt(turn, "gigaflops")} GFLOP/s; ${numberAt(turn, "timesOurs")} times ours ` +
    `(${valueAt(turn, "version")})`,
  ]);
}

/** The lines of a run that tell of training steps. */
function trainingLines(result: unknown): { readonly step: number; readonly seconds: number }[] {
  return listAt(result).flatMap((timed) => {
    const [step, seconds] = [valueAt(timed, "line", "step"), valueAt(timed, "seconds")];
    const isTraining = valueAt(timed, "line", "split") === undefined;
    return isTraining && typeof step === "number" && typeof seconds === "number"
      ? [{ step, seconds }]
      : [];
  });
}

/** The whole run, and the rate of all steps after the first line, which has seen all compiling. */
function runRows(name: string, result: unknown, seconds: number): Row[] {
  const lines = trainingLines(result);
  const [first, last] = [lines[0], lines.at(-1)];
  if (first === undefined || last === undefined || last.step === first.step) {
    return [[name, `${brief(seconds)} s`, "too few lines to tell the rate"]];
  }
  const rest = 1000 * (last.seconds - first.seconds) / (last.step - first.step);
  return [[
    `${name}: ${last.step} steps`,
    `${brief(seconds)} s`,
    `after step ${first.step}: ${brief(rest)} ms a step, evaluations included`,
  ]];
}

/** The rows of a result by its kind. */
const rowsOf: Readonly<
  Record<ResultKind, (name: string, result: unknown, seconds: number) => Row[]>
> = {
  product: (name, result) => [[
    name,
    spread(valueAt(result, "product", "milliseconds")),
    `${numberAt(result, "product", "gigaflops")} GFLOP/s`,
  ]],
  training: trainingRows,
  generation: (name, result) =>
    listAt(result, "workloads", 0, "generation").map((generation) => [
      `${name}, ${valueAt(generation, "batch")} x ${valueAt(generation, "newTokens")} tokens`,
      spread(valueAt(generation, "milliseconds")),
      `${numberAt(generation, "tokensPerSecond")} tokens/s`,
    ]),
  peers: peerRows,
  run: runRows,
};

/** Peers that were not there, and why. */
function missingPeers({ measurement, ...outcome }: Outcome): string[] {
  if (measurement.kind !== "peers" || !("result" in outcome)) return [];
  return listAt(outcome.result, 0, "missing")
    // jax-js has to be installed for a comparison of its own.
    .filter((peer) => valueAt(peer, "name") !== "jax-js")
    .map((peer) => `- ${valueAt(peer, "name")}: ${valueAt(peer, "missing")}`);
}

/** Kinds of kernels of the SFT step. */
function profileTable({ measurement, ...outcome }: Outcome): string[] {
  if (measurement.kind !== "training" || !("result" in outcome)) return [];
  const kinds = listAt(outcome.result, "workloads", 0, "training", 0, "profile", "kinds");
  if (kinds.length === 0) return [];
  const kernels = listAt(outcome.result, "workloads", 0, "training", 0, "profile", "kernels")
    .slice(0, LONGEST);
  const row = (kernel: unknown) => {
    const share = valueAt(kernel, "share");
    return tableRow([
      `${valueAt(kernel, "kernel")}`,
      numberAt(kernel, "count"),
      numberAt(kernel, "milliseconds"),
      typeof share === "number" ? `${(100 * share).toFixed(1)} %` : "?",
      valueAt(kernel, "gigaflops") === undefined ? "" : numberAt(kernel, "gigaflops"),
    ]);
  };
  return [
    "",
    `## Kernels of the ${measurement.name}, SFT`,
    "",
    tableRow(["kind, or kernel", "count", "ms", "share", "GFLOP/s"]),
    tableRow(["---", "---:", "---:", "---:", "---:"]),
    ...kinds.map(row),
    ...kernels.map(row),
  ];
}

/** The longest kernels that are listed one by one. */
const LONGEST = 10;

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** The machine, by the first report that names it. */
function machine(outcomes: readonly Outcome[]): string {
  const report = outcomes.flatMap((outcome) => "result" in outcome ? [outcome.result] : [])
    .find((result) => typeof valueAt(result, "device") === "string");
  if (report === undefined) return "Nothing tells the machine.";
  const adapter = valueAt(report, "adapter");
  const features = listAt(report, "features").join(", ") || "none";
  return [
    `Device ${valueAt(report, "device")}`,
    ...(typeof adapter === "string" ? [`${adapter}, features: ${features}`] : []),
    `Deno ${valueAt(report, "deno")}`,
    `${valueAt(report, "processors")} processors`,
  ].join("; ") + ".";
}

/** The report as lines of Markdown. */
export function markdown(outcomes: readonly Outcome[]): string[] {
  const rows = outcomes.flatMap((outcome) => {
    const { measurement: { kind, name }, seconds } = outcome;
    return "result" in outcome ? rowsOf[kind](name, outcome.result, seconds) : [];
  });
  const missing = outcomes.flatMap((outcome) =>
    "missing" in outcome
      ? [`- ${outcome.measurement.name}: ${outcome.missing}`]
      : missingPeers(outcome)
  );
  return [
    "# Measurements on a graphics processor",
    "",
    machine(outcomes),
    "",
    tableRow(["measurement", "time (quartiles)", "rate"]),
    tableRow(["---", "---:", "---"]),
    ...rows.map(tableRow),
    ...(missing.length === 0 ? [] : ["", "Not measured:", "", ...missing]),
    ...outcomes.flatMap(profileTable),
  ];
}
