/** Processes that are killed while they work. */
import { assert, assertLess } from "@std/assert";
import { start } from "./command.ts";

/** Waits some milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits for something that a process does; fails where it takes suspiciously long. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition();) {
    assertLess(Date.now(), end, "nothing happened");
    await pause(2);
  }
}

/** The bytes of a file so far. */
export function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/**
 * Starts `train` and kills it some milliseconds after something has happened; says whether that was
 * before its end.
 */
export async function killed(
  args: readonly string[],
  condition: () => boolean,
  milliseconds = 0,
): Promise<boolean> {
  const process = start("train", args).spawn();
  let isRunning = true;
  const ended = process.output().finally(() => isRunning = false);
  await until(() => !isRunning || condition());
  await pause(milliseconds);
  if (isRunning) process.kill("SIGKILL");
  const { success, signal, stderr } = await ended;
  assert(success || signal === "SIGKILL", new TextDecoder().decode(stderr));
  return !success;
}
