/**
 * Signals that ask a command to stop: it ends in order, with the exit code of the signal.
 *
 * @module
 */

/** The signals that ask for an end, with their POSIX numbers. */
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** The signals that the system has: on Windows, only SIGINT. */
const heard = (["SIGINT", "SIGTERM", "SIGHUP"] as const).filter((name) =>
  name === "SIGINT" || Deno.build.os !== "windows"
);

/** Listens for signals until it is disposed of. */
export interface Interruption extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The exit code after a signal, as shells have it: 128 + its number. 0 without a signal. */
  readonly exitCode: number;
}

/**
 * Listens for the first signal that asks the command to stop (SIGINT, SIGTERM, SIGHUP). A second
 * signal ends the process at once.
 *
 * @param onSignal Called at the first signal (default: nothing is).
 * @returns The listener.
 */
export function interruptible(onSignal: () => void = () => {}): Interruption {
  const controller = new AbortController();
  let exitCode = 0;
  const listeners = heard.map((name) => ({
    name,
    listener: () => {
      release();
      exitCode = 128 + signals[name];
      controller.abort();
      onSignal();
    },
  }));
  let isHeard = true;
  const release = () => {
    if (!isHeard) return;
    isHeard = false;
    for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
  };
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: release,
  };
}
