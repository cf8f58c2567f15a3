/**
 * The processes that MPI has started, by its functions.
 *
 * @module
 */

import { type Collective, collectiveOf, type CollectiveOptions } from "../collective/collective.ts";
import { gatherValues } from "../collective/plain.ts";
import type { Transport } from "../collective/transport.ts";
import { UserError } from "../text/errors.ts";
import type { Launch } from "./implementations.ts";
import type { ExchangedBytes, MpiLibrary } from "./library.ts";

/** A process among those that MPI has started. */
export interface MpiCollective extends Collective {
  /** What carries the bytes. */
  readonly transport: Transport;
  /** The implementation of MPI, for people. */
  readonly implementation: string;
  /** The number of processes on this machine, this one among them. */
  readonly neighbours: number;
  /** The number of this process among those of its machine, from 0. */
  readonly place: number;
  /** Ends MPI, once all processes have called it. Nothing is to be called afterwards. */
  finish(): void;
  /** Ends all processes at once, this one too, as after an error. */
  abort(exitCode: number): void;
}

/** The bytes of the longest text that MPI gives. */
const MOST_TEXT = 1024;

/** The bytes that an exchange can have: MPI counts them in 32 bits. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Starts MPI by the functions of its library.
 *
 * @param library The library.
 * @param launch What the launcher of this process says.
 * @param options The size of buckets.
 * @returns The processes.
 * @throws {UserError} If the library does not let threads call it, or is of another implementation than
 * the launcher.
 */
export async function processesOf(
  library: MpiLibrary,
  launch: Pick<Launch, "size">,
  options: CollectiveOptions,
): Promise<MpiCollective> {
  const { implementation: { title, serialized }, handles, call } = library;
  const check = checker(library);
  const number = (ask: (result: Int32Array<ArrayBuffer>) => number, what: string): number => {
    const result = new Int32Array(1);
    check(ask(result), what);
    return result[0] ?? NaN;
  };
  const provided = number((into) => call.MPI_Init_thread(0n, 0n, serialized, into), "start");
  if (provided < serialized) {
    throw new UserError(
      `${title} lets no thread but the first call it, and Deno waits in others: install one that was ` +
        `built with MPI_THREAD_SERIALIZED or more`,
    );
  }
  check(call.MPI_Comm_set_errhandler(handles.world, handles.returnErrors), "report errors");
  const rank = number((into) => call.MPI_Comm_rank(handles.world, into), "tell the rank");
  const size = number((into) => call.MPI_Comm_size(handles.world, into), "count the processes");
  if (launch.size !== undefined && launch.size !== size && size === 1) {
    throw new UserError(
      `the launcher has started ${launch.size} processes, and ${title} sees one: start them with the ` +
        `mpirun of ${title}, or with \`srun --mpi=pmix\``,
    );
  }
  const transport = { rank, size, exchange: exchangeBy(library, check) };
  const collective = collectiveOf(transport, options);
  const hosts = await gatherValues(collective, hostOf(library, check));
  return {
    ...collective,
    transport,
    implementation: title,
    neighbours: hosts.filter((host) => host === hosts[rank]).length,
    place: hosts.slice(0, rank).filter((host) => host === hosts[rank]).length,
    finish: () => check(call.MPI_Finalize(), "end"),
    abort: (exitCode) => {
      call.MPI_Abort(handles.world, exitCode);
    },
  };
}

/** Refuses codes of MPI other than that of success. */
type Checker = (code: number, what: string) => void;

function checker({ call, implementation: { title } }: MpiLibrary): Checker {
  return (code, what) => {
    if (code === 0) return;
    const text = textOf((bytes, length) => call.MPI_Error_string(code, bytes, length));
    throw new UserError(`${title} could not ${what}: ${text}`);
  };
}

/** A text that MPI writes. */
function textOf(
  write: (bytes: Uint8Array<ArrayBuffer>, length: Int32Array<ArrayBuffer>) => unknown,
): string {
  const [bytes, length] = [new Uint8Array(MOST_TEXT), new Int32Array(1)];
  write(bytes, length);
  return new TextDecoder().decode(bytes.subarray(0, length[0]));
}

/** The name of the machine. */
function hostOf({ call }: MpiLibrary, check: Checker): string {
  return textOf((bytes, length) =>
    check(call.MPI_Get_processor_name(bytes, length), "name the machine")
  );
}

/** The exchange of a collective. MPI may be called by one thread at a time, so calls wait in turn. */
function exchangeBy(library: MpiLibrary, check: Checker): Transport["exchange"] {
  let turn: Promise<unknown> = Promise.resolve();
  // MPI reads and writes buffers until its call ends, and nothing else holds all of them until then.
  const held = new Set<readonly ExchangedBytes[]>();
  return (parts, sizes) => {
    const own = turn.then(async () => {
      const [given, taken] = [inOne(parts), roomFor(sizes)];
      const buffers = [given, taken];
      for (const { bytes: { length } } of buffers) {
        if (length <= MOST_BYTES) continue;
        throw new RangeError(`an exchange of ${length} bytes is more than MPI counts`);
      }
      held.add(buffers);
      const code = await library.exchange(given, taken);
      held.delete(buffers);
      check(code, "exchange bytes with the other processes");
      return sizes.map((size, rank) => {
        const start = taken.starts[rank] ?? NaN;
        return taken.bytes.subarray(start, start + size);
      });
    });
    turn = own.catch(() => {});
    return own;
  };
}

/** Room for parts that follow each other. */
function roomFor(sizes: readonly number[]): ExchangedBytes {
  const starts = new Int32Array(sizes.length);
  let end = 0;
  for (const [i, size] of sizes.entries()) {
    starts[i] = end;
    end += size;
  }
  return { bytes: new Uint8Array(Math.max(1, end)), counts: Int32Array.from(sizes), starts };
}

/** Parts as places in one buffer: their own, where they share one. */
function inOne(parts: readonly Uint8Array[]): ExchangedBytes {
  const sizes = parts.map(({ length }) => length);
  const [first] = parts;
  const isShared = parts.every(({ buffer }) => buffer === first?.buffer);
  if (isShared && first?.buffer instanceof ArrayBuffer && first.buffer.byteLength > 0) {
    return {
      bytes: new Uint8Array(first.buffer),
      counts: Int32Array.from(sizes),
      starts: Int32Array.from(parts, ({ byteOffset }) => byteOffset),
    };
  }
  const room = roomFor(sizes);
  for (const [i, part] of parts.entries()) room.bytes.set(part, room.starts[i]);
  return room;
}
