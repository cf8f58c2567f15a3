/** The workers as the page sees them. */
import type { Request, Tiding } from "../protocol.ts";

/** A worker that hears requests. */
export interface Link {
  ask(request: Request): void;
  close(): void;
}

/** Starts a worker. */
export function openLink(hear: (tiding: Tiding) => void): Link {
  const worker = new Worker(new URL("./worker_entry.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }: MessageEvent<Tiding>) => hear(data));
  worker.addEventListener("error", ({ message }) => {
    const sentence = message || "the worker could not be started: reload the page";
    hear({ kind: "failed", during: "open", message: sentence });
  });
  return {
    ask: (request) => worker.postMessage(request),
    close: () => worker.terminate(),
  };
}
