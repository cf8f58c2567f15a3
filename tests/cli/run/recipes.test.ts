/** Objectives as the command makes them: the library's, with the library's defaults. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  describeObjective,
  type GivenSettings,
  readSettings,
  type TrainSettings,
  trainSettings,
  writtenSettings,
} from "@unitune/training";
import { withConfig } from "../../../cli/flags/flags.ts";
import { stageOf } from "../config/stage_of.ts";
import { parseFlags, settingFlags } from "@unitune/cli";
import { describeEntry, type ObjectiveEntry, objectiveRegistry } from "@unitune/objectives";
import { inFolder, readRows, tiny, trained, writeRows } from "../command.ts";

/** The defaults of an objective. */
function settingsOf({ name, teacher }: ObjectiveEntry, told: GivenSettings = {}): TrainSettings {
  return trainSettings({ objective: name, ...teacher && { teacher: "runs/a" }, ...told });
}

for (const entry of objectiveRegistry) {
  Deno.test(`${entry.name}: the command's defaults are the library's`, () => {
    const { values } = withConfig(settingFlags(), parseFlags(settingFlags(), []), stageOf({}));
    const named = { objective: entry.name, ...entry.teacher && { teacher: "runs/a" } };
    for (const settings of [settingsOf(entry), readSettings({ ...values, ...named })]) {
      assertEquals(describeObjective(settings), describeEntry(entry));
      assertEquals(readSettings(writtenSettings(settings)), settings);
    }
  });
}

Deno.test("--scale-rewards reaches every objective that scales rewards, but fixed recipes", () => {
  const fixed: string[] = [];
  for (const objective of objectiveRegistry) {
    const plain = describeObjective(settingsOf(objective)).signal;
    const scales = plain.includes("(std + 1e-4) of the group");
    if (!scales) continue;
    if (!Object.hasOwn(objective.options, "scaleRewards")) {
      fixed.push(objective.name);
      continue;
    }
    const { signal } = describeObjective(settingsOf(objective, { scaleRewards: "batch" }));
    assertEquals(
      signal,
      plain.replace("(std + 1e-4) of", "(std of the batch + 1e-4), mean of"),
      objective.name,
    );
  }
  // Their papers divide by the deviation of the group.
  assertEquals(fixed, ["chord", "chord-mu", "uft"]);
});

inFolder("dr-grpo divides by the longest answer that the run samples", async (folder) => {
  // The longest answer has 3 characters, so that 4 more tokens are sampled at most.
  const rows = Array.from({ length: 12 }, (_, i) => ({
    prompt: "ab",
    completion: "b".repeat(1 + i % 3),
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = async (name: string, ...flags: readonly string[]) => {
    const own = ["--objective", "dr-grpo", "--group-size", "4", "--rewards", "length-penalty"];
    const out = `${folder}/${name}`;
    const { stdout } = await trained("--data", data, ...tiny, ...own, ...flags, "--out", out);
    return { stdout, steps: await readRows(`${out}/metrics.jsonl`) };
  };
  const known = await run("known");
  assertStringIncludes(known.stdout, "(divided by sequences x 7)");
  const given = await run("given", "--max-new-tokens", "7");
  assertStringIncludes(given.stdout, "(divided by sequences x 7)");
  // What is trained is what is said: the loss of each step is divided by the same.
  assertEquals(known.steps, given.steps);
  assert(known.steps.some(({ grad_norm: norm }) => typeof norm === "number" && norm > 0));
});
