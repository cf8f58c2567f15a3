/**
 * Reading: the requests of one turn are copied and mapped at once, since a mapping takes ten
 * milliseconds however little it maps.
 */
import type { DType, TypedArray, TypedArrays } from "../../dtype.ts";
import type { Memory, Storage } from "./memory.ts";

/** Elements that are to be read, and where they stand among those read together. */
interface Waiting {
  readonly storage: Storage;
  readonly offset: number;
  readonly bytes: number;
  readonly resolve: (bytes: ArrayBuffer) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads storage. */
export interface Readback {
  /** The bytes that stand in a storage after everything that was submitted before. */
  read(storage: Storage, bytes: number): Promise<ArrayBuffer>;
  /** Submits the copies that wait: to be done before anything writes or releases storage. */
  flush(): void;
}

/** Bytes beyond which a reading is not put together with others. */
const BATCH_BYTES = 2 ** 28;

/** Typed arrays over whole array buffers. */
const views: { readonly [D in DType]: (bytes: ArrayBuffer) => TypedArrays[D] } = {
  f32: (bytes) => new Float32Array(bytes),
  f64: (bytes) => new Float64Array(bytes),
  i32: (bytes) => new Int32Array(bytes),
  u32: (bytes) => new Uint32Array(bytes),
  bool: (bytes) => new Uint32Array(bytes),
  bf16: (bytes) => new Uint16Array(bytes),
  f16: (bytes) => new Uint16Array(bytes),
};

/** Bytes as elements. */
export function elementsOf(bytes: ArrayBuffer, dtype: DType): TypedArray {
  return views[dtype](bytes);
}

/** The reading of a device's memory. */
export function makeReadback(
  device: GPUDevice,
  memory: Memory,
  onSubmit: () => void,
): Readback {
  let waiting: Waiting[] = [];
  let total = 0;

  /** Copies and maps; the copies are submitted before this returns its promise. */
  const collect = async (requests: readonly Waiting[], size: number) => {
    const staging = memory.staging(size);
    const encoder = device.createCommandEncoder({ label: "a readback" });
    for (const { storage: { lease, offset: from }, offset, bytes } of requests) {
      encoder.copyBufferToBuffer(lease.gpu, from, staging.gpu, offset, bytes);
    }
    onSubmit();
    device.queue.submit([encoder.finish()]);
    await staging.gpu.mapAsync(GPUMapMode.READ);
    const mapped = staging.gpu.getMappedRange();
    const parts = requests.map(({ offset, bytes }) => mapped.slice(offset, offset + bytes));
    staging.gpu.unmap();
    staging.release();
    requests.forEach(({ resolve }, i) => resolve(parts[i] ?? new ArrayBuffer(0)));
  };
  const flush = () => {
    if (waiting.length === 0) return;
    const [requests, size] = [waiting, total];
    [waiting, total] = [[], 0];
    collect(requests, size).catch((error: unknown) => {
      for (const { reject } of requests) reject(error);
    });
  };

  return {
    flush,
    read(storage, bytes) {
      if (bytes === 0) return Promise.resolve(new ArrayBuffer(0));
      return new Promise((resolve, reject) => {
        if (total + bytes > BATCH_BYTES) flush();
        if (waiting.length === 0) queueMicrotask(flush);
        waiting.push({ storage, offset: total, bytes, resolve, reject });
        total += bytes;
      });
    },
  };
}
