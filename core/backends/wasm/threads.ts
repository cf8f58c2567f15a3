/**
 * Threads: workers that run whole programs beside the main thread, and the barrier at which they
 * meet. A worker gets no message after its start: it looks at, and then sleeps on, a word of the
 * shared memory, which tells it the next program, whose code it finds in the same memory.
 */
import {
  atomics,
  branch,
  type Code,
  countFromZero,
  drop,
  i32,
  int,
  local,
  select,
  types,
  whileLoop,
} from "./instructions.ts";
import { defineFunction, type WasmFunction } from "./module.ts";

/** Bytes of a cache line, of which all that is allocated has whole ones. */
const PLACE = 64;

/** Bytes of the block of words that threads share: one cache line for each word. */
export const CONTROL_BYTES = 8 * 64;

/** Byte offsets of the words. */
const words = {
  /** Counts runs; workers sleep on it. */
  run: 0,
  /** The number of threads that take part in the run. */
  threads: 64,
  /**
   * The run's program: its number, and the place and the length of its code. The place is in cache
   * lines, so that it has 32 bits, whatever addresses have.
   */
  program: 128,
  place: 132,
  length: 136,
  /** The number of workers that have started. */
  started: 192,
  /** The number of threads that have come to the barrier. */
  arrived: 256,
  /** Counts barriers that all have passed. */
  passed: 320,
  /** How often in a row looking at a barrier was in vain, at most `MOST_DOUBT`. */
  doubt: 384,
} as const;

/**
 * Looks at the barrier before a thread goes to sleep, where that pays: about a hundred microseconds,
 * since waking it costs half of that, hundreds of times a step.
 */
const SPINS = 100_000;

/**
 * Looks for the next run before a worker goes to sleep: some hundred microseconds, which is longer
 * than the time between two steps of training or two tokens of generation.
 */
const LOOKS = 300_000;

/** The most doubt: so often are the looks halved, to about a fifth of a microsecond. */
const MOST_DOUBT = 9;

/**
 * One of so many barriers is looked at for as long as without doubt: a prime, so that the trials of a
 * program that is run again and again come to all of its barriers.
 */
const TRIALS = 31;

/** Whether this thread may sleep on a word of memory: a page's main thread may not. */
export function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * How long a thread looks at a barrier before it sleeps. Looking pays where the others run on
 * processors of their own. Where other programs keep these busy, a thread that looks may be the one
 * that those it waits for have to wait for; so looks that were in vain halve the next ones. Whether
 * the processors are free again is tried at every `TRIALS`th barrier.
 */
export interface Patience {
  /** The number of looks at a barrier, an `int`. */
  readonly looks: Code;
  /** What follows from looks in vain. */
  readonly lost: Code;
  /** What follows from looks that saw the others come. */
  readonly won: Code;
}

/** The patience of threads by their control words, at the barrier of a number. */
export function patienceAt(control: number, barrier: Code): Patience {
  const here = int.const(control);
  const doubt = atomics.load(here, words.doubt);
  const isTrial = i32.eqz(i32.remU(barrier, i32.const(TRIALS)));
  return {
    looks: select(
      int.const(SPINS),
      int.shrU(int.const(SPINS), int.ofWord(doubt)),
      isTrial,
    ),
    lost: branch(
      i32.gtS(i32.const(MOST_DOUBT), doubt),
      atomics.store(here, i32.add(doubt, i32.const(1)), words.doubt),
    ),
    won: branch(isTrial, atomics.store(here, i32.const(0), words.doubt)),
  };
}

/**
 * The barrier as a function of the thread's number and the number of threads. Threads look for a
 * while and then sleep; the first one keeps looking if it may not sleep.
 */
export function barrierFunction(control: number, firstMaySleep: boolean): WasmFunction {
  return defineFunction([types.i32, types.i32], [], (locals) => {
    const [thread, threads] = [0, 1];
    const [passed, spins, looks] = [
      locals.add(types.i32),
      locals.add(types.int),
      locals.add(types.int),
    ];
    const here = int.const(control);
    const patience = patienceAt(control, local.get(passed));
    const isWaiting = i32.eq(atomics.load(here, words.passed), local.get(passed));
    const last: Code = [
      atomics.store(here, i32.const(0), words.arrived),
      drop(atomics.add(here, i32.const(1), words.passed)),
      drop(atomics.notify(here, i32.const(-1), words.passed)),
    ];
    const others: Code = [
      local.set(looks, patience.looks),
      countFromZero(
        spins,
        local.get(looks),
        branch(i32.eqz(isWaiting), [patience.won, [0x0f]]),
      ),
      patience.lost,
      whileLoop(
        isWaiting,
        branch(
          firstMaySleep ? i32.const(1) : local.get(thread),
          drop(atomics.waitForever(here, local.get(passed), words.passed)),
        ),
      ),
    ];
    return branch(i32.gtS(local.get(threads), i32.const(1)), [
      local.set(passed, atomics.load(here, words.passed)),
      branch(
        i32.eq(
          i32.add(atomics.add(here, i32.const(1), words.arrived), i32.const(1)),
          local.get(threads),
        ),
        last,
        others,
      ),
    ]);
  });
}

