/**
 * The implementations of MPI, and what is different in each of them.
 *
 * @module
 */

/** The names of implementations. */
export type MpiName = "openmpi" | "mpich" | "abi";

/** The handles that are passed to MPI's functions. */
export type MpiHandle = "world" | "byte" | "returnErrors";

/** A library of MPI, as a program without its header sees it. */
export interface MpiImplementation {
  /** Its name for people. */
  readonly title: string;
  /** The names of its library, by operating system, the first that is found being taken. */
  readonly files: Readonly<Record<"linux" | "darwin", readonly string[]>>;
  /** Its handles: constants, or symbols of the library whose addresses they are. */
  readonly handles: Readonly<Record<MpiHandle, number | string>>;
  /** Its constant `MPI_THREAD_SERIALIZED`: any thread may call, one at a time. */
  readonly serialized: number;
}

/**
 * The implementations that are known, in the order in which they are looked for.
 *
 * Open MPI 4.1 and MPICH 4.0 are tried. The standard ABI (MPI 5.0, chapter 20: a library `mpi_abi`,
 * whose handles are the same in all implementations) is written from its header, and untried.
 */
export const implementations: Readonly<Record<MpiName, MpiImplementation>> = {
  openmpi: {
    title: "Open MPI",
    files: {
      linux: ["libmpi.so.40"],
      darwin: ["libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib"],
    },
    handles: {
      world: "ompi_mpi_comm_world",
      byte: "ompi_mpi_byte",
      returnErrors: "ompi_mpi_errors_return",
    },
    serialized: 2,
  },
  mpich: {
    title: "MPICH",
    // The second name is that of all implementations with MPICH's ABI, such as Intel's and Cray's.
    files: {
      linux: ["libmpich.so.12", "libmpi.so.12"],
      darwin: ["libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib"],
    },
    handles: { world: 0x44000000, byte: 0x4c00010d, returnErrors: 0x54000001 },
    serialized: 2,
  },
  abi: {
    title: "an MPI with the standard ABI",
    files: {
      linux: ["libmpi_abi.so.1", "libmpi_abi.so.0", "libmpi_abi.so"],
      darwin: ["libmpi_abi.1.dylib", "libmpi_abi.0.dylib", "libmpi_abi.dylib"],
    },
    handles: { world: 0x101, byte: 0x247, returnErrors: 0x143 },
    serialized: 2048,
  },
};

/** What the launcher of a process says in its variables. */
export interface Launch {
  /** The implementations to look for, the launcher's own first. */
  readonly order: readonly MpiName[];
  /** The number of processes that it has started, where it says so. */
  readonly size?: number;
}

/** The variables that launchers set: who sets one, and whose implementation that is. */
const launchers: readonly { readonly variable: string; readonly name?: MpiName }[] = [
  { variable: "OMPI_COMM_WORLD_SIZE", name: "openmpi" },
  { variable: "PMI_SIZE", name: "mpich" },
  { variable: "SLURM_STEP_NUM_TASKS" },
];

/** The variables that {@linkcode launchOf} reads. */
export const launchVariables: readonly string[] = launchers.map(({ variable }) => variable);

/**
 * What is known of the launch of this process.
 *
 * @param variable Gives the value of a variable of the environment.
 * @returns The order of implementations, and the number of processes.
 *
 * @example
 * ```ts
 * import { launchOf } from "./implementations.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const launch = launchOf((name) => name === "PMI_SIZE" ? "4" : undefined);
 * assertEquals(launch, { order: ["mpich", "openmpi", "abi"], size: 4 });
 * assertEquals(launchOf(() => undefined).size, undefined);
 * ```
 */
export function launchOf(variable: (name: string) => string | undefined): Launch {
  const found = launchers.flatMap((launcher) => {
    const size = Number(variable(launcher.variable));
    return Number.isInteger(size) && size > 0 ? [{ ...launcher, size }] : [];
  })[0];
  const usual: readonly MpiName[] = ["openmpi", "mpich", "abi"];
  const own = found?.name;
  return {
    order: own === undefined ? usual : [own, ...usual.filter((name) => name !== own)],
    ...found && { size: found.size },
  };
}
