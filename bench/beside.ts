/** Processes that are busy beside a measurement, as other programs on the machine may be. */
import { fileURLToPath } from "node:url";

/** The flag that says how many. */
export const besideFlag = {
  kind: "integer",
  default: 0,
  min: 0,
  help: "Processes that are kept busy beside what is measured, a processor each.",
} as const;

/** Busy processes, which end when they are disposed of, or when this process ends. */
export interface Beside extends AsyncDisposable {
  /** Their numbers. */
  readonly pids: readonly number[];
}

/** Starts busy processes. */
export function startBeside(count: number): Beside {
  const children = Array.from({ length: count }, () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--no-config"],
        fileURLToPath(new URL("busy.ts", import.meta.url)),
      ],
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn());
  return {
    pids: children.map(({ pid }) => pid),
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map(async ({ stdin, status }) => {
        await stdin.close();
        await status;
      }));
    },
  };
}

/** What a report says of them: a line, or none where there are none. */
export function besideLines(count: number): string[] {
  if (count === 0) return [];
  return [`beside ${count} ${count === 1 ? "process that is" : "processes that are"} kept busy`];
}
