/** Runs of several stages: preferences, reward models, rewarded answers; killed anywhere. */
import { assert, assertAlmostEquals, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { jsonConfig } from "../../../cli/config/config_file.ts";
import { splitStages, stageSettings } from "../../../cli/flags/stages.ts";
import { meaningOf } from "../../../cli/report/glossary.ts";
import { latestCheckpoint } from "../../../cli/run/checkpoints.ts";
import {
  carryOut,
  createRun,
  openDevice,
  parseFlags,
  prepare,
  type Run,
  runConfig,
  settingFlags,
  silentProgress,
  UsageError,
} from "@unitune/cli";
import { timetableOf, type TrainSettings, UserError, writtenSettings } from "@unitune/training";
import { assertSameFiles, inFolder, readRows, sample, trained } from "../command.ts";

/** The settings of each stage of a command line. */
function stagesOf(line: string): readonly TrainSettings[] {
  const lines = splitStages(line.split(" "));
  return stageSettings(lines.map((argv) => parseFlags(settingFlags(), argv)));
}

/**
 * Every kind of stage, each with settings of its own, on a model of no size. What is carried from
 * step to step is all there: answers that are used for several steps, accumulated gradients, noise,
 * rejected answers of the model's own.
 */
const stages = stagesOf(
  "--objective sft,reward-model,ppo,dpo,kto,grpo --steps 6,4,8,4,4,6 --rollout-epochs 4,4,4,4,4,2 " +
    "--rewards verifier --rewards verifier --rewards reward-model+0.5*format " +
    "--rewards verifier --rewards verifier --rewards exact-match+verifier " +
    "--layers 1 --heads 1 --width 8 --examples 60 --tasks pick+given --noise 0.2 " +
    "--batch-size 8 --group-size 4 --gradient-accumulation 2 --rejected model " +
    "--learning-rate 1e-2 --warmup-steps 0 --logging-steps 3 --eval-steps 16 --save-steps 3",
);
const { starts, total } = timetableOf(stages);

Deno.test("a comma is a text's own; a text for each stage is a flag for each", () => {
  const objectives = "--objective grpo,rloo --batch-size 16,8";
  const formats = (line: string) => stagesOf(`${objectives} ${line}`).map(({ format }) => format);
  assertEquals(formats("--format [a-z]{1,3}"), ["[a-z]{1,3}", "[a-z]{1,3}"]);
  assertEquals(formats("--format=[a-z],[0-9]"), ["[a-z],[0-9]", "[a-z],[0-9]"]);
  assertEquals(formats("--format a,b --seed 1 --format=c"), ["a,b", "c"]);
  assertEquals(
    stagesOf(`${objectives} --data a,b.jsonl`).map(({ data }) => data),
    ["a,b.jsonl", "a,b.jsonl"],
  );
  assertThrows(
    () => formats("--format a --format b --format c"),
    UsageError,
    "--format has 3 values, and the run 2 stages (grpo, rloo): give one, or one for each",
  );
});

Deno.test("a stage without a value is named", () => {
  for (
    const [line, message] of [
      ["--objective sft,", "--objective names nothing for stage 2"],
      ["--objective sft,,dpo", "--objective names nothing for stage 2"],
      ["--objective sft,dpo --steps 2,", "--steps names nothing for stage 2"],
    ] as const
  ) assertThrows(() => stagesOf(line), UsageError, message);
});

/** The settings of each stage of a configuration. */
function stagesIn(config: unknown, ...argv: string[]): readonly TrainSettings[] {
  const file = jsonConfig(config, "c.json");
  const lines = splitStages(argv, file.stages.length);
  return stageSettings(lines.map((line) => parseFlags(settingFlags(), line)), file);
}

Deno.test("a setting of another objective in a configuration is refused as on a command line", () => {
  const reason = "has an effect only with --objective ift, scheduled-sampling,";
  const refused: [unknown, string][] = [
    [{ objective: "dpo", lambda: 0.5 }, `c.json: "lambda" ${reason}`],
    [
      [{ objective: "ift" }, { objective: "dpo", lambda: 0.5 }],
      `c.json, stage 2: "lambda" ${reason}`,
    ],
    [
      { optimizer: "sgd", beta2: 0.5 },
      'c.json: "beta2" has an effect only with --optimizer adamw,',
    ],
  ];
  for (const [config, message] of refused) {
    assertThrows(() => stagesIn(config), UserError, message);
  }
  assertThrows(() => stagesIn({ beta: 0.5 }, "--objective", "sft,ift"), UserError, '"beta" has');
  assertEquals(stagesIn({ lambda: 0.5 }, "--objective", "sft,ift")[1]?.options.lambda, 0.5);
});

Deno.test("a configuration of a run's own serves again, with its objective or another", () => {
  const settings = stagesOf(
    "--objective dpo,grpo --optimizer sgd,adamw --temperature 0.5 --beta 1",
  );
  for (const stages of [settings, settings.slice(0, 1)]) {
    const own = { settings: stages.map(writtenSettings), model: {}, data: {} };
    assertEquals(stagesIn(own), stages);
    const [only] = own.settings;
    if (stages.length === 1) assertEquals(stagesIn({ ...own, settings: only }), stages);
  }
  const dpo = settings.slice(0, 1).map(writtenSettings);
  const [sft] = stagesIn({ settings: dpo }, "--objective", "sft");
  assertEquals(sft?.objective.name, "sft");
});

/** Carries out a run until so many steps are done, and no further. */
async function until(steps: number, run: Omit<Run, "progress" | "signal">): Promise<void> {
  const controller = new AbortController();
  const update = (step: number) => {
    if (step >= steps) controller.abort();
  };
  const { signal } = controller;
  await carryOut({ ...run, progress: { ...silentProgress, update }, signal });
}

inFolder("killed in any stage and resumed, a pipeline ends with the same bytes", async (folder) => {
  const prepared = await prepare(stages);
  using device = await openDevice("wasm");
  const runIn = async (name: string) => ({
    folder: await createRun(`${folder}/${name}`, "", runConfig(stages, prepared)),
    stages,
    prepared,
    device,
  });
  const whole = await runIn("whole");
  await carryOut(whole);

  const cut = await runIn("cut");
  // In the middle of every stage, also between two uses of the same answers, and at its end.
  for (const step of [4, 6, 13, 20, 25, 31]) {
    await until(step, cut);
    const checkpoint = await latestCheckpoint(cut.folder);
    assertEquals(checkpoint?.position.step, step);
    // An interruption leaves a checkpoint of its step. A kill leaves lines without one.
    const isRegular = step % 3 === 0 || starts.includes(step);
    if (!isRegular) await Deno.remove(checkpoint?.path ?? "", { recursive: true });
  }
  await until(29, cut);
  await carryOut(cut);
  await assertSameFiles(cut.folder, whole.folder);

  const lines = await readRows(`${whole.folder}/metrics.jsonl`);
  assertEquals(
    [...new Set(lines.map(({ stage }) => stage))],
    stages.map(({ objective: { name } }) => name),
  );
  assertEquals(lines.at(-1)?.step, total);
  const names = new Set(lines.flatMap((line) => Object.keys(line)));
  for (const name of names.difference(new Set(["step", "stage", "split"]))) {
    assert(meaningOf(name) !== undefined, `${name} is not in the glossary`);
  }
  const costs = lines.flatMap(({ "cost/forward_tokens": tokens }) =>
    typeof tokens === "number" ? [tokens] : []
  );
  assert(costs.every((tokens, i) => tokens > (costs[i - 1] ?? 0)));
});

inFolder("a pipeline by the command line: one folder, a model that answers", async (folder) => {
  const [base, run] = [`${folder}/base`, `${folder}/run`];
  const tiny = ["--layers", "1", "--heads", "1", "--width", "16", "--tasks", "pick"];
  const common = ["--batch-size", "16", "--logging-steps", "1", "--warmup-steps", "0"];
  await trained(...tiny, ...common, "--steps", "40", "--out", base);
  const { stdout } = await trained(
    ...["--from", base, "--tasks", "pick", ...common, "--out", run],
    ...["--objective", "dpo,grpo", "--steps", "8,2", "--learning-rate", "3e-3,1e-3"],
  );
  assert(stdout.includes("loss of dpo: mean -log sigmoid(beta d), where beta = 0.1"), stdout);
  assert(stdout.includes("stage 2: 20000 prompts to train on"), stdout);
  const { code, stdout: answer } = await sample("--run", run, "--prompt", "pick even 10-40");
  assertEquals(code, 0);
  assertGreater(answer.length, 0);

  const lines = await readRows(`${run}/metrics.jsonl`);
  const of = (stage: string) => lines.filter((line) => line.stage === stage && !("split" in line));
  // The policy is its reference, until the first step is done.
  assertAlmostEquals(Number(of("dpo")[0]?.loss), Math.LN2, 1e-4);
  assertEquals(of("grpo")[0]?.["clip_ratio/low"], 0);
  const margins = lines.flatMap(({ "eval_rewards/margins": margin }) =>
    typeof margin === "number" ? [margin] : []
  );
  assertEquals(margins[0], 0);
  assertGreater(margins.at(-1) ?? 0, 0);
  const sampled = (await readRows(`${run}/samples.jsonl`)).filter(({ split }) =>
    split === "rollouts"
  );
  assertEquals(sampled.length, 8);
  assertEquals(Object.keys(sampled[0] ?? {}), [
    ...["step", "stage", "split", "prompt", "answer", "reward", "rewards"],
  ]);
});
