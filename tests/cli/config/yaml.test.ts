import { assert, assertEquals, assertThrows } from "@std/assert";
import { randomStream, UserError } from "@unitune/training";
import { parseFlags, settingFlags } from "@unitune/cli";
import { parseYaml } from "@unitune/cli/yaml";
import { noConfig, settingsIn } from "../../../cli/config/config_file.ts";
import { readConfig } from "../../../cli/config/read_config.ts";
import { stageSettings } from "../../../cli/flags/stages.ts";
import { damaged, pick } from "../../fuzz/mutations.ts";
import { inFolder } from "../command.ts";

/** A file that has something of all that YAML has and settings need. */
const text = `# The model is small.
objective: dpo
"learning-rate": 1e-3
batch_size: 0x10
data: 'it''s.jsonl'
lora: false # not here
rewards: >-
  exact-match
tasks: null
list: [a, 1.5, {b: ~}]
`;

Deno.test("values of YAML are those of JSON, and keys have their places", () => {
  const { value, placeOf } = parseYaml(text, "run.yaml");
  assertEquals(value, {
    objective: "dpo",
    "learning-rate": 1e-3,
    batch_size: 16,
    data: "it's.jsonl",
    lora: false,
    rewards: "exact-match",
    tasks: null,
    list: ["a", 1.5, { b: null }],
  });
  assertEquals(placeOf([]), "run.yaml:2:1");
  assertEquals(placeOf(["learning-rate"]), "run.yaml:3:1");
  assertEquals(placeOf(["rewards"]), "run.yaml:7:1");
  assertEquals(placeOf(["list", 2]), "run.yaml:10:16");
  assertEquals(placeOf(["list", 2, "b"]), "run.yaml:10:17");
  // Words of YAML 1.1 are texts.
  assertEquals(parseYaml("lora: yes", "f").value, { lora: "yes" });
});

Deno.test("stages of YAML are a list, or the settings of a run", () => {
  const list = settingsIn(parseYaml("- steps: 9\n- steps: 3\n  seed: 1\n", "s.yml"));
  assertEquals(list.stages.map(({ place }) => place), ["s.yml:1:3", "s.yml:2:3"]);
  assertEquals(list.stages[1]?.entries.map(({ written, place }) => [written, place]), [
    ["steps", "s.yml:2:3"],
    ["seed", "s.yml:3:3"],
  ]);
  assertEquals(list.isOfRun, false);
  const run = settingsIn(parseYaml("settings:\n  steps: 9\nmodel: {}\n", "s.yml"));
  assertEquals([run.isOfRun, run.stages.length], [true, 1]);
  assertEquals(run.stages[0]?.entries.map(({ place }) => place), ["s.yml:2:3"]);
});

/** What is refused, and the message. */
const refused: readonly (readonly [yaml: string, message: string])[] = [
  ["", "f.yaml:1:1 must hold settings by name, such as steps: 100"],
  ["5", "f.yaml:1:1 must hold settings by name, such as steps: 100"],
  ["- steps: 5\n- 7\n", "f.yaml:2:3 must hold settings by name, such as steps: 100"],
  ["[]", "f.yaml:1:1 must hold settings by name, such as steps: 100"],
  ["steps: 5\nsteps: 6\n", "f.yaml:2:1: the key is there a second time"],
  ["steps: 5\nlr: 1\nseed: 'a", "f.yaml:3:9: not YAML of settings: Missing closing 'quote"],
  [
    "a: 1\n---\nb: 2\n",
    "f.yaml:2:1: not YAML of settings: a second document begins, and settings are one",
  ],
  ["a: &x 1\nb: *x\n", "f.yaml:2:4: an alias is not read: write the value itself"],
  [
    "a: !!js/function 'f'",
    "f.yaml:1:4: not YAML of settings: Unresolved tag: tag:yaml.org,2002:js/function",
  ],
  ["a: 1\n? [b]\n: 2\n", "f.yaml:2:3: a key must be the name of a setting"],
  ["a: 1\n7: 2\n", "f.yaml:2:1: a key must be the name of a setting, not 7"],
  ["- a: [[1]]", ""],
  ["- a: [[[1]]]", "f.yaml:1:8: lists and maps are nested too deeply for settings"],
  [`a: ${"[".repeat(50_000)}`, "lists and maps are nested too deeply for settings"],
];

for (const [yaml, message] of refused) {
  Deno.test(`${JSON.stringify(yaml.slice(0, 40))} is ${message === "" ? "read" : "refused"}`, () => {
    const read = () => settingsIn(parseYaml(yaml, "f.yaml"));
    if (message === "") read();
    else assertThrows(read, UserError, message);
  });
}

