/** Storage within one WebAssembly memory: first fit, neighbouring free blocks joined. */

import { OutOfMemoryError } from "../../memory_error.ts";
import type { AddressWidth } from "./instructions.ts";
import { mostPages } from "./module.ts";

/** Storage that is handed out and taken back, in bytes. */
export interface Heap {
  /** The memory. */
  readonly memory: WebAssembly.Memory;
  /** The width of its addresses. */
  readonly width: AddressWidth;
  /** The most bytes that are handed out at once. */
  readonly limit: number;
  /** The address of free storage, aligned to 64 bytes; the memory grows as needed. */
  allocate(bytes: number): number;
  /**
   * Refuses a size that cannot fit, before anything is allocated.
   *
   * @param bytes The bytes that are going to be allocated in all.
   * @param what The purpose of the memory, as the message names it.
   * @throws {OutOfMemoryError} If less is free, with the needed and the free size.
   */
  refuseBeyond(bytes: number, what: string): void;
  /** Takes storage back. */
  free(address: number): void;
  /** Bytes that are handed out. */
  used(): number;
}

const PAGE = 65536;
const ALIGNMENT = 64;

/**
 * The most bytes of a memory, by the width of its addresses. The last page is never handed out: the
 * address after a block has the width of addresses, too.
 */
const mostBytes = (width: AddressWidth): number => (mostPages[width] - 1) * PAGE;

/** A memory of one page or more. TypeScript's types know no addresses of 64 bits yet. */
function makeMemory(shared: boolean, width: AddressWidth): WebAssembly.Memory {
  const [initial, maximum] = [16, mostPages[width]];
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
 * @param shared Whether threads can share the memory.
 * @param width The width of its addresses (default 32).
 * @param most The most bytes to hand out (default: as many as addresses reach).
 */
export function makeHeap(shared: boolean, width: AddressWidth = 32, most = Infinity): Heap {
  const memory = makeMemory(shared, width);
  const end = Math.min(mostBytes(width), Math.floor(most / PAGE) * PAGE);
  const limit = end - ALIGNMENT;
  const reason = end < mostBytes(width)
    ? `the limit is ${showBytes(end)}`
    : `addresses of ${width} bits reach ${showBytes(mostPages[width] * PAGE)}`;
  const blocks = new Map<number, number>();
  const free: { start: number; end: number }[] = [{ start: ALIGNMENT, end: 16 * PAGE }];
  let used = 0;

  const outOfMemory = (bytes: number, what: string, room: number, why: string): OutOfMemoryError =>
    new OutOfMemoryError(
      `the wasm backend is out of memory: ${what} needs ${showBytes(bytes)}, and ` +
        `${showBytes(room)} fit beside the ${showBytes(used)} in use (${why}); ` +
        `make the model, the batch or the context smaller`,
    );
  const grow = (bytes: number): void => {
    const before = memory.buffer.byteLength;
    // Free memory at the end counts towards the block.
    const last = free.at(-1);
    const start = last !== undefined && last.end === before ? last.start : before;
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
    memory,
    width,
    limit,
    used: () => used,
    refuseBeyond(bytes, what) {
      const room = limit - used;
      if (bytes > room) throw outOfMemory(bytes, what, room, reason);
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
