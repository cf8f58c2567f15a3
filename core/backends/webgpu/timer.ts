/** The time of each kernel of a run, where the adapter has timestamps. */
import type { KernelTime } from "../../backend/device.ts";
import { groupBy } from "../../groups.ts";
import type { Memory } from "./memory.ts";

/** Timestamps around the passes of one run. */
export interface Timer {
  /** A pass for one dispatch. */
  pass(encoder: GPUCommandEncoder, label: string): GPUComputePassEncoder;
  /** To be called before the run's commands are finished. */
  resolve(encoder: GPUCommandEncoder): void;
  /** The times, longest first, once the run was submitted. */
  read(): Promise<KernelTime[]>;
}

/** The most timestamps of a query set. */
const LIMIT = 4096;

/** A timer for one run; dispatches beyond the size of a query set are not counted. */
export function makeTimer(device: GPUDevice, memory: Memory): Timer {
  const querySet = device.createQuerySet({ type: "timestamp", count: LIMIT });
  const resolved = device.createBuffer({
    size: 8 * LIMIT,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const staging = memory.staging(8 * LIMIT);
  const labels: string[] = [];
  return {
    pass(encoder, label) {
      const first = 2 * labels.length;
      if (first + 1 >= LIMIT) return encoder.beginComputePass({ label });
      labels.push(label);
      return encoder.beginComputePass({
        label,
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: first,
          endOfPassWriteIndex: first + 1,
        },
      });
    },
    resolve(encoder) {
      encoder.resolveQuerySet(querySet, 0, 2 * labels.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging.gpu, 0, 16 * labels.length);
    },
    async read() {
      await staging.gpu.mapAsync(GPUMapMode.READ);
      const times = new BigUint64Array(staging.gpu.getMappedRange().slice(0));
      staging.gpu.unmap();
      staging.release();
      resolved.destroy();
      querySet.destroy();
      const byKernel = groupBy(labels.keys(), (index) => labels[index] ?? "");
      return [...byKernel].map(([kernel, runs]) => ({
        kernel,
        count: runs.length,
        milliseconds: runs.reduce((total, index) => {
          const [begin = 0n, end = 0n] = times.subarray(2 * index, 2 * index + 2);
          return total + Number(end - begin) / 1e6;
        }, 0),
      })).toSorted((a, b) => b.milliseconds - a.milliseconds);
    },
  };
}
