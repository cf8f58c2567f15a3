/**
 * A library of MPI, loaded, and its functions as JavaScript calls them.
 *
 * @module
 */

import { UserError } from "../text/errors.ts";
import {
  implementations,
  type MpiHandle,
  type MpiImplementation,
  type MpiName,
} from "./implementations.ts";

/**
 * The loader of each system: where it is, and its flags. The library's symbols have to be visible to
 * the parts that it loads itself, which `Deno.dlopen` does not ask for.
 */
const loaders = {
  linux: { file: "libc.so.6", now: 2, global: 0x100 },
  darwin: { file: "libSystem.B.dylib", now: 2, global: 8 },
} as const;

/** The functions of MPI that are called, and their parameters; handles are words. */
const signatures = {
  MPI_Init_thread: { parameters: ["usize", "usize", "i32", "buffer"], result: "i32" },
  MPI_Comm_set_errhandler: { parameters: ["usize", "usize"], result: "i32" },
  MPI_Comm_rank: { parameters: ["usize", "buffer"], result: "i32" },
  MPI_Comm_size: { parameters: ["usize", "buffer"], result: "i32" },
  MPI_Get_processor_name: { parameters: ["buffer", "buffer"], result: "i32" },
  MPI_Error_string: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  MPI_Abort: { parameters: ["usize", "i32"], result: "i32" },
  MPI_Finalize: { parameters: [], result: "i32" },
} as const;

/** The exchange, which waits for other processes, on a thread of its own. */
const exchange = {
  parameters: [
    ...["buffer", "buffer", "buffer", "usize"] as const,
    ...["buffer", "buffer", "buffer", "usize", "usize"] as const,
  ],
  result: "i32",
  nonblocking: true,
} as const;

/** A text as C reads it. */
const cString = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`${text}\0`);

/** A loaded library of MPI. */
export interface MpiLibrary {
  /** The implementation. */
  readonly implementation: MpiImplementation;
  /** Its handles, as words. */
  readonly handles: Readonly<Record<MpiHandle, bigint>>;
  /** Calls a function that returns at once; the result is MPI's code, 0 for success. */
  readonly call: MpiCalls;
  /** Gives each process bytes, and takes bytes of each: `MPI_Alltoallv`. */
  readonly exchange: (given: ExchangedBytes, taken: ExchangedBytes) => Promise<number>;
}

/** The functions that return at once. */
type MpiCalls = {
  readonly [Name in keyof typeof signatures]: (
    ...parameters: Parameters<Deno.UnsafeFnPointer<typeof signatures[Name]>["call"]>
  ) => number;
};

/** One side of an exchange: a buffer, and where in it the bytes of each process are. */
export interface ExchangedBytes {
  /** The buffer, of at least one byte: an empty one has no address. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes of each process. */
  readonly counts: Int32Array<ArrayBuffer>;
  /** Where those of each process begin. */
  readonly starts: Int32Array<ArrayBuffer>;
}

/**
 * Loads the first library of MPI that is there.
 *
 * @param order The implementations to look for.
 * @returns The library.
 * @throws {UserError} If none is found, or this system has no way to load one.
 */
export function loadMpi(order: readonly MpiName[]): MpiLibrary {
  const { os } = Deno.build;
  if (os !== "linux" && os !== "darwin") {
    throw new UserError(`MPI is loaded on Linux and macOS only, and this is ${os}`);
  }
  const { file, now, global } = loaders[os];
  const { symbols: loader } = Deno.dlopen(file, {
    dlopen: { parameters: ["buffer", "i32"], result: "usize" },
    dlsym: { parameters: ["usize", "buffer"], result: "usize" },
  });
  const tried: string[] = [];
  for (const implementation of order.map((name) => implementations[name])) {
    for (const file of implementation.files[os]) {
      const library = loader.dlopen(cString(file), now | global);
      if (library === 0n) {
        tried.push(file);
        continue;
      }
      const find = (name: string): bigint => {
        const found = loader.dlsym(library, cString(name));
        if (found !== 0n) return found;
        throw new UserError(
          `${file} has no ${name}, so it is not ${implementation.title} as it is known here`,
        );
      };
      return libraryOf(implementation, find);
    }
  }
  throw new UserError(
    `there is no MPI on this machine (looked for ${tried.join(", ")}): install one, such as ` +
      `openmpi-bin of Debian, or train in one process by the task train`,
  );
}

/** The function at an address, which is not 0. */
function functionAt<const Definition extends Deno.ForeignFunction>(
  address: bigint,
  definition: Definition,
): Deno.UnsafeFnPointer<Definition> {
  const pointer = Deno.UnsafePointer.create<Omit<Definition, "nonblocking">>(address);
  if (pointer === null) throw new RangeError("functionAt: there is no function at 0");
  return new Deno.UnsafeFnPointer(pointer, definition);
}

/** A library by its symbols. */
function libraryOf(
  implementation: MpiImplementation,
  find: (name: string) => bigint,
): MpiLibrary {
  const handle = (name: MpiHandle): bigint => {
    const given = implementation.handles[name];
    return typeof given === "number" ? BigInt(given) : find(given);
  };
  const bind = <const Name extends keyof typeof signatures>(name: Name) =>
    functionAt(find(name), signatures[name]);
  const functions = {
    init: bind("MPI_Init_thread"),
    setHandler: bind("MPI_Comm_set_errhandler"),
    rank: bind("MPI_Comm_rank"),
    size: bind("MPI_Comm_size"),
    host: bind("MPI_Get_processor_name"),
    errorText: bind("MPI_Error_string"),
    abort: bind("MPI_Abort"),
    finalize: bind("MPI_Finalize"),
  };
  const alltoallv = functionAt(find("MPI_Alltoallv"), exchange);
  const [world, byte] = [handle("world"), handle("byte")];
  return {
    implementation,
    handles: { world, byte, returnErrors: handle("returnErrors") },
    call: {
      MPI_Init_thread: (...given) => functions.init.call(...given),
      MPI_Comm_set_errhandler: (...given) => functions.setHandler.call(...given),
      MPI_Comm_rank: (...given) => functions.rank.call(...given),
      MPI_Comm_size: (...given) => functions.size.call(...given),
      MPI_Get_processor_name: (...given) => functions.host.call(...given),
      MPI_Error_string: (...given) => functions.errorText.call(...given),
      MPI_Abort: (...given) => functions.abort.call(...given),
      MPI_Finalize: () => functions.finalize.call(),
    },
    exchange: (given, taken) =>
      alltoallv.call(
        given.bytes,
        given.counts,
        given.starts,
        byte,
        taken.bytes,
        taken.counts,
        taken.starts,
        byte,
        world,
      ),
  };
}
