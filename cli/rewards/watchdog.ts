/**
 * The worker beside code of others, in the same process. It reads what the process is asked, and
 * writes its answers. Nothing that the code does holds it up: it ends the process when its memory is
 * used up, and when the one that started it is gone.
 *
 * It is started from its text, since reading a file would be a permission of the whole process. So it
 * imports nothing but types.
 *
 * @module
 */

import type { Orders, Reply } from "./frames.ts";

/** The part of a worker's global scope that other modules do not have. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  postMessage(message: unknown): void;
}

function isWorkerScope(scope: object): scope is WorkerScope {
  return "postMessage" in scope && "onmessage" in scope;
}

/** Milliseconds between two looks at the memory. */
const LOOK_MS = 50;

/** Ends the process: no permission is needed for its own. */
function end(): void {
  Deno.kill(Deno.pid, "SIGKILL");
}

/** The lines of standard input. */
async function* linesIn(): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const [first = "", ...others] = chunk.split("\n");
    rest += first;
    for (const line of others) {
      yield rest;
      rest = line;
    }
  }
}

/** Writes a frame. The code may have left a line open. */
function write(token: string, reply: Reply): void {
  const bytes = new TextEncoder().encode(`\n${token} ${JSON.stringify(reply)}\n`);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

async function serve(scope: WorkerScope): Promise<void> {
  const lines = linesIn();
  const orders = lines.next().then(({ value = "{}" }): Orders => JSON.parse(value));
  // Before anything is waited for: the code may speak first.
  scope.onmessage = async ({ data }) => {
    const message = typeof data === "string" ? data : "";
    write((await orders).token, { kind: "message", message });
  };
  const { token, memory } = await orders;
  setInterval(() => {
    if (Deno.memoryUsage().rss <= memory) return;
    write(token, { kind: "memory" });
    end();
  }, LOOK_MS);
  for await (const line of lines) scope.postMessage(line);
  end();
}

const scope: object = globalThis;
if (isWorkerScope(scope)) serve(scope);
