/** Device memory: WebGPU's buffers, which no garbage collector sees, counted and reused. */

import type { WebGpuLimits } from "./limits.ts";

/** A buffer of the device that was not destroyed yet. */
interface Held {
  /** Tells buffers apart. */
  readonly id: number;
  readonly gpu: GPUBuffer;
}

/** A buffer of the device, given back when nobody holds it any more. */
export interface Lease extends Held {
  /** One more holder. */
  hold(): void;
  /** One holder less; the last gives the memory back. */
  release(): void;
}

/** Bytes of a lease. */
export interface Piece {
  readonly lease: Lease;
  /** In bytes. */
  readonly offset: number;
  /** Whole units of storage. */
  readonly bytes: number;
}

/** The place of elements: pieces one after the other, all but the last of a page each. */
export type Storage = readonly Piece[];

/** One holder less of every piece. */
export function release(storage: Storage): void {
  for (const { lease } of storage) lease.release();
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
  /** The most bytes of a piece of storage: a buffer that can be bound whole. */
  readonly pageBytes: number;
  /** Memory for storage, with one holder. */
  allocate(bytes: number, what: string): Storage;
  /**
   * A part of a buffer that others share, for small and many elements of at most a page; the buffer
   * is held once.
   */
  share(bytes: number): Piece;
  /** Memory of at most a page that the host can map to read, with one holder. */
  staging(bytes: number): Lease;
  statistics(): MemoryStatistics;
  /** Destroys everything. */
  destroy(): void;
}

/** Buffers have multiples of this many bytes. */
const UNIT_BYTES = 256;

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
 * @param limits The most bytes of its buffers and of their bindings.
 * @param fail Told of an allocation that the device refused.
 */
export function makeMemory(
  device: GPUDevice,
  { maxBufferSize, maxStorageBufferBindingSize }: Pick<
    WebGpuLimits,
    "maxBufferSize" | "maxStorageBufferBindingSize"
  >,
  fail: (message: string) => void,
): Memory {
  const alignment = Math.max(64, device.limits.minStorageBufferOffsetAlignment);
  const pageBytes = UNIT_BYTES *
    Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / UNIT_BYTES);
  const free = new Map<string, Held[]>();
  const held = new Set<Held>();
  let [nextId, bytesHeld, keptBytes] = [0, 0, 0];

  const destroy = (buffer: Held) => {
    held.delete(buffer);
    bytesHeld -= buffer.gpu.size;
    buffer.gpu.destroy();
  };
  const create = (size: number, kind: keyof typeof usages, what: string): Held => {
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
    const size = Math.max(1, Math.ceil(bytes / UNIT_BYTES)) * UNIT_BYTES;
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
  const share = (bytes: number): Piece => {
    const size = Math.max(1, Math.ceil(bytes / alignment)) * alignment;
    if (shared === undefined || shared.used + size > shared.lease.gpu.size) {
      shared?.lease.release();
      const whole = lease(
        Math.max(size, Math.min(SHARED_BYTES, pageBytes)),
        "storage",
        "small results",
      );
      shared = { lease: whole, used: 0 };
    }
    const offset = shared.used;
    shared.used += size;
    shared.lease.hold();
    return { lease: shared.lease, offset, bytes: size };
  };

  const allocate = (bytes: number, what: string): Storage =>
    Array.from({ length: Math.max(1, Math.ceil(bytes / pageBytes)) }, (_, page): Piece => {
      const piece = lease(Math.min(pageBytes, bytes - page * pageBytes), "storage", what);
      return { lease: piece, offset: 0, bytes: piece.gpu.size };
    });

  return {
    alignment,
    pageBytes,
    share,
    allocate,
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
