/** An objective from outside through the command line: none of our files is touched. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { assertStringIncludes, assertThrows } from "@std/assert";
import {
  carryOut,
  createRun,
  helpText,
  openDevice,
  parseFlags,
  prepare,
  readJson,
  runConfig,
  settingFlags,
} from "@unitune/cli";
import {
  againstReference,
  defineObjective,
  estimate,
  gold,
  objective,
  type ObjectiveRegistry,
  objectiveRegistry,
  type Optimization,
  paired,
  pairwise,
  type ReferenceEvidence,
  type Sides,
  weight,
} from "@unitune/objectives";
import { identitiesOf, SettingsError, trainSettings, UserError } from "@unitune/training";
import { flagsInVain } from "../../../cli/flags/flags.ts";
import { noConfig } from "../../../cli/config/config_file.ts";
import { splitStages, stageSettings } from "../../../cli/flags/stages.ts";
import { inFolder, readRows } from "../command.ts";

/** Preferences by two options, none of which any other objective has. */
const row = {
  data: "pairs",
  reference: "log-probs",
  teacher: false,
  values: false,
  trains: "policy",
  options: {
    firmness: { kind: "number", above: 0, default: 0.5, help: "The strength of the preference." },
    lossForm: { kind: "choice", choices: ["dpo", "hinge"], default: "dpo", help: "The loss." },
  },
} as const;

const preferred = (loss: Optimization<Sides<ReferenceEvidence>>) =>
  objective(paired(estimate(gold, againstReference("precomputed"))), loss);

const firm = defineObjective({
  ...row,
  name: "firm-preference",
  make: ({ firmness, lossForm }) => preferred(pairwise({ form: lossForm, beta: firmness })),
});

/** An objective that is wrong about its start: its loss is twice the one that it describes. */
const boastful = defineObjective({
  ...row,
  name: "boastful-preference",
  make({ firmness }) {
    const loss = pairwise({ beta: firmness });
    return preferred({ ...weight(2, loss), description: loss.description });
  },
});

const registry: ObjectiveRegistry = [...objectiveRegistry, firm, boastful];
const flags = settingFlags({ objectives: registry });

/** The settings of each stage of a command line. */
function stagesOf(line: string) {
  const lines = splitStages(line.split(" "), 1, { objectives: registry });
  return stageSettings(lines.map((argv) => parseFlags(flags, argv)), noConfig, {
    objectives: registry,
  });
}

Deno.test("an objective from outside has flags and help", () => {
  const help = helpText(flags, "");
  assertStringIncludes(help, "firm-preference");
  assertStringIncludes(
    help.replaceAll(/\s+/g, " "),
    "--firmness X The strength of the preference.",
  );
  assertStringIncludes(help.replaceAll(/\s+/g, " "), "boastful-preference; above 0; default 0.5)");
  const [, second] = stagesOf(
    "--objective sft,firmPreference --steps 3,2 --firmness 2 --loss-form HINGE",
  );
  assertEquals(second?.objective, firm);
  assertEquals(second?.options, { firmness: 2, lossForm: "hinge" });
  // Rejected answers are of objectives on pairs, this one among them.
  assertEquals(stagesOf("--objective firm-preference --rejected model")[0]?.rejected, "model");
  const inVain = flagsInVain(flags, parseFlags(flags, ["--firmness", "2"]));
  assertEquals(
    inVain.get("firmness"),
    "has an effect only with --objective firm-preference or boastful-preference, " +
      "not with sft",
  );
});

Deno.test("its options are refused out of their ranges, and where nobody knows it", () => {
  const message = "firmness must be a number, above 0, not";
  assertThrows(() => stagesOf("--objective firm-preference --firmness 0"), UserError, message);
  assertThrows(
    () => trainSettings({ objective: "firm-preference", firmness: 0 }, registry),
    SettingsError,
    message,
  );
  assertThrows(
    () => trainSettings({ objective: "firm-preference" }),
    SettingsError,
    `there is no objective "firm-preference"`,
  );
  assertThrows(() => trainSettings({ firmness: 1 }), SettingsError, `no setting "firmness"`);
});

const tiny = { steps: 3, batchSize: 4, layers: 1, heads: 1, width: 8, examples: 40, tasks: "pick" };

inFolder(
  "its feed trains, its start is checked, and its settings are read back",
  async (folder) => {
    const settings = trainSettings({
      ...{ ...tiny, objective: "firm-preference", firmness: 2, loggingSteps: 1 },
    }, registry);
    assertAlmostEquals(identitiesOf(settings)[0]?.value ?? NaN, Math.LN2);
    const prepared = await prepare(settings);
    using device = await openDevice("wasm");
    const out = await createRun(`${folder}/run`, "", runConfig(settings, prepared));
    const { isComplete } = await carryOut({ folder: out, stages: [settings], prepared, device });
    assert(isComplete);
    const [first] = (await readRows(`${out}/metrics.jsonl`)).filter((line) => "loss" in line);
    assertAlmostEquals(Number(first?.loss), Math.LN2, 1e-4);
    const { settings: written }: { settings: Record<string, number> } = JSON.parse(
      JSON.stringify(await readJson(`${out}/config.json`)),
    );
    assertEquals([written.objective, written.firmness], ["firm-preference", 2]);
    assertEquals(trainSettings(written, registry), settings);
  },
);

inFolder("a start that is not what its description says is refused", async (folder) => {
  const settings = trainSettings({ ...tiny, objective: "boastful-preference" }, registry);
  const prepared = await prepare(settings);
  using device = await openDevice("wasm");
  const out = await createRun(`${folder}/run`, "", runConfig(settings, prepared));
  await assertRejects(
    () => carryOut({ folder: out, stages: [settings], prepared, device }),
    UserError,
    "boastful-preference was stopped before its first step: its loss is 1.38629",
  );
});
