/** The flags of `deno task bench --gpu`. */
import { type FlagTable, parseFlags, wantsHelp } from "@unitune/cli";

/** The flags. */
export const gpuFlags = {
  small: {
    kind: "boolean",
    help: "Measure everything in small, to see that it runs: on a software adapter too.",
  },
  device: {
    kind: "choice",
    choices: ["webgpu", "wasm"],
    default: "webgpu",
    help: "Where Unitune computes.",
  },
  python: {
    kind: "string",
    default: "python3",
    placeholder: "PATH",
    help: "The Python that has PyTorch, with CUDA where --device is webgpu.",
  },
  loader: {
    kind: "string",
    placeholder: "FOLDER",
    help: "The folder of Vulkan's loader, libvulkan.so.1, where the system has none.",
  },
  out: {
    kind: "string",
    default: "runs/gpu-check",
    placeholder: "FOLDER",
    help: "The folder for report.md, report.json and the run that is trained.",
  },
} as const satisfies FlagTable;

/**
 * The permission to run the measurements, which are programs of Deno and Python. Deno lets nobody
 * but those who may run everything name the folder of a library to a program.
 */
export function permissionToRun(programs: readonly string[], loader: string | undefined): string {
  return loader === undefined ? `--allow-run=${programs.join(",")}` : "--allow-run";
}

/** The permissions for the measurements, each a program, and for the folder of their results. */
export function permissionsOfGpu(args: readonly string[]): string[] {
  const { out, loader } = wantsHelp(args)
    ? { out: gpuFlags.out.default, loader: undefined }
    : parseFlags(gpuFlags, args).values;
  return [permissionToRun([Deno.execPath()], loader), "--allow-read", `--allow-write=${out}`];
}
