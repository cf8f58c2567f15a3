/** `train --plan`: what a training takes, without training. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { reference, zeros } from "@unitune/core";
import { type StepPlan, trainSettings } from "@unitune/training";
import { chosenPlan, planLines } from "../../../cli/report/plan_text.ts";
import { fastest, measurePace } from "../../../cli/run/pace.ts";
import { assertRefused, inFolder, train, writeRows } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

inFolder("a plan reads no weights, makes no folder, and counts what is frozen", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`);
  const rows = Array.from({ length: 6 }, (_, i) => ({ prompt: `say ${i}`, completion: `${i}` }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  // Weights that no training would begin with: all of their elements are NaN.
  const file = `${model}/model.safetensors`;
  const bytes = await Deno.readFile(file);
  const [header = 0] = new Uint32Array(bytes.slice(0, 4).buffer);
  await Deno.writeFile(file, bytes.fill(0xff, 8 + header));
  const flags = ["--plan", "--device", "wasm", "--model", model, "--data", data];
  const whole = await train(...flags, "--out", `${folder}/run`);
  assertEquals([whole.code, whole.stderr], [0, ""]);
  assertStringIncludes(whole.stdout, "sft on rows: Llama of 62,400 parameters");
  assertStringIncludes(whole.stdout, "it fits into the 16 GiB of wasm");
  assert(!whole.stdout.includes("frozen weights"));
  assert(/\n {2}gradients +\d/.test(whole.stdout), whole.stdout);
  assert(/a step takes about [\d.]+ m?s, 100 steps about/.test(whole.stdout), whole.stdout);
  // One layer, two heads of 16 numbers: keys and values of the answers to 8 questions, and of prompts.
  assert(/\n {2}keys and values of answers +[\d.]+ KiB\n/.test(whole.stdout), whole.stdout);
  const adapted = await train(...flags, "--lora", "--objective", "sft,dpo", "--rejected", "model");
  assertEquals([adapted.code, adapted.stderr], [0, ""]);
  // 62,400 parameters of 4 bytes, each tensor in whole cache lines, and some constants.
  assert(/\n {2}frozen weights +24[45] KiB\n/.test(adapted.stdout), adapted.stdout);
  assertStringIncludes(adapted.stdout, "\n\ndpo on rows: ");
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).length, 2);
});

Deno.test("a plan that does not fit is told, and is no error; it is of a new run", async () => {
  const tiny = ["--layers", "3", "--width", "32", "--heads", "1", "--device", "wasm"];
  const { code, stdout } = await train("--plan", ...tiny, "--memory", "1MiB");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "it does not fit into the 1020 KiB of wasm");
  assertStringIncludes(stdout, "--checkpoint-activations blocks (chosen)");
  const resumed = await train("--plan", "--resume", "runs/none");
  assertRefused(resumed, 2, "--plan is for a new run: leave out --resume");
  // Without --plan such a training is refused, before its folder is made.
  const refused = await train(...tiny, "--memory", "1MiB", "--out", "runs/none");
  assertRefused(refused, 1, "wasm has 1020 KiB");
});

/** The plan of a step that takes some GiB of activations beside one GiB for each other kind. */
function planOf(activations: number, recomputes: boolean): StepPlan {
  const GIB = 2 ** 30;
  const state = { weights: GIB, frozen: 0, optimizer: GIB, gradients: GIB };
  const memory = { ...state, batch: 64, caches: 0 };
  return {
    memory: { ...memory, activations: activations * GIB },
    multiplications: recomputes ? 4e9 : 3e9,
    movedBytes: GIB,
    recomputes,
  };
}

Deno.test("a plan is text: kinds that matter, both ways, and what the time is of", () => {
  const plans = {
    settings: trainSettings({ steps: 100 }),
    kept: planOf(4, false),
    again: planOf(2, true),
  };
  const pace = { multiplications: 2e9, bytes: 2 ** 31 };
  const on = { limit: 6 * 2 ** 30, device: "wasm", pace };
  assertEquals(planLines(plans, on), [
    "  weights                     1 GiB",
    "  the state of the optimizer  1 GiB",
    "  gradients                   1 GiB",
    "  activations                 2 GiB",
    "  in all                      5 GiB",
    "it fits into the 6 GiB of wasm; gradients and activations are those at the moment when a step " +
    "takes most",
    "  --checkpoint-activations none             7 GiB    2 s a step",
    "  --checkpoint-activations blocks (chosen)  5 GiB  2.5 s a step",
    "a step takes about 2.5 s, 100 steps about 4m 10s: 4 billion multiplications at 2 billion a " +
    "second, and 1 GiB read and written at 2 GiB a second, the pace of a product and of a sum on " +
    "wasm just now. All rows count as the longest; evaluations, and answers that the model gives, " +
    "do not count",
  ]);
  // A thousandth of all matters, and no less.
  const told = (batch: number) => {
    const memory = {
      ...plans.kept.memory,
      weights: 999,
      optimizer: 0,
      gradients: 0,
      activations: 0,
    };
    const plan = { ...plans.kept, memory: { ...memory, batch } };
    return planLines({ ...plans, kept: plan, again: plan }, on)
      .some((line) => line.startsWith("  rows "));
  };
  assertEquals([1, 0.9995].map(told), [true, false]);
  const unknown = planLines(plans, { limit: Infinity, device: "webgpu" });
  assertEquals(unknown.at(4), "  in all                      7 GiB");
  assertEquals(unknown.at(5)?.slice(0, 34), "the memory of webgpu is unknown; g");
  assertEquals(unknown.at(-1), "  --checkpoint-activations blocks         5 GiB");
  assertStringIncludes(
    planLines(plans, { ...on, limit: 2 ** 30 }).join("\n"),
    "not fit into the 1",
  );
});

Deno.test("the way of a plan is the one that is set, or the first that fits", () => {
  const [kept, again] = [planOf(4, false), planOf(2, true)];
  const chosen = (checkpointActivations: "auto" | "none" | "blocks", gibibytes: number) =>
    chosenPlan(
      { settings: trainSettings({ checkpointActivations }), kept, again },
      gibibytes * 2 ** 30 + 64,
    ) === kept;
  assertEquals([chosen("auto", 7), chosen("auto", 6.99)], [true, false]);
  assertEquals([chosen("none", 1), chosen("blocks", 9)], [true, false]);
});

Deno.test("a pace is that of the fastest run after the first, among those of some time", async () => {
  let [time, runs, isMeanwhile] = [0, 0, false];
  // Others have their turn before a run.
  setTimeout(() => isMeanwhile = true, 0);
  // As on a graphics processor, what is started takes its time once somebody waits for it: 400
  // milliseconds in all, after which no other run begins.
  const milliseconds = [300, 60, 40, 10];
  const run = () => {
    assertEquals(isMeanwhile, runs++ > 0);
    return {
      ...zeros([]),
      item: async () => {
        time += milliseconds[runs - 2] ?? NaN;
        return await Promise.resolve(0);
      },
    };
  };
  assertEquals(await fastest(run, () => time), 0.04);
  assertEquals(runs, 4);
});

Deno.test("nobody waits for the reference backend, whose pace is not measured", async () => {
  assertEquals(await measurePace(reference()), undefined);
});
