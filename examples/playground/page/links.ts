/** The workers as the page sees them. */

/** A worker that hears requests. */
export interface Link<Request> {
  ask(request: Request): void;
  close(): void;
}

/**
 * Starts a worker.
 *
 * @param script The name of its script.
 * @param hear Hears what it tells.
 * @param fail Hears a sentence if the worker fails as a whole.
 * @returns The worker.
 */
export function openLink<Request, Tiding>(
  script: string,
  hear: (tiding: Tiding) => void,
  fail: (sentence: string) => void,
): Link<Request> {
  const worker = new Worker(new URL(script, import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }: MessageEvent<Tiding>) => hear(data));
  worker.addEventListener("error", ({ message }) => {
    fail(message || "the worker could not be started: reload the page");
  });
  return {
    ask: (request) => worker.postMessage(request),
    close: () => worker.terminate(),
  };
}
