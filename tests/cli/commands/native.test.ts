/** Training by compiled C as a person starts it: by a task of its own. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { compile, evaluate, full, matmul, type Tensor } from "@unitune/core";
import { openDevice } from "@unitune/cli";
import { UserError } from "@unitune/training";
import {
  assertRefused,
  assertSameFiles,
  ended,
  inFolder,
  start,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";
import { addRuntime } from "../../native/runtime.ts";

inFolder("the native device trains by its task, goes on, and answers", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
  const env = { XDG_CACHE_HOME: `${folder}/cache` };
  addRuntime(`${folder}/cache/unitune/native`);
  const native = (...args: readonly string[]) => ended(start("train:native", args, env));
  const [, , ...sizes] = tiny;
  const args = ["--data", data, ...sizes, "--device", "native", "--save-steps", "3"];
  const { code, stdout, stderr } = await native(...args, "--out", whole);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, " on native\n");
  await native(...args, "--out", cut);
  await Deno.remove(`${cut}/checkpoints/step-000006`, { recursive: true });
  assertEquals((await native("--resume", cut)).code, 0);
  await assertSameFiles(cut, whole);

  const wasm = `${folder}/wasm`;
  await trained("--data", data, ...tiny, "--save-steps", "3", "--out", wasm);
  const losses = async (run: string) =>
    (await Deno.readTextFile(`${run}/metrics.jsonl`)).trimEnd().split("\n")
      .flatMap((line): number[] => JSON.parse(line).loss ?? []);
  const [ours, theirs] = [await losses(whole), await losses(wasm)];
  assertEquals(ours.length, theirs.length);
  // Six steps of f32 roundings, in sums of another order.
  assertEquals(ours.filter((loss, i) => Math.abs(loss - (theirs[i] ?? NaN)) > 1e-5), []);
});

inFolder("a task that may not call what is compiled says which one may", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [, , ...sizes] = tiny;
  const args = ["--data", data, ...sizes, "--device", "native", "--out", `${folder}/run`];
  assertRefused(
    await ended(start("train", args)),
    1,
    "--device native compiles C and calls it, which this task may not do: use the task whose name " +
      "ends in :native, such as `deno task train:native`, with the same flags",
  );
  assertRefused(
    await train(...args, "--precision", "f16"),
    1,
    "on native here, in f32 or bf16 only",
  );
});

inFolder("without a compiler, the native device is refused in a sentence", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [, , ...sizes] = tiny;
  const args = ["--data", data, ...sizes, "--device", "native", "--out", `${folder}/run`];
  const env = { XDG_CACHE_HOME: `${folder}/cache`, CC: `${folder}/none` };
  assertRefused(
    await ended(start("train:native", args, env)),
    1,
    `--device native: the native backend compiles C, and no compiler was found (${folder}/none)`,
  );
});

Deno.test("the native device is given its threads, and an error of the program stays one", async () => {
  const opened = () => openDevice("native", () => {}, { threads: 0 });
  const error = await assertRejects(opened, RangeError, "threads is an integer from 1");
  assertEquals(error instanceof UserError, false);
});

Deno.test("native products of bfloats round factors, where the processor has such products", async () => {
  try {
    using device = await openDevice("native", () => {}, { precision: "bf16" });
    // Of 64 terms; bfloats next to 1 are 2^-8 and 2^-7 away.
    const x = evaluate(full([64, 64], 1 + 2 ** -10), device);
    using product = compile((x: Tensor) => matmul(x, x), { device });
    assertEquals(await product(x).data(), new Float32Array(64 * 64).fill(64));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    assertStringIncludes(
      error.message,
      "need a processor with AMX or AVX-512 BF16: compute in f32",
    );
  }
});
