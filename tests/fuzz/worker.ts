/** Reads damaged inputs in a thread of its own, which can be ended when it does not come back. */
import { filesIn } from "../cli/command.ts";
import type { Kind } from "./inputs.ts";
import { type GoodRun, makers } from "./readers.ts";
import { type Fault, faultOf } from "./verdict.ts";

/** What the worker is asked. */
export interface Question {
  readonly kind: Kind;
  readonly seed: number;
  readonly number: number;
  /** An empty folder for the input. */
  readonly folder: string;
  /** The folder of a good run. */
  readonly good: string;
}

/** What it answers. */
export interface Verdict {
  readonly fault: Fault;
  readonly isRefused: boolean;
  /** Bytes that the process has in memory. */
  readonly memory: number;
}

/** What the global scope of a worker has, and that of other modules has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Question>) => void) | null;
  postMessage(message: Verdict): void;
}

function isWorkerScope(scope: object): scope is WorkerScope {
  return "postMessage" in scope;
}

/** Makes an input and reads it. */
export async function judge(
  { kind, seed, number, folder }: Omit<Question, "good">,
  good: GoodRun,
): Promise<Verdict> {
  const memory = () => Deno.memoryUsage().rss;
  const input = await makers[kind](seed, number, folder, good);
  try {
    await input.read();
    return { fault: undefined, isRefused: false, memory: memory() };
  } catch (error) {
    return { fault: faultOf(error), isRefused: true, memory: memory() };
  }
}

const scope: object = globalThis;
if (isWorkerScope(scope)) {
  let good: Promise<GoodRun> | undefined;
  scope.onmessage = async ({ data }) => {
    good ??= filesIn(data.good).then((files) => ({ folder: data.good, files }));
    scope.postMessage(await judge(data, await good));
  };
}
