/** Device memory: WebGPU's buffers, which no garbage collector sees, counted and reused. */

import { WebGpuLimitError } from "./errors.ts";

/** A buffer of the device that was not destroyed yet. */
interface Held {
  /** Tells buffers apart. */
  readonly id: number;
  readonly gpu: GPUBuffer;
}

/** A part of the device's memory, given back when nobody holds it any more. */
export interface Lease extends Held {
  /** One more holder. */
  hold(): void;
  /** One holder less; the last gives the memory back. */
  release(): void;
}

/** The place of elements. */
export interface Storage {
  readonly lease: Lease;
  /** In bytes. */
  readonly offset: number;
  /** Whole units of storage. */
  readonly bytes: number;
}

/** All of a lease. */
export function wholeOf(lease: Lease): Storage {
  return { lease, offset: 0, bytes: lease.gpu.size };
}

/** The memory that a device holds. */
export interface MemoryStatistics {
  /** Buffers that were created and not destroyed yet, those kept for reuse included. */
  readonly buffers: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Of these, bytes kept for reuse. */
  readonly keptBytes: number;
}

/** Gives out memory. */
export interface Memory {
  /** Storage offsets are multiples of this. */
  readonly alignment: number;
  /** Memory for storage, with one holder. */
  allocate(bytes: number, what: string): Lease;
  /** A part of a buffer that others share, for small and many elements; the buffer is held once. */
  share(bytes: number): Storage;
  /** Memory that the host can map to read, with one holder. */
  staging(bytes: number): Lease;
  statistics(): MemoryStatistics;
  /** Destroys everything. */
  destroy(): void;
}

/** Bytes of a buffer that is shared: each buffer costs the host some kilobytes, however small. */
const SHARED_BYTES = 2 ** 16;

/** Bytes of released buffers that are kept for reuse. */
const KEPT_BYTES = 2 ** 26;

const usages = {
  storage: () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  staging: () => GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
} as const;

/**
 * The memory of a device.
 *
 * @param device The device.
 * @param fail Told of an allocation that the device refused.
 */
export function makeMemory(device: GPUDevice, fail: (message: string) => void): Memory {
  const { minStorageBufferOffsetAlignment, maxBufferSize } = device.limits;
  const alignment = Math.max(64, minStorageBufferOffsetAlignment);
  const free = new Map<string, Held[]>();
  const held = new Set<Held>();
  let [nextId, bytesHeld, keptBytes] = [0, 0, 0];

  const destroy = (buffer: Held) => {
    held.delete(buffer);
    bytesHeld -= buffer.gpu.size;
    buffer.gpu.destroy();
  };
  const create = (size: number, kind: keyof typeof usages, what: string): Held => {
    if (size > maxBufferSize) {
      throw new WebGpuLimitError(
        `${what} needs ${size} bytes in one buffer, and the WebGPU adapter allows ${maxBufferSize}: ` +
          `use smaller batches or a smaller model, or the wasm device`,
      );
    }
    device.pushErrorScope("out-of-memory");
    const gpu = device.createBuffer({ size, usage: usages[kind](), label: what });
    device.popErrorScope().then((error) => {
      if (error !== null) {
        fail(
          `out of memory: ${what} needs ${size} bytes beside the ${bytesHeld} that are in use ` +
            `(${error.message}): use smaller batches or a smaller model`,
        );
      }
    }, () => {/* The device is lost, which is told elsewhere. */});
    const buffer = { id: nextId++, gpu };
    held.add(buffer);
    bytesHeld += size;
    return buffer;
  };
  const lease = (bytes: number, kind: keyof typeof usages, what: string): Lease => {
    const size = Math.max(1, Math.ceil(bytes / 256)) * 256;
    const key = `${kind} ${size}`;
    const reused = free.get(key)?.pop();
    if (reused !== undefined) keptBytes -= size;
    const buffer = reused ?? create(size, kind, what);
    let holders = 1;
    return {
      ...buffer,
      hold: () => void holders++,
      release() {
        holders--;
        if (holders > 0 || !held.has(buffer)) return;
        if (keptBytes + size > KEPT_BYTES) destroy(buffer);
        else {
          keptBytes += size;
          const list = free.get(key) ?? [];
          free.set(key, list);
          list.push(buffer);
        }
      },
    };
  };

  // Parts are handed out one after the other; the buffer goes back with the last of them.
  let shared: { readonly lease: Lease; used: number } | undefined;
  const share = (bytes: number): Storage => {
    const size = Math.max(1, Math.ceil(bytes / alignment)) * alignment;
    if (shared === undefined || shared.used + size > shared.lease.gpu.size) {
      shared?.lease.release();
      const whole = lease(Math.max(size, SHARED_BYTES), "storage", "small results");
      shared = { lease: whole, used: 0 };
    }
    const offset = shared.used;
    shared.used += size;
    shared.lease.hold();
    return { lease: shared.lease, offset, bytes: size };
  };

  return {
    alignment,
    share,
    allocate: (bytes, what) => lease(bytes, "storage", what),
    staging: (bytes) => lease(bytes, "staging", "a readback"),
    statistics: () => ({ buffers: held.size, bytes: bytesHeld, keptBytes }),
    destroy() {
      for (const buffer of [...held]) destroy(buffer);
      free.clear();
      shared = undefined;
      keptBytes = 0;
    },
  };
}
