/** Storage within one WebAssembly memory: first fit, neighbouring free blocks joined. */

import { OutOfMemoryError } from "../../memory_error.ts";

/** Storage that is handed out and taken back, in bytes. */
export interface Heap {
  /** The memory. */
  readonly memory: WebAssembly.Memory;
  /** The address of free storage, aligned to 64 bytes; the memory grows as needed. */
  allocate(bytes: number): number;
  /** Takes storage back. */
  free(address: number): void;
  /** Bytes that are handed out. */
  used(): number;
}

const PAGE = 65536;
const ALIGNMENT = 64;
const MAXIMUM_PAGES = 65536;

/**
 * An empty heap. The first bytes are never handed out, so that no address is 0.
 *
 * @param shared Whether threads can share the memory.
 */
export function makeHeap(shared: boolean): Heap {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAXIMUM_PAGES, shared });
  const blocks = new Map<number, number>();
  const free: { start: number; end: number }[] = [{ start: ALIGNMENT, end: 16 * PAGE }];
  let used = 0;

  const grow = (bytes: number): void => {
    const before = memory.buffer.byteLength;
    // By at least a quarter, so that growing is rare.
    const pages = Math.max(Math.ceil(bytes / PAGE), Math.ceil(before / PAGE / 4));
    const possible = Math.min(pages, MAXIMUM_PAGES - before / PAGE);
    try {
      memory.grow(Math.max(possible, Math.ceil(bytes / PAGE)));
    } catch {
      throw new OutOfMemoryError(
        `the wasm backend is out of memory: ${used} bytes are in use and ${bytes} more are needed ` +
          `(the limit is 4 GiB); make the model or the batch smaller`,
      );
    }
    release(before, memory.buffer.byteLength);
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
    used: () => used,
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
