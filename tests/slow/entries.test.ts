/** Every objective by the command line: a tiny GPT learns by it, at its defaults and at other values. */
import { assert, assertEquals } from "@std/assert";
import { type ObjectiveEntry, objectiveRegistry } from "@unitune/objectives";
import { kebabCase } from "../../cli/flags/flags.ts";
import { inFolder, readRows, train, trained, writeRows } from "../cli/command.ts";

const common = [
  ...["--device", "wasm", "--layers", "1", "--heads", "1", "--width", "8", "--context", "48"],
  ...["--steps", "2", "--batch-size", "8", "--warmup-steps", "0", "--logging-steps", "1"],
];

const onTask = ["--tasks", "pick", "--examples", "32"];

/** Rows of steps, which no built-in task has. */
const stepRows = [true, false, true, true, false, true, false, true].map((isRight, i) => ({
  prompt: `${i}`,
  completions: ["ab", "ba"],
  labels: [isRight, !isRight],
}));

/** An integer that fits every option: small, even, and no default. */
const OTHER = 2;

/** Each option of an entry as a flag with a value other than the default. */
function otherFlags({ options }: ObjectiveEntry): string[] {
  return Object.entries(options).flatMap(([name, option]) => {
    const flag = `--${kebabCase(name)}`;
    switch (option.kind) {
      case "boolean":
        return [option.default ? `--no-${kebabCase(name)}` : flag];
      case "choice":
        return [flag, option.choices.find((choice) => choice !== option.default) ?? ""];
      case "integer":
        return [flag, `${option.default === OTHER ? 2 * OTHER : OTHER}`];
      case "number":
        return [flag, `${option.default === 0 ? 0.5 : (option.default ?? 1) / 2}`];
      case "string":
        // A text means something of its own; its default stays.
        return [];
      default:
        return option satisfies never;
    }
  });
}

inFolder("every objective trains by the command line", async (folder) => {
  const teacher = `${folder}/teacher`;
  await trained("--objective", "sft", ...common, ...onTask, "--out", teacher);
  const rows = `${folder}/steps.jsonl`;
  await writeRows(rows, stepRows);
  const failures: string[] = [];
  for (const entry of objectiveRegistry) {
    const data = entry.data === "steps" ? ["--data", rows] : onTask;
    const lent = entry.teacher ? ["--teacher", teacher] : [];
    const others = otherFlags(entry);
    for (const flags of others.length === 0 ? [others] : [[], others]) {
      const out = `${folder}/${entry.name}-${flags.length}`;
      const args = [...common, ...data, ...lent, ...flags];
      const { code, stderr } = await train("--objective", entry.name, ...args, "--out", out);
      const losses = code === 0
        ? (await readRows(`${out}/metrics.jsonl`)).flatMap(({ loss }) =>
          loss === undefined ? [] : [loss]
        )
        : [];
      if (losses.length !== 2 || !losses.every(Number.isFinite)) {
        failures.push(`${entry.name} ${flags.join(" ")}: ${stderr || losses.join(" ")}`);
      }
    }
  }
  assertEquals(failures, []);
  assert(objectiveRegistry.length > 80);
});
