/**
 * Signals that ask a command to stop: it comes to an orderly end, and says so by its exit code.
 *
 * @module
 */

/** What asks for an end, by the numbers that all of POSIX has for them. */
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Those that the system has: Windows knows an interruption by the keyboard alone. */
const heard = (["SIGINT", "SIGTERM", "SIGHUP"] as const).filter((name) =>
  name === "SIGINT" || Deno.build.os !== "windows"
);

/** A command that can be asked to stop; it no longer can be once this is disposed of. */
export interface Interruption extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** What a shell has a command exit with that a signal ended: 128 and its number. */
  readonly exitCode: number;
}

/**
 * Hears the first signal that asks the command to stop (SIGINT, SIGTERM, SIGHUP). The next one is
 * the system's, which ends the process at once.
 *
 * @param onSignal Told when it comes.
 * @returns Whether and by what the command was asked to stop.
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
