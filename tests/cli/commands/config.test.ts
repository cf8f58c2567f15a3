import { assertStringIncludes } from "@std/assert";
import {
  assertRefused,
  assertSameFiles,
  inFolder,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";

inFolder("YAML, JSON and flags of the same settings train the same bits", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const out = (name: string) => ["--out", `${folder}/${name}`];
  await trained(
    ...["--data", data, ...tiny, "--objective", "sft,ift", "--steps", "3,2"],
    ...["--learning-rate", "1e-3", "--lambda", "0.3", ...out("flags")],
  );
  await Deno.writeTextFile(
    `${folder}/c.json`,
    JSON.stringify([{ objective: "sft", steps: 3 }, { objective: "ift", steps: 2, lambda: 0.3 }]),
  );
  const steps = tiny.indexOf("--steps");
  const common = ["--data", data, ...tiny.filter((_, i) => i !== steps && i !== steps + 1)];
  await trained(
    ...common,
    "--learning-rate",
    "1e-3",
    "--config",
    `${folder}/c.json`,
    ...out("json"),
  );
  await Deno.writeTextFile(
    `${folder}/c.yaml`,
    `# Two stages.
- objective: sft
  steps: 3
  learning_rate: 1e-3
- objective: IFT
  steps: 2
  learning-rate: 0.001
  lambda: .3
`,
  );
  await trained(...common, "--config", `${folder}/c.yaml`, ...out("yaml"));
  await assertSameFiles(`${folder}/json`, `${folder}/flags`);
  await assertSameFiles(`${folder}/yaml`, `${folder}/flags`);
});

inFolder(
  "a wrong YAML file is refused with line and column, and leaves nothing",
  async (folder) => {
    const config = `${folder}/c.yaml`;
    await Deno.writeTextFile(config, "seed: 1\n\nsteps: many\n");
    const result = await train("--config", config, "--out", `${folder}/run`);
    assertRefused(result, 1, `${config}:3:1: "steps" must be a whole number, at least 1, at most`);
    assertStringIncludes(result.stderr, `not "many"`);
  },
);
