/**
 * Parquet files. Their pages say how many values they hold, and a wrong number asks for all memory, or
 * for loops without end: so each file is read in a thread of its own, whose memory and silence have a
 * limit.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import v8 from "node:v8";
import { abridged, printable } from "@unitune/core";
import { UserError } from "@unitune/training";
import { loadedModule } from "../../files/packaged.ts";
import type { Given, Said, Told } from "./parquet_messages.ts";
import type { ByteSource, FoundRow, RowReader } from "./reader.ts";

/** The memory of the thread in bytes: at least this much, or this many times the file's size. */
const [LEAST, TIMES] = [2 ** 30, 20];

/** Milliseconds in which a thread says nothing before its file counts as damaged. */
const PATIENCE = 120_000;

/**
 * The limit of a thread's memory.
 *
 * @param size The bytes of its file.
 * @param heap The bytes of the heap of this thread.
 * @returns The limit in MiB.
 */
export function memoryLimit(size: number, heap: number): number {
  return Math.ceil(Math.min(heap, Math.max(LEAST, TIMES * size)) / 2 ** 20);
}

/**
 * A reader of Parquet files, one row group after the other. It throws errors for the user where a
 * file is damaged, or takes too much memory; the message has the row group.
 *
 * @param patience Milliseconds in which no row group is read before the file counts as damaged
 * (default: two minutes).
 * @returns The reader.
 */
export function parquetReader(patience: number = PATIENCE): RowReader {
  return (bytes) => rowsOf(bytes, patience);
}

async function* rowsOf(bytes: ByteSource, patience: number): AsyncGenerator<FoundRow> {
  const { name: file, size } = bytes;
  // The thread could not say in a sentence that there is no package.
  const url = new URL("parquet_package.ts", import.meta.url);
  const purpose = "Parquet files are read by a package of npm";
  await loadedModule(url, purpose, "JSON needs none", isPackage);
  const given: Given = { size };
  const { heap_size_limit: heap } = v8.getHeapStatistics();
  const worker = new Worker(new URL("parquet_thread.ts", import.meta.url), {
    workerData: given,
    resourceLimits: { maxOldGenerationSizeMb: memoryLimit(size, heap) },
  });
  const tell = (told: Told) => worker.postMessage(told);
  let line = 0;
  try {
    for await (const said of saidBy(worker, file, patience)) {
      switch (said.kind) {
        case "ask":
          tell({ kind: "bytes", bytes: await partOf(bytes, said.start, said.end) });
          break;
        case "rows":
          for (const row of said.rows) {
            line += 1;
            yield { row, source: { file, line, unit: "row" } };
          }
          tell({ kind: "next" });
          break;
        case "damage":
          throw damaged(file, said.place, said.why);
        case "end":
          return;
        default:
          said satisfies never;
      }
    }
  } finally {
    await worker.terminate();
  }
}

function isPackage(value: object): value is object {
  return "parquetReadObjects" in value;
}

/** A part of a file, in memory that is its own. */
async function partOf(bytes: ByteSource, start: number, end: number): Promise<Uint8Array> {
  return new Uint8Array(await bytes.part(start, end));
}

/** The error for a file that is damaged. */
function damaged(file: string, place: string, why: string): UserError {
  const what = place === ""
    ? `${file} is not a Parquet file, or it is damaged`
    : `${place} of ${file} is damaged, or of a kind that can't be read`;
  return new UserError(`${what}: ${printable(abridged(why, 200))}`);
}

/** What a thread says, in order; its end is an error for the user. */
async function* saidBy(
  worker: Worker,
  file: string,
  patience: number,
): AsyncGenerator<Said> {
  const said: Said[] = [];
  let wake = () => {};
  let failure: UserError | undefined;
  worker.on("message", (message: Said) => {
    said.push(message);
    wake();
  });
  worker.on("error", (error: Error) => {
    failure ??= failureOf(error, file);
    wake();
  });
  for (;;) {
    const [next] = said.splice(0, 1);
    if (next !== undefined) yield next;
    else if (failure !== undefined) throw failure;
    else {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(() => {
        failure ??= damaged(file, "a row group", "it takes too long to read");
        resolve();
      }, patience);
      await promise;
      clearTimeout(timer);
    }
  }
}

/** The error for a thread that has ended. */
function failureOf(error: Error, file: string): UserError {
  if ("code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new UserError(
      `a row group of ${file} takes more memory than there is, or says so because it is damaged: ` +
        `write smaller row groups`,
      { cause: error },
    );
  }
  return damaged(file, "a row group", error.message);
}
