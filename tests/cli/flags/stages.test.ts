/** Command lines of several stages: what each stage gets, as a whole. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags, settingFlags } from "@unitune/cli";
import { UserError } from "@unitune/training";
import { type ConfigFile, jsonConfig, noConfig } from "../../../cli/config/config_file.ts";
import { splitStages, stageSettings, stagesName } from "../../../cli/flags/stages.ts";

/** The command line of each stage, in words. */
const split = (line: string, count?: number) =>
  splitStages(line.split(" "), count).map((argv) => argv.join(" "));

const message = (act: () => unknown) => {
  const { name, message } = assertThrows(act, UserError);
  return `${name}: ${message}`;
};

Deno.test("each stage gets its part of a command line, in the order of the whole", () => {
  const rows: readonly (readonly [line: string, ...stages: readonly string[]])[] = [
    // Of one stage, a comma means nothing.
    [
      "--objective sft --steps 1,2 --data a --data b",
      "--objective sft --steps 1,2 --data a --data b",
    ],
    ["x,y", "x,y"],
    ["--steps 1,2 --seed 3", "--steps 1,2 --seed 3"],
    ["--objective=sft,dpo --seed=1", "--objective=sft --seed=1", "--objective=dpo --seed=1"],
    [
      "--objective sft,dpo --steps=5,6 --batch-size 7",
      "--objective sft --steps=5 --batch-size 7",
      "--objective dpo --steps=6 --batch-size 7",
    ],
    // What stages share, what is no flag, and what is true or false is for all of them.
    [
      "--objective sft,dpo --seed 1,2 --lora --no-cache -x y,z --nothing 1,2",
      "--objective sft --seed 1,2 --lora --no-cache -x y,z --nothing 1,2",
      "--objective dpo --seed 1,2 --lora --no-cache -x y,z --nothing 1,2",
    ],
    // A text is repeated for each stage, or once for all.
    [
      "--data a,b --objective sft,dpo --format=c --format d",
      "--data a,b --objective sft --format=c",
      "--data a,b --objective dpo --format d",
    ],
    // The last objective counts; a flag without a value stays as it is.
    ["--objective sft,dpo --objective sft", "--objective sft,dpo --objective sft"],
    ["--objective sft,dpo --steps", "--objective sft --steps", "--objective dpo --steps"],
  ];
  for (const [line, ...stages] of rows) assertEquals(split(line), stages);
  assertEquals(splitStages([]), [[]]);
  // Where a file names the objectives, it says how many there are.
  assertEquals(split("--steps 1,2 --seed 3", 2), ["--steps 1 --seed 3", "--steps 2 --seed 3"]);
});

Deno.test("a flag has one value, or one for each stage", () => {
  const rows: readonly (readonly [line: string, count: number, message: string])[] = [
    [
      "--objective sft,dpo --steps 1,2,3",
      1,
      "UsageError: --steps has 3 values, and the run 2 stages (sft, dpo): give one, or one for each",
    ],
    [
      "--data a --data b --data c",
      2,
      "UsageError: --data has 3 values, and the run 2 stages: give one, or one for each",
    ],
    ["--steps ,1", 2, "UsageError: --steps names nothing for stage 1"],
    ["--steps 1,", 2, "UsageError: --steps names nothing for stage 2"],
  ];
  for (const [line, count, told] of rows) assertEquals(message(() => split(line, count)), told);
});

/** The settings of the stages of a command line and of a file. */
function settingsOf(line: string, file: ConfigFile = noConfig) {
  const flags = settingFlags();
  const lines = splitStages(line === "" ? [] : line.split(" "), file.stages.length);
  return stageSettings(lines.map((argv) => parseFlags(flags, argv)), file);
}

const given = (value: unknown) => jsonConfig(value, "c.json");

Deno.test("the settings of stages are those of the command line, then those of the file", () => {
  const told = (line: string, file?: ConfigFile) =>
    settingsOf(line, file).map(({ objective: { name }, steps }) => `${name} ${steps}`);
  assertEquals(told("--steps 7"), ["sft 7"]);
  assertEquals(told("--objective sft,dpo --steps 7"), ["sft 7", "dpo 7"]);
  assertEquals(told("--objective dpo", given({ steps: 5 })), ["dpo 5"]);
  // A file of one stage is for all of them.
  assertEquals(told("--objective sft,dpo", given({ steps: 5 })), ["sft 5", "dpo 5"]);
  const two = given([{ objective: "sft", steps: 5 }, { objective: "dpo" }]);
  assertEquals(told("--steps 8,9", two), ["sft 8", "dpo 9"]);
  assertEquals(told("", two)[0], "sft 5");
  assertEquals(stagesName(settingsOf("", two)), "sft-dpo");
});

Deno.test("what makes no sense is refused with its place", () => {
  const two = given([{ objective: "sft" }, { objective: "dpo" }]);
  const rows: readonly (readonly [line: string, file: ConfigFile, message: string])[] = [
    [
      "--objective sft,dpo,kto",
      two,
      "UserError: c.json holds 2 stages, and the command line names 3",
    ],
  ];
  for (const [line, file, told] of rows) {
    assertEquals(message(() => settingsOf(line, file)).slice(0, told.length), told);
  }
  // All stages share the seed, and budgets of tokens grow.
  assertEquals(
    message(() => settingsOf("", given([{ objective: "sft", seed: 1 }, { objective: "dpo" }])))
      .replace(/: it is .*/, ""),
    "SettingsError: all stages of a run share seed",
  );
  assertEquals(
    message(() => settingsOf("--objective sft,dpo --token-budget 5,4")).replace(/ of dpo .*/, ""),
    "SettingsError: tokenBudget 4",
  );
});

Deno.test("a value without effect is refused where it is for one stage, or has none in any", () => {
  const only = "has an effect only with";
  const told = (line: string, file?: ConfigFile) =>
    message(() => settingsOf(line, file)).replace(/(only with).*/, "$1");
  assertEquals(told("--beta 0.5"), `UsageError: --beta ${only}`);
  assertEquals(told("--objective sft,ift --beta 0.5"), `UsageError: --beta ${only}`);
  assertEquals(told("--no-whiten"), `UsageError: --no-whiten ${only}`);
  assertEquals(told("--last-step-only"), `UsageError: --last-step-only ${only}`);
  assertEquals(told("", given({ beta: 0.5 })), `UserError: c.json: "beta" ${only}`);
  const ofStage = given([{ objective: "dpo" }, { objective: "sft", beta: 0.5 }]);
  assertEquals(told("", ofStage), `UserError: c.json, stage 2: "beta" ${only}`);
  // One of the stages has a use for it.
  const betas = (line: string, file?: ConfigFile) =>
    settingsOf(line, file).map(({ options }) => options.beta);
  assertEquals(betas("--objective sft,dpo --beta 0.5")[1], 0.5);
  assertEquals(betas("--objective dpo,sft", given({ beta: 0.25 }))[0], 0.25);
});
