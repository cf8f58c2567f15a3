/** Compiled modules, shared by the programs of a device and dropped with the last that uses them. */
import type { Dispatch } from "./dispatch.ts";

/** A compiled module. */
export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The compiled modules of a device. */
export interface Pipelines {
  /** The pipeline of a kernel's dispatch, compiled now or before; to be released once. */
  acquire(dispatch: Dispatch, kernel: string): Pipeline;
  release(dispatch: Dispatch): void;
}

/**
 * The compiled modules of a device.
 *
 * @param device The device.
 * @param watch Told of each error scope that is still to be looked at.
 */
export function makePipelines(
  device: GPUDevice,
  watch: (error: Promise<GPUError | null>, what: string) => void,
): Pipelines {
  const known = new Map<string, { readonly pipeline: Pipeline; users: number }>();
  const layouts = new Map<string, GPUBindGroupLayout>();

  const layoutOf = ({ bindings }: Dispatch): GPUBindGroupLayout => {
    const key = bindings.map(({ written }) => written).join();
    const layout = layouts.get(key) ?? device.createBindGroupLayout({
      label: key,
      entries: bindings.map(({ written }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: written ? "storage" : "read-only-storage" },
      })),
    });
    layouts.set(key, layout);
    return layout;
  };

  const make = (dispatch: Dispatch, label: string): Pipeline => {
    device.pushErrorScope("validation");
    const layout = layoutOf(dispatch);
    const gpu = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: {
        module: device.createShaderModule({ label, code: dispatch.source }),
        entryPoint: "main",
      },
    });
    watch(device.popErrorScope(), `kernel ${label} does not compile`);
    return { gpu, layout };
  };

  return {
    acquire(dispatch, kernel) {
      const entry = known.get(dispatch.source) ?? { pipeline: make(dispatch, kernel), users: 0 };
      known.set(dispatch.source, entry);
      entry.users++;
      return entry.pipeline;
    },
    release({ source }) {
      const entry = known.get(source);
      if (entry !== undefined && --entry.users === 0) known.delete(source);
    },
  };
}