/** The program of a worker, as source text; it has the shared memory and its own number. */
function workerSource(control: number): string {
  return `
const work = ({ memory, thread }) => {
  const words = new Int32Array(memory.buffer, ${control}, ${CONTROL_BYTES / 4});
  const word = (offset) => Atomics.load(words, offset / 4);
  const programs = new Map();
  const load = (program) => {
    // A word is signed, a place is not.
    const start = (word(${words.place}) >>> 0) * ${PLACE};
    const bytes = new Uint8Array(memory.buffer, start, word(${words.length}));
    const module = new WebAssembly.Module(bytes.slice());
    const { run } = new WebAssembly.Instance(module, { host: { memory, tick() {} } }).exports;
    if (programs.size >= ${KEPT_PROGRAMS}) programs.delete(programs.keys().next().value);
    programs.set(program, run);
    return run;
  };
  let seen = word(${words.run});
  Atomics.add(words, ${words.started / 4}, 1);
  for (;;) {
    const most = ${LOOKS} >> word(${words.doubt});
    for (let looks = 0; looks < most && word(${words.run}) === seen; looks++);
    Atomics.wait(words, ${words.run / 4}, seen);
    const now = word(${words.run});
    if (now === seen) continue;
    seen = now;
    const threads = word(${words.threads});
    if (threads === 0) break;
    if (thread >= threads) continue;
    const program = word(${words.program});
    (programs.get(program) ?? load(program))(thread, threads);
  }
};`;
}

/** Programs that a worker keeps; an older one is loaded again if it is run again. */
const KEPT_PROGRAMS = 64;

/** Workers of one device. */
export interface Pool {
  /** Threads that are ready, the main one included. */
  ready(): number;
  /** Tells workers to run a program, whose code stands in the memory. */
  start(program: number, address: number, length: number, threads: number): void;
  /** Ends the workers. */
  dispose(): void;
}

/** A started worker. */
interface Started {
  terminate(): void;
}

/** Node's workers, where there are some: unlike a browser's, they need not keep a process alive. */
interface NodeWorkers {
  Worker: new (
    source: string,
    options: {
      readonly eval: true;
      readonly workerData: unknown;
      readonly env: Readonly<Record<string, string>>;
    },
  ) => { unref(): void; terminate(): unknown };
}

function isNodeWorkers(module: unknown): module is NodeWorkers {
  return typeof module === "object" && module !== null && "Worker" in module;
}

/** The globals of Deno, Node or a browser that this module may find. */
interface Host {
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly Worker?: unknown;
}

const host: Host = globalThis;

/**
 * `node:worker_threads` in Deno and Node; undefined in a browser, and in Node before 20.16, which
 * has no way to it but an import, which a browser would fail at.
 */
function nodeWorkers(): NodeWorkers | undefined {
  const module = host.process?.getBuiltinModule?.("node:worker_threads");
  return isNodeWorkers(module) ? module : undefined;
}

/** Whether there are workers to start, of either kind. */
export function canStartWorkers(): boolean {
  return nodeWorkers() !== undefined || host.Worker !== undefined;
}

interface NodeSystem {
  availableParallelism(): number;
}

function isNodeSystem(module: unknown): module is NodeSystem {
  return typeof module === "object" && module !== null && "availableParallelism" in module;
}

/** The machine's processors; `navigator` came to Node with version 21. */
export function processors(): number {
  const told = host.navigator?.hardwareConcurrency;
  if (told !== undefined) return told;
  const system = host.process?.getBuiltinModule?.("node:os");
  return isNodeSystem(system) ? system.availableParallelism() : 1;
}

function startWorker(source: string, data: unknown): Started {
  const node = nodeWorkers();
  if (node !== undefined) {
    const code = `${source}\nwork(require("node:worker_threads").workerData);`;
    // Without an environment of its own a worker copies the process's, which takes a permission.
    const worker = new node.Worker(code, { eval: true, workerData: data, env: {} });
    worker.unref();
    return { terminate: () => void worker.terminate() };
  }
  const code = `${source}\nonmessage = ({ data }) => work(data);`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  worker.postMessage(data);
  return worker;
}

/**
 * Starts workers over a shared memory. They take part in runs once they are up.
 *
 * @param memory The memory.
 * @param control The address of the words that threads share.
 * @param threads Threads in all, the main one included.
 */
export function startPool(memory: WebAssembly.Memory, control: number, threads: number): Pool {
  // A memory that was copied has the words of the workers before.
  const view = new Int32Array(memory.buffer, control, CONTROL_BYTES / 4).fill(0);
  const at = (offset: number) => offset / 4;
  const workers = Array.from(
    { length: threads - 1 },
    (_, i) => startWorker(workerSource(control), { memory, thread: i + 1 }),
  );
  const wake = (): void => {
    Atomics.add(view, at(words.run), 1);
    Atomics.notify(view, at(words.run));
  };
  return {
    // Workers are numbered, so they take part only once all are up.
    ready: () => Atomics.load(view, at(words.started)) === threads - 1 ? threads : 1,
    start(program, address, length, count) {
      Atomics.store(view, at(words.threads), count);
      Atomics.store(view, at(words.program), program);
      Atomics.store(view, at(words.place), address / PLACE);
      Atomics.store(view, at(words.length), length);
      wake();
    },
    dispose() {
      Atomics.store(view, at(words.threads), 0);
      wake();
      for (const worker of workers) worker.terminate();
    },
  };
}
