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

inFolder("a file of TRL trains the same bits as flags, and tells what it is", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const model = [
    ...["--preset", "nano-llama", "--layers", "1", "--heads", "2"],
    ...["--width", "16", "--context", "24"],
  ];
  await trained(
    ...["--data", data, ...model, "--device", "wasm", "--objective", "dft", "--steps", "4"],
    ...["--batch-size", "4", "--gradient-accumulation", "2", "--learning-rate", "2e-3"],
    ...["--min-learning-rate", "0", "--warmup-steps", "1", "--logging-steps", "1", "--seed", "42"],
    ...["--dropout", "0"],
    ...["--out", `${folder}/flags`],
  );
  const config = `${folder}/sft.yaml`;
  await Deno.writeTextFile(
    config,
    `# As for trl sft.
dataset_name: ${JSON.stringify(data)}
loss_type: dft
learning_rate: 2e-3
lr_scheduler_type: cosine
warmup_steps: 0.25
max_steps: 4
per_device_train_batch_size: 4
gradient_accumulation_steps: 2
gradient_checkpointing: true
logging_steps: 1
use_cpu: yes
disable_dropout: true
seed: 42
`,
  );
  const trl = ["--config", config, "--config-format", "trl"];
  const { stdout } = await trained(...trl, ...model, "--out", `${folder}/trl`);
  await assertSameFiles(`${folder}/trl`, `${folder}/flags`);
  assertStringIncludes(stdout, `${config} has settings of TRL, read as those of Unitune: `);
  assertStringIncludes(stdout, "gradient_checkpointing (it changes speed or memory alone)");
  assertStringIncludes(stdout, "have Unitune's defaults, not TRL's");

  const refusals = [
    [["--config-format", "trl"], 2, "--config-format needs --config with the file"],
    [["--config", config], 1, `${config}:2:1: unknown key "dataset_name"`],
    [[...trl, "--objective", "sft"], 1, `${config}:3:1: "loss_type" can't be "dft": it is the`],
    [[...trl, "--objective", "sft,dft"], 2, "--config-format trl is for a run of one stage"],
    [
      ["--resume", `${folder}/trl`, "--config-format", "trl"],
      2,
      "--resume keeps the run's own settings: leave out --config-format",
    ],
  ] as const;
  for (const [args, code, message] of refusals) {
    const out = args.some((arg) => arg === "--resume") ? [] : ["--out", `${folder}/none`];
    assertRefused(await train(...args, ...out), code, message);
  }
});
