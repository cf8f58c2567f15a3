/** Storage within one WebAssembly memory: first fit, neighbouring free blocks joined. */

import { OutOfMemoryError } from "../../memory_error.ts";
import type { AddressWidth } from "./instructions.ts";
import { mostPages } from "./module.ts";

/** Storage that is handed out and taken back, in bytes. */
export interface Heap {
  /** The memory now: it is another one once its addresses have become wider. */
  readonly memory: WebAssembly.Memory;
  /** The width of its addresses. */
  readonly width: AddressWidth;
  /** The most bytes that are handed out at once. */
  readonly limit: number;
  /** The address of free storage, aligned to 64 bytes; the memory grows as needed. */
  allocate(bytes: number): number;
  /**
   * Prepares for a size before anything of it is allocated: addresses become wider where it needs
   * them, and a size that cannot fit is refused.
   *
   * @param bytes The bytes that are going to be allocated in all.
   * @param what The purpose of the memory, as the message names it.
   * @throws {OutOfMemoryError} If less is free, with the needed and the free size.
   */
  prepare(bytes: number, what: string): void;
  /** Takes storage back. */
  free(address: number): void;
  /** Bytes that are handed out. */
  used(): number;
  /** Calls a function each time that the memory has become another one. */
  onMove(moved: () => void): void;
}

/** Options of a heap. */
export interface HeapOptions {
  /** The width of its first addresses (default 32). */
  readonly width?: AddressWidth;
  /** The width that its addresses may come to have (default: that of the first). */
  readonly widest?: AddressWidth;
  /** The most bytes to hand out (default: as many as the widest addresses reach). */
  readonly most?: number;
  /**
   * The most bytes to hand out by addresses of 32 bits, if there may be wider ones (default: as many
   * as they reach). Tests take less.
   */
  readonly narrow?: number;
}

const PAGE = 65536;
const ALIGNMENT = 64;

/**
 * The most bytes of a memory, by the width of its addresses. The last page is never handed out: the
 * address after a block has the width of addresses, too.
 */
const mostBytes = (width: AddressWidth): number => (mostPages[width] - 1) * PAGE;

/** The pages of a memory without any block. */
const FIRST_PAGES = 16;

/** A memory of some pages. TypeScript's types know no addresses of 64 bits yet. */
function makeMemory(shared: boolean, width: AddressWidth, initial: number): WebAssembly.Memory {
  const maximum = mostPages[width];
  if (width === 32) return new WebAssembly.Memory({ initial, maximum, shared });
  const wide = { address: "i64", initial: BigInt(initial), maximum: BigInt(maximum), shared };
  const memory: unknown = Reflect.construct(WebAssembly.Memory, [wide]);
  if (memory instanceof WebAssembly.Memory) return memory;
  throw new TypeError("the engine made something else than a memory");
}

