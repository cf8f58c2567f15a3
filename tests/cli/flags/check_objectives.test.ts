/** Objectives from outside that collide with others: one refusal, whatever the command. */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { failureOf, settingFlags } from "@unitune/cli";
import { objectivesCommand } from "@unitune/cli/objectives";
import { trainCommand } from "@unitune/cli/train";
import {
  defineObjective,
  estimate,
  gold,
  indicator,
  nll,
  objective,
  objectiveRegistry,
  type Option,
  type OptionTable,
} from "@unitune/objectives";
import { UserError } from "@unitune/training";

/** The objectives of Unitune and another. */
function withOther(name: string, options: OptionTable = {}, aliases: readonly string[] = []) {
  const own = defineObjective({
    ...{ name, aliases, options, data: "demonstrations", reference: "none" },
    ...{ teacher: false, values: false, trains: "policy" },
    make: () => objective(estimate(gold, indicator), nll()),
  });
  return { objectives: [...objectiveRegistry, own] };
}

const number: Option = { kind: "number", default: 1, help: "A number." };
const integer: Option = { kind: "integer", default: 1, help: "A number." };

const refused: [ReturnType<typeof withOther>, string][] = [
  [withOther("sft"), `"sft": its name is that of another objective, "sft"`],
  [withOther("s-ft"), `"s-ft": its name is that of another objective, "sft"`],
  [withOther("max-rl-gradient"), `its name is that of another objective, "max-rl"`],
  [withOther("mine", {}, ["PPO"]), `its alias "PPO" is that of another objective, "ppo"`],
  [withOther("mine", {}, ["a,b"]), `its alias "a,b" must be without commas, slashes and spaces`],
  ...["a,b", "a/b", "", "mySft", "a--b", "-a"].map((
    name,
  ): [ReturnType<typeof withOther>, string] => [
    withOther(name),
    `"${name}": its name must be in kebab case, such as "my-sft"`,
  ]),
  [withOther("mine", { "my-zeal": number }), `"my-zeal" must be in camel case, such as "myZeal"`],
  [withOther("mine", { "a,b": number }), `its option "a,b" must be in camel case`],
  [withOther("mine", { out: number }), `its option "out" has the name of train's own --out`],
  [withOther("mine", { fromStep: integer }), "has the name of train's own --from-step"],
  [withOther("mine", { objective: number }), "has the name of train's own --objective"],
  [withOther("mine", { help: number }), "has the name of train's own --help"],
  [
    withOther("mine", { steps: integer }),
    `its option "steps" has the name of a setting of every training: choose another (only ` +
    `temperature, maxNewTokens and warmupSteps may be both)`,
  ],
  [
    withOther("mine", { temperature: integer }),
    `"temperature" is of the kind integer, and of the kind number for every training`,
  ],
  [
    withOther("mine", { beta: integer }),
    `"beta" is of the kind integer, and of the kind number for dpo: one name stands for one kind`,
  ],
];

Deno.test("objectives that collide are refused in one sentence, by every command", async () => {
  for (const [registries, message] of refused) {
    const error = assertThrows(() => settingFlags(registries), UserError, message);
    assertEquals(failureOf(error).exitCode, 1);
    await assertRejects(() => objectivesCommand([], registries), UserError, message);
    await assertRejects(() => trainCommand(["--help"], registries), UserError, message);
  }
});

Deno.test("an objective may share options with others, and settings that are options", () => {
  const options = { temperature: number, warmupSteps: integer, beta: number, zeal: number };
  const flags = settingFlags(withOther("mine-too", options, ["mine++"]));
  assertEquals([flags.zeal?.kind, flags.beta?.kind], ["number", "number"]);
  assertStringIncludes(`${flags.objective?.help}`, "mine-too");
});
