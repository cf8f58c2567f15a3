/** What asks a run to stop: it saves where it is, says so, and goes on later. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertSameFiles, inFolder, start, tiny, trained, writeRows } from "../command.ts";
import { pause, sizeOf, until } from "../kill.ts";

/** Signals, and what a shell has a process exit with that one has ended. */
const signals = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const;

for (const [signal, exitCode] of signals) {
  inFolder(`${signal} ends a run with a checkpoint and a word`, async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const [whole, cut] = [`${folder}/whole`, `${folder}/it is cut`];
    const args = ["--data", data, ...tiny, "--steps", "300", "--dropout", "0.2"];
    await trained(...args, "--out", whole);
    const process = start("train", [...args, "--out", cut]).spawn();
    await until(() => sizeOf(`${cut}/metrics.jsonl`) > 2_000);
    process.kill(signal);
    const { code, stdout, stderr } = await process.output();
    const shown = new TextDecoder().decode(stdout);
    const told = new TextDecoder().decode(stderr);
    assertEquals(code, exitCode, told);
    assertStringIncludes(told, "stopping after this step, with a checkpoint (once more: at once)");
    const [, step = ""] = /interrupted after step (\d+); go on with\n {2}(.*)/.exec(shown) ?? [];
    assertStringIncludes(shown, `deno task train --resume '${cut}'`);
    assertStringIncludes((await trained("--resume", cut)).stdout, `resumed at step ${step}`);
    await assertSameFiles(cut, whole);
  });
}

/** Waits until a process handles SIGINT itself, as Linux tells it: bit 1 of the caught signals. */
async function untilHandled(pid: number): Promise<void> {
  const script = `until grep -q "SigCgt:.*[2367abef]$" "/proc/$0/status"; do sleep 0.01; done`;
  await new Deno.Command("sh", { args: ["-c", script, `${pid}`] }).output();
}

inFolder("SIGINT while data is prepared ends with a word, and nothing is left", async (folder) => {
  if (Deno.build.os !== "linux") return;
  const data = `${folder}/rows.jsonl`;
  await Deno.writeTextFile(data, '{"prompt":"1 + 1?","completion":"2"}\n'.repeat(200_000));
  const run = `${folder}/run`;
  const process = start("train", ["--data", data, ...tiny, "--out", run, "--no-cache"]).spawn();
  await untilHandled(process.pid);
  process.kill("SIGINT");
  const { code, stdout, stderr } = await process.output();
  assertEquals(
    new TextDecoder().decode(stderr),
    "stopped before the first step: nothing was changed\n",
  );
  assertEquals([code, stdout.length], [130, 0]);
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), [
    "rows.jsonl",
  ]);
});

inFolder("a second signal ends a run at once, whichever it is", async (folder) => {
  // While it looks at three splits before its first step, and goes on with that when it is stopped.
  const args = ["--device", "wasm", "--preset", "nano-cpu", "--out", `${folder}/run`];
  const process = start("train", args).spawn();
  const shown = { stdout: "", stderr: "" };
  const reading = (["stdout", "stderr"] as const).map(async (name) => {
    const texts = process[name].pipeThrough(new TextDecoderStream());
    for await (const text of texts) shown[name] += text;
  });
  await until(() => shown.stdout.includes("\nrun: "));
  await pause(50);
  process.kill("SIGTERM");
  await until(() => shown.stderr.includes("once more: at once"));
  process.kill("SIGHUP");
  const { signal, success } = await process.status;
  await Promise.all(reading);
  assertEquals([signal, success], ["SIGHUP", false]);
});