/** Bytes for people, in units of 1024: `1.50 GiB`. */
function showBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"] as const;
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}`;
}

/**
 * An empty heap. The first bytes are never handed out, so that no address is 0.
 *
 * Addresses become wider when more is wanted than the narrower ones reach. All blocks keep their
 * addresses then, in another memory, into which their bytes are copied.
 *
 * @param shared Whether threads can share the memory.
 * @param options The widths of addresses, and the most bytes.
 */
export function makeHeap(shared: boolean, options: HeapOptions = {}): Heap {
  const { width: first = 32, widest = first, most = Infinity, narrow = most } = options;
  const upTo = (width: AddressWidth, bytes: number): number =>
    Math.min(mostBytes(width), Math.floor(bytes / PAGE) * PAGE);
  const ends: Readonly<Record<AddressWidth, number>> = {
    32: upTo(32, narrow),
    64: upTo(64, most),
  };
  let width = first;
  let memory = makeMemory(shared, width, FIRST_PAGES);
  const limit = ends[widest] - ALIGNMENT;
  const reason = ends[widest] < mostBytes(widest)
    ? `the limit is ${showBytes(ends[widest])}`
    : `addresses of ${widest} bits reach ${showBytes(mostPages[widest] * PAGE)}`;
  const blocks = new Map<number, number>();
  const free: { start: number; end: number }[] = [{ start: ALIGNMENT, end: FIRST_PAGES * PAGE }];
  const listeners: (() => void)[] = [];
  let used = 0;

  const outOfMemory = (bytes: number, what: string, room: number, why: string): OutOfMemoryError =>
    new OutOfMemoryError(
      `the wasm backend is out of memory: ${what} needs ${showBytes(bytes)}, and ` +
        `${showBytes(room)} fit beside the ${showBytes(used)} in use (${why}); ` +
        `make the model, the batch or the context smaller`,
    );
  /** Makes addresses wider, for some bytes more. */
  const widen = (bytes: number, what: string): void => {
    const wide = madeMemory();
    if (wide === undefined) {
      const room = ends[width] - ALIGNMENT - used;
      throw outOfMemory(bytes, what, room, "the system gives no more");
    }
    // What is free is not copied: pages that are not touched take no memory.
    for (const [address, size] of blocks) {
      const block = new Uint8Array(memory.buffer, address, size);
      new Uint8Array(wide.buffer, address, size).set(block);
    }
    [memory, width] = [wide, widest];
    for (const moved of listeners) moved();
  };
  const madeMemory = (): WebAssembly.Memory | undefined => {
    try {
      return makeMemory(shared, widest, memory.buffer.byteLength / PAGE);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
  const grow = (bytes: number): void => {
    const before = memory.buffer.byteLength;
    const end = ends[width];
    // Free memory at the end counts towards the block.
    const last = free.at(-1);
    const start = last !== undefined && last.end === before ? last.start : before;
    if (start + bytes > end && width !== widest) {
      widen(bytes, "a block");
      return grow(bytes);
    }
    if (start + bytes > end) {
      const room = free.reduce(
        (most, block) => Math.max(most, block.end - block.start),
        end - start,
      );
      throw outOfMemory(bytes, "a block", room, `in one piece; ${reason}`);
    }
    const needed = Math.ceil((start + bytes - before) / PAGE);
    // By at least a quarter, so that growing is rare.
    const wanted = Math.max(needed, Math.ceil(before / PAGE / 4));
    const pages = Math.min(wanted, (end - before) / PAGE);
    if (!grows(pages) && !grows(needed)) {
      throw outOfMemory(bytes, "a block", before - start, "the system gives no more");
    }
    release(before, memory.buffer.byteLength);
  };
  const grows = (pages: number): boolean => {
    try {
      if (width === 32) memory.grow(pages);
      // deno-lint-ignore unitune/no-spread-of-data -- one argument
      else Reflect.apply(memory.grow, memory, [BigInt(pages)]);
      return true;
    } catch {
      return false;
    }
  };
  const release = (start: number, end: number): void => {
    const next = free.findIndex((block) => block.start >= end);
    const position = next === -1 ? free.length : next;
    const [before, after] = [free[position - 1], free[position]];
    const joinsBefore = before?.end === start;
    const joinsAfter = after?.start === end;
    if (joinsBefore && joinsAfter) {
      before.end = after.end;
      free.splice(position, 1);
    } else if (joinsBefore) before.end = end;
    else if (joinsAfter) after.start = start;
    else free.splice(position, 0, { start, end });
  };

  return {
    get memory() {
      return memory;
    },
    get width() {
      return width;
    },
    limit,
    used: () => used,
    onMove: (moved) => void listeners.push(moved),
    prepare(bytes, what) {
      const room = limit - used;
      if (bytes > room) throw outOfMemory(bytes, what, room, reason);
      if (used + bytes > ends[width] - ALIGNMENT) widen(bytes, what);
    },
    allocate(bytes) {
      const size = Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
      const fits = ({ start, end }: { start: number; end: number }) => end - start >= size;
      if (!free.some(fits)) grow(size);
      const block = free.find(fits);
      if (block === undefined) throw new Error("the heap grew without giving a block");
      const address = block.start;
      block.start += size;
      if (block.start === block.end) free.splice(free.indexOf(block), 1);
      blocks.set(address, size);
      used += size;
      return address;
    },
    free(address) {
      const size = blocks.get(address);
      if (size === undefined) return;
      blocks.delete(address);
      used -= size;
      release(address, address + size);
    },
  };
}
