/**
 * `deno task fuzz`: damaged files, folders and settings, each of which has to be read right or be
 * refused in one bounded sentence: without a stack trace, in a few seconds and in little memory.
 * Ends with `N passed, N failed`, as the tests do.
 */
import {
  type FlagTable,
  formatDuration,
  parseFlags,
  progressReporter,
  runCommand,
  standardProgress,
  wantsHelp,
} from "@unitune/cli";
import { helpText } from "../../cli/flags/help.ts";
import { start, type Task } from "../cli/command.ts";
import { makeGoodRun } from "./good_run.ts";
import { type Kind, kinds } from "./inputs.ts";
import { commandFor } from "./readers.ts";
import { type Fault, faultOfCommand } from "./verdict.ts";
import type { Question, Verdict } from "./worker.ts";

const flags = {
  seed: { kind: "integer", default: 0, min: 0, help: "The seed of everything that is damaged." },
  count: {
    kind: "number",
    default: 1,
    above: 0,
    help: "How many inputs, as a multiple of 1,000 tensor files, 2,000 data files, 300 runs and " +
      "500 configurations.",
  },
  only: {
    kind: "string",
    placeholder: "KIND:NUMBER",
    help: "One input only, such as runs:17, which is kept, as failures are.",
  },
  jobs: { kind: "integer", default: 2, min: 1, help: "How many inputs are read at a time." },
} as const satisfies FlagTable;

const usage = `Damages tensor files, data files, run folders and configurations, and has them read.

  deno task fuzz
  deno task fuzz --seed 7 --count 0.1
  deno task fuzz --seed 7 --only runs:17`;

/** Inputs of each kind. */
const counts: Readonly<Record<Kind, number>> = {
  ...{ safetensors: 1000, data: 2000, runs: 300, configurations: 500 },
};

/** Seconds that a reader has, and a command, which may have a step to train as well. */
const SECONDS = { reader: 5, command: 30 } as const;

/** Bytes that a process may have. */
const MEMORY = 2 ** 30;

/** A thread that reads, started anew after one that did not come back. */
function makeReader(): Disposable & { ask(question: Question): Promise<Verdict> } {
  let worker: Worker | undefined;
  const end = () => {
    worker?.terminate();
    worker = undefined;
  };
  return {
    ask(question) {
      const own = worker ??= new Worker(new URL("./worker.ts", import.meta.url), {
        type: "module",
      });
      const { promise, resolve } = Promise.withResolvers<Verdict>();
      const failed = (fault: string) => {
        end();
        resolve({ fault, isRefused: false, memory: 0 });
      };
      const timer = setTimeout(
        () => failed(`not read in ${SECONDS.reader} s`),
        1000 * SECONDS.reader,
      );
      own.onmessage = ({ data }: MessageEvent<Verdict>) => resolve(data);
      own.onerror = (event) => {
        event.preventDefault();
        failed(`the reader failed: ${event.message}`);
      };
      own.postMessage(question);
      return promise.finally(() => clearTimeout(timer));
    },
    [Symbol.dispose]: end,
  };
}

/** Bytes that a process has in memory; 0 where the system has no `ps` to tell. */
async function memoryOf(pid: number): Promise<number> {
  try {
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
      .output();
    return 1024 * Number(new TextDecoder().decode(stdout).trim());
  } catch {
    return 0;
  }
}

/** Runs a command, and ends it where it takes too long or too much. */
async function command(task: Task, args: readonly string[]): Promise<Fault> {
  const child = start(task, args).spawn();
  let fault: Fault;
  const stop = (why: string) => {
    fault = why;
    child.kill("SIGKILL");
  };
  const timer = setTimeout(() => stop(`no end in ${SECONDS.command} s`), 1000 * SECONDS.command);
  const watch = setInterval(async () => {
    const bytes = await memoryOf(child.pid);
    if (bytes > MEMORY && fault === undefined) stop(`${bytes} bytes in memory`);
  }, 500);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  clearInterval(watch);
  const decoder = new TextDecoder();
  return fault ??
    faultOfCommand({ code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) });
}

/** All inputs of a run of this program. */
function inputsOf(count: number, only: string | undefined): { kind: Kind; number: number }[] {
  const [, name, number] = /^(\w+):(\d+)$/.exec(only ?? "") ?? [];
  return kinds.flatMap((kind) =>
    only === undefined
      ? Array.from({ length: Math.ceil(counts[kind] * count) }, (_, number) => ({ kind, number }))
      : kind === name
      ? [{ kind, number: Number(number) }]
      : []
  );
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { seed, count, only, jobs } } = parseFlags(flags, Deno.args);
  const started = performance.now();
  const place = await Deno.makeTempDir({ prefix: "unitune-fuzz-" });
  const good = await makeGoodRun(place);
  const inputs = inputsOf(count, only);
  const failed: string[] = [];
  let refused = 0;
  {
    using progress = progressReporter(standardProgress(), inputs.length, 100);
    let next = 0;
    let done = 0;
    const work = async () => {
      using reader = makeReader();
      for (let input; (input = inputs[next++]) !== undefined;) {
        const { kind, number } = input;
        const folder = `${place}/${kind}-${number}`;
        await Deno.mkdir(folder);
        const { fault, isRefused, memory } = await reader.ask({
          ...{ kind, seed, number, folder },
          good: good.folder,
        });
        const called = commandFor(kind, number, folder, good.folder);
        const fullFault = fault ??
          (memory > MEMORY ? `${memory} bytes in memory` : undefined) ??
          (called === undefined ? undefined : await command(called.task, called.args));
        if (isRefused) refused++;
        if (fullFault !== undefined) {
          failed.push(folder);
          progress.print(
            `${kind}:${number} failed (--seed ${seed} --only ${kind}:${number}), in ${folder}: ` +
              fullFault,
          );
        } else if (only === undefined) await Deno.remove(folder, { recursive: true });
        progress.update(++done);
      }
    };
    await Promise.all(Array.from({ length: jobs }, work));
  }
  if (failed.length === 0 && only === undefined) await Deno.remove(place, { recursive: true });
  const seconds = (performance.now() - started) / 1000;
  console.log(`seed ${seed}: ${refused} refused, the others read; ${formatDuration(seconds)}`);
  console.log(`${inputs.length - failed.length} passed, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) await runCommand(main);