/** The settings of a YAML file, without flags. */
function settingsOf(yaml: string) {
  return stageSettings(
    [parseFlags(settingFlags(), [])],
    settingsIn(parseYaml(yaml, "f.yaml")),
  );
}

Deno.test("settings that make no sense are named with their line and column", () => {
  const cases = [
    ["seed: 1\n  \nstesp: 5\n", 'f.yaml:3:1: unknown key "stesp": did you mean steps?'],
    ["{steps: 5.5}", 'f.yaml:1:2: "steps" must be a whole number'],
    [
      "steps: [5]",
      'f.yaml:1:1: "steps" must be a whole number, at least 1, at most 2147483647, not [5]',
    ],
    ["seed: 1\ndata: {a: 1}", 'f.yaml:2:1: "data" must be a text, not {"a":1}'],
    ["gradient_clip: .inf", 'f.yaml:1:1: "gradient_clip" must be a number'],
    ["lora: yes", 'f.yaml:1:1: "lora" must be true or false, not "yes"'],
    ["batch-size: 1\nbatchSize: 2", 'f.yaml:2:1: "batchSize" says batch-size a second time'],
    ["seed: 1\nlambda: 0.5", 'f.yaml:2:1: "lambda" has an effect only with --objective ift'],
    ["__proto__: 1", 'f.yaml:1:1: unknown key "__proto__"'],
  ] as const;
  for (const [yaml, message] of cases) assertThrows(() => settingsOf(yaml), UserError, message);
  assertEquals(settingsOf("steps: 5\n")[0]?.steps, 5);
});

inFolder("the ending of a name tells YAML from JSON", async (folder) => {
  const json = `{"steps": 5, "steps": 6}`;
  for (const ending of ["yaml", "yml", "YAML"]) {
    await Deno.writeTextFile(`${folder}/a.${ending}`, "steps: 5");
    const { stages, path } = await readConfig(`${folder}/a.${ending}`);
    assertEquals(stages.map(({ entries }) => entries.map(({ value }) => value)), [[5]]);
    assertEquals(path, `${folder}/a.${ending}`);
  }
  for (const name of ["a.json", "a", "yaml"]) {
    await Deno.writeTextFile(`${folder}/${name}`, json);
    assertEquals((await readConfig(`${folder}/${name}`)).stages[0]?.entries[0]?.value, 6);
  }
  await Deno.writeTextFile(`${folder}/large.yaml`, `# ${"x".repeat(2 ** 16 - 2)}`);
  assertEquals((await readConfigFault(`${folder}/large.yaml`)).includes("must hold"), true);
  await Deno.writeTextFile(`${folder}/large.yaml`, `# ${"x".repeat(2 ** 16 - 1)}`);
  assertEquals(
    await readConfigFault(`${folder}/large.yaml`),
    `${folder}/large.yaml has 65537 bytes, more than the 65536 that are read of such a file`,
  );
});

/** The message with which a file is refused. */
async function readConfigFault(path: string): Promise<string> {
  try {
    await readConfig(path);
  } catch (error) {
    assert(error instanceof UserError);
    return error.message;
  }
  return "";
}

Deno.test("no configuration is one that says nothing", () => {
  assertEquals(
    stageSettings([parseFlags(settingFlags(), [])], noConfig),
    stageSettings([parseFlags(settingFlags(), [])]),
  );
});

inFolder("damaged YAML is read, or refused in a sentence", async (folder) => {
  const files = [
    `# A comment in which damage does not matter${" at all".repeat(20)}.\n` +
    "- objective: sft\n  steps: 5\n  tasks: 'sort+add'\n- {objective: dpo, beta: 0.1}\n",
    `- &a ${text.replaceAll("\n", "\n  ")}\n- <<: *a\n`,
  ].map((file) => new TextEncoder().encode(file));
  const path = `${folder}/run.yaml`;
  let [read, refusals] = [0, 0];
  for (let number = 0; number < 500; number++) {
    const random = randomStream(7, number);
    await Deno.writeFile(path, damaged(random, pick(random, files)));
    try {
      const { stages } = await readConfig(path);
      stageSettings(stages.map(() => parseFlags(settingFlags(), [])), await readConfig(path));
      read++;
    } catch (error) {
      assert(error instanceof UserError, `${number}: ${error}`);
      assert(error.message.startsWith(path), `${number}: ${error.message}`);
      // deno-lint-ignore no-control-regex -- control characters are what is looked for
      assert(!/[\x00-\x1f\x7f-\x9f\u202e]/.test(error.message), `${number}: ${error.message}`);
      assert(error.message.length < 1000 + path.length, `${number}: ${error.message}`);
      refusals++;
    }
  }
  // Some damage does not matter, most does.
  assert(read > 20 && refusals > 200, `${read} read, ${refusals} refused`);
});
