/**
 * What a machine has that a training can use.
 *
 * @module
 */

import { join } from "node:path";
import { wasm, webgpu, WebGpuUnavailableError } from "@unitune/core";
import { tablesFolder } from "../data/tables/table_cache.ts";
import { cacheFolder, type HubEnvironment } from "../hub/environment.ts";
import { type MachineMemory, machineMemory } from "../run/machine_memory.ts";

/** A cache on the disk. */
export interface CacheFacts {
  /** The folder, which need not be there. */
  readonly folder: string;
  /** The bytes of its files; undefined if it is not there. */
  readonly bytes: number | undefined;
}

/** A graphics processor, or a program that stands in for one. */
export interface GraphicsFacts {
  /** The description that the adapter gives of itself. */
  readonly description: string;
  /** Whether it computes on the processor, where wasm is faster. */
  readonly isSoftware: boolean;
  /** The most bytes of a buffer, and of the part of one that a kernel sees. */
  readonly limits: Readonly<Record<"buffer" | "binding", number>>;
  /** The features beyond those that WebGPU promises. */
  readonly features: readonly string[];
}

/** The facts of a machine. */
export interface MachineFacts {
  /** The version of Deno, and the system that it was built for. */
  readonly deno: { readonly version: string; readonly target: string };
  /** Threads of the processor. */
  readonly processors: number;
  /** The bytes of memory, and those that are free; undefined where they may not be read. */
  readonly memory: MachineMemory | undefined;
  /** What the engine has of WebAssembly. */
  readonly wasm: {
    /** The threads of a device. */
    readonly threads: number;
    /** The most bytes of its memory, with addresses of 64 bits where the engine has them. */
    readonly mostBytes: number;
  };
  /** The graphics processor, or why there is none. */
  readonly graphics: GraphicsFacts | { readonly missing: string };
  /** The path of a C compiler; undefined if none is in `PATH`. */
  readonly compiler: string | undefined;
  /** Models and data of the hub; undefined if no home folder is known. */
  readonly hubCache: CacheFacts | undefined;
  /** Rows of large data files; undefined if no home folder is known. */
  readonly tableCache: CacheFacts | undefined;
}

/** The names of C compilers, best known first. */
const COMPILERS = ["cc", "gcc", "clang"];

/**
 * The first of some programs in the folders of a `PATH`. Nothing is run.
 *
 * @param names The names of the programs.
 * @param path The folders, as `PATH` joins them; undefined if it is not set.
 * @param isWindows Whether folders are joined by semicolons, and programs end with `.exe`.
 * @returns The path of the program; undefined if there is none.
 */
export async function programIn(
  names: readonly string[],
  path: string | undefined,
  isWindows: boolean,
): Promise<string | undefined> {
  const folders = (path ?? "").split(isWindows ? ";" : ":").filter((folder) => folder !== "");
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, isWindows ? `${name}.exe` : name);
      if (await isFile(file)) return file;
    }
  }
  return undefined;
}

/** Whether a path is that of a file. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/**
 * The bytes of all files in a folder and below; a link counts as nothing.
 *
 * @param folder The folder.
 * @returns The bytes; undefined if the folder is not there or may not be read.
 */
export async function folderBytes(folder: string): Promise<number | undefined> {
  let total = 0;
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) total += await folderBytes(path) ?? 0;
      // Other processes may remove files meanwhile.
      else if (isFile) total += (await Deno.lstat(path).catch(() => undefined))?.size ?? 0;
    }
  } catch {
    return undefined;
  }
  return total;
}

/** A cache, unless its place is unknown. */
async function cacheIn(place: () => string | undefined): Promise<CacheFacts | undefined> {
  let folder: string | undefined;
  try {
    folder = place();
  } catch {
    return undefined;
  }
  return folder === undefined ? undefined : { folder, bytes: await folderBytes(folder) };
}

/** The graphics processor, as WebGPU has it. */
async function graphicsFacts(): Promise<MachineFacts["graphics"]> {
  try {
    using device = await webgpu();
    const { description, isSoftware, features, limits } = device;
    const { maxBufferSize: buffer, maxStorageBufferBindingSize: binding } = limits;
    return { description, isSoftware, features, limits: { buffer, binding } };
  } catch (error) {
    if (error instanceof WebGpuUnavailableError) return { missing: error.message };
    throw error;
  }
}

/** Variables of the environment, `PATH` among them. */
export type MachineEnvironment = (variable: Parameters<HubEnvironment>[0] | "PATH") =>
  | string
  | undefined;

/**
 * Looks at the machine. Nothing is written, and no program is run.
 *
 * @param env The variables of the environment.
 * @returns The facts.
 */
export async function examineMachine(env: MachineEnvironment): Promise<MachineFacts> {
  using device = wasm();
  const { os, target } = Deno.build;
  return {
    deno: { version: Deno.version.deno, target },
    processors: navigator.hardwareConcurrency,
    memory: machineMemory(),
    wasm: {
      threads: device.threads,
      mostBytes: device.statistics().mostBytes,
    },
    graphics: await graphicsFacts(),
    compiler: await programIn(COMPILERS, env("PATH"), os === "windows"),
    hubCache: await cacheIn(() => cacheFolder(env)),
    tableCache: await cacheIn(() => tablesFolder(env)),
  };
}
