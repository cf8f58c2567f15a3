/**
 * Prints how many files are open after one process of a reward was disposed of, and after four more.
 * A program of its own: tests that run at a time share a process and its files.
 */
import { startProcess } from "../../../cli/rewards/process.ts";

async function once(): Promise<void> {
  const source = `line.answerBy(() => Promise.resolve("done"), "ready");`;
  await using child = await startProcess({ seconds: 60, mebibytes: 64, source });
  await child.ready;
  await child.ask("ask");
}

/** The number of files that this process has open, where the system lists them as Linux does. */
async function openFiles(): Promise<number> {
  const args = ["-c", "ls /proc/$PPID/fd | wc -l"];
  const { stdout } = await new Deno.Command("sh", { args, stderr: "null" }).output();
  return Number(new TextDecoder().decode(stdout));
}

// What the first one leaves is the engine's.
await once();
const before = await openFiles();
for (let i = 0; i < 4; i++) await once();
console.log(JSON.stringify([before, await openFiles()]));
