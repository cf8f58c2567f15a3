/** A program from outside has the whole command line, with an objective and an architecture of its own. */
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertRefused, type Ended, ended, inFolder, sample, tiny } from "../command.ts";

const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
const source = new URL("./outside_program.ts", import.meta.url);

inFolder("an objective and an architecture from outside have the command line", async (folder) => {
  const program = `${folder}/program.ts`;
  await Deno.copyFile(source, program);
  const run = `${folder}/run`;
  const command = (...args: readonly string[]): Promise<Ended> =>
    ended(
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--config", config, "--no-prompt", `--allow-read`, `--allow-write=${folder}`],
          ...[program, ...args],
        ],
        env: { XDG_RUNTIME_DIR: "/tmp" },
        stdout: "piped",
        stderr: "piped",
      }),
    );
  const done = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(...args);
    assertEquals(code, 0, stderr);
    return stdout;
  };

  const help = (await done("train", "--help")).replaceAll(/\s+/g, " ");
  for (const own of ["zealous-sft", "--zeal X", "own-tiny", "Own GPT"]) {
    assertStringIncludes(help, own);
  }
  assertStringIncludes(await done("objectives", "zealousSft"), "--zeal X");
  assertRefused(
    await command("train", "--objective", "dpo", "--zeal", "3"),
    2,
    "--zeal has an effect only with --objective zealous-sft",
  );

  const sizes = tiny.filter((_, i) =>
    !["--layers", "--heads", "--width", "--context"]
      .some((flag) => tiny[i] === flag || tiny[i - 1] === flag)
  );
  const own = ["--preset", "own-tiny", "--objective", "zealous-sft", "--zeal", "3"];
  const told = await done("train", ...sizes, ...own, "--tasks", "pick", "--out", run);
  assertStringIncludes(told, "model: Own GPT of");
  const { settings, model } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
  assertEquals([settings.objective, settings.zeal, settings.preset], [
    "zealous-sft",
    3,
    "own-tiny",
  ]);
  assertEquals([model.modelType, model.width], ["own_gpt", 8]);
  const lines = (await Deno.readTextFile(`${run}/metrics.jsonl`)).trimEnd().split("\n")
    .map((line) => JSON.parse(line)).filter(({ loss }) => loss !== undefined);
  assertEquals(lines.length, 6);
  for (const { loss, nll } of lines) assert(Math.abs(loss - 3 * nll) <= 1e-4 * loss);

  assertStringIncludes(await done("train", "--resume", run), "is complete");
  await done("sample", "--run", run, "--prompt", "pick even 23-58");
  const further = await done(
    ...["train", "--from", run, "--objective", "dpo", "--steps", "2", "--batch-size", "2"],
    ...["--device", "wasm", "--warmup-steps", "0", "--tasks", "pick", "--out", `${folder}/further`],
  );
  assertStringIncludes(further, "model: Own GPT of");
  // Nobody else knows its architecture.
  assertRefused(
    await sample("--run", run, "--prompt", "pick even 23-58"),
    1,
    `model_type is "own_gpt"; the architectures that can be read are "gpt2" (GPT-2)`,
  );
});
