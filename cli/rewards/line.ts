/**
 * The line between code of others and the process that started its own, by way of the watchdog.
 *
 * @module
 */

/** The line. */
export interface Line {
  /**
   * Answers each question from now on.
   *
   * @param answer Makes the answer to a question.
   * @param greeting What is said before the first question.
   */
  answerBy(answer: (question: unknown) => string | Promise<string>, greeting: string): void;
}

/**
 * Starts the watchdog of this process.
 *
 * @param watchdog Its text.
 * @returns The line.
 */
export function watched(watchdog: string): Line {
  // The terminal sends them to all processes, and the one that started this one decides what to do.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    if (name === "SIGINT" || Deno.build.os !== "windows") Deno.addSignalListener(name, () => {});
  }
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(watchdog)}`, {
    type: "module",
  });
  // Code of others may have other plans with it.
  const post = worker.postMessage.bind(worker);
  return {
    answerBy: (answer, greeting) => {
      worker.onmessage = async ({ data }: MessageEvent<string>) =>
        post(await answer(JSON.parse(data)));
      post(greeting);
    },
  };
}
