/**
 * Reading: the requests of one turn are copied and mapped at once, since a mapping takes ten
 * milliseconds however little it maps.
 */
import type { DType, TypedArray, TypedArrays } from "../../dtype.ts";
import type { Memory, Piece, Storage } from "./memory.ts";

/** Elements that are to be read, and where they stand among those read together. */
interface Waiting {
  readonly piece: Piece;
  readonly offset: number;
  readonly bytes: number;
  readonly resolve: (bytes: ArrayBuffer) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads storage. */
export interface Readback {
  /**
   * The bytes from `begin` to before `end` of a storage, both multiples of 4, after everything that was
   * submitted before.
   */
  read(storage: Storage, begin: number, end: number): Promise<ArrayBuffer>;
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
  const batchBytes = Math.min(BATCH_BYTES, memory.pageBytes);
  let waiting: Waiting[] = [];
  let total = 0;

  /** Copies and maps; the copies are submitted before this returns its promise. */
  const collect = async (requests: readonly Waiting[], size: number) => {
    const staging = memory.staging(size);
    const encoder = device.createCommandEncoder({ label: "a readback" });
    for (const { piece: { lease, offset: from }, offset, bytes } of requests) {
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

  const readPiece = (piece: Piece, bytes: number): Promise<ArrayBuffer> =>
    new Promise((resolve, reject) => {
      if (total + bytes > batchBytes) flush();
      if (waiting.length === 0) queueMicrotask(flush);
      waiting.push({ piece, offset: total, bytes, resolve, reject });
      total += bytes;
    });

  return {
    flush,
    async read(storage, begin, end) {
      let start = 0;
      const reading = storage.flatMap(({ lease, offset, bytes }) => {
        const from = Math.max(0, begin - start);
        const to = Math.min(bytes, end - start);
        start += bytes;
        return from < to ? [readPiece({ lease, offset: offset + from, bytes }, to - from)] : [];
      });
      return joined(await Promise.all(reading));
    },
  };
}

/** Bytes one after the other. */
function joined(parts: readonly ArrayBuffer[]): ArrayBuffer {
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return first;
  const whole = new Uint8Array(parts.reduce((total, { byteLength }) => total + byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part), offset);
    offset += part.byteLength;
  }
  return whole.buffer;
}
