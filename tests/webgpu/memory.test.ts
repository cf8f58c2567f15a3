/** Memory of a device and its limits: sizes, reuse, what is shared, and what is refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  add,
  compile,
  mul,
  sum,
  type Tensor,
  webgpu,
  type WebGpuDevice,
  type WebGpuLimits,
  zeros,
} from "@unitune/core";
// Not public: what a device's memory is made of.
import { WebGpuLimitError } from "../../core/backends/webgpu/errors.ts";
import { makeMemory, type Memory, type Piece } from "../../core/backends/webgpu/memory.ts";
import { testOnWebGpu } from "./adapter.ts";

/** A test on memory of a device of its own. */
function testOnMemory(
  name: string,
  test: (memory: Memory, device: GPUDevice) => void,
  pageBytes = 2 ** 27,
): void {
  testOnWebGpu(name, async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter?.requestDevice();
    assert(device !== undefined);
    const limits = { maxBufferSize: pageBytes + 100, maxStorageBufferBindingSize: 2 * pageBytes };
    const memory = makeMemory(device, limits, (message) => {
      throw new Error(message);
    });
    test(memory, device);
    memory.destroy();
    assertEquals(memory.statistics(), { buffers: 0, bytes: 0, keptBytes: 0 });
    device.destroy();
  });
}

/** Memory in one piece. */
function pieceOf(memory: Memory, bytes: number): Piece {
  const [piece, ...others] = memory.allocate(bytes, "x");
  assert(piece !== undefined && others.length === 0);
  return piece;
}

testOnMemory("memory is handed out in multiples of 256 bytes", (memory) => {
  const sizes = [0, 1, 255, 256, 257, 1000].map((bytes) => pieceOf(memory, bytes).bytes);
  assertEquals(sizes, [256, 256, 256, 256, 512, 1024]);
  assertEquals(memory.statistics(), { buffers: 6, bytes: 2560, keptBytes: 0 });
});

testOnMemory("what is given back is given out again, for the same use and size", (memory) => {
  const { lease: first } = pieceOf(memory, 300);
  first.release();
  assertEquals(memory.statistics(), { buffers: 1, bytes: 512, keptBytes: 512 });
  const staging = memory.staging(300);
  const { lease: smaller } = pieceOf(memory, 200);
  assertEquals(memory.statistics(), { buffers: 3, bytes: 1280, keptBytes: 512 });
  const { lease: again } = pieceOf(memory, 512);
  assertEquals(again.id, first.id);
  assertEquals(new Set([first, staging, smaller].map(({ id }) => id)).size, 3);
  assertEquals(memory.statistics(), { buffers: 3, bytes: 1280, keptBytes: 0 });
});

testOnMemory("memory goes back with its last holder", (memory) => {
  const { lease } = pieceOf(memory, 256);
  lease.hold();
  lease.release();
  assertEquals(memory.statistics().keptBytes, 0);
  lease.release();
  assertEquals(memory.statistics().keptBytes, 256);
});

testOnMemory("at most 64 MiB are kept for another time", (memory) => {
  const leases = [2 ** 26 - 256, 256, 256].map((bytes) => pieceOf(memory, bytes).lease);
  const [large, small, last] = leases;
  large?.release();
  small?.release();
  assertEquals(memory.statistics(), { buffers: 3, bytes: 2 ** 26 + 256, keptBytes: 2 ** 26 });
  last?.release();
  assertEquals(memory.statistics(), { buffers: 2, bytes: 2 ** 26, keptBytes: 2 ** 26 });
});

testOnMemory(
  "small parts share a buffer, which goes back with the last of them",
  (memory, device) => {
    const { alignment } = memory;
    assertEquals(alignment, Math.max(64, device.limits.minStorageBufferOffsetAlignment));
    const parts = [0, 1, alignment, alignment + 1].map((bytes) => memory.share(bytes));
    assertEquals(parts.map(({ bytes }) => bytes / alignment), [1, 1, 1, 2]);
    assertEquals(parts.map(({ offset }) => offset / alignment), [0, 1, 2, 3]);
    assertEquals(new Set(parts.map(({ lease }) => lease.id)).size, 1);
    // All of the rest fits, and nothing more.
    const rest = memory.share(2 ** 16 - 5 * alignment);
    assertEquals([rest.lease.id, rest.offset], [parts[0]?.lease.id, 5 * alignment]);
    const next = memory.share(1);
    assertEquals([next.lease.id === rest.lease.id, next.offset], [false, 0]);
    assertEquals(memory.statistics(), { buffers: 2, bytes: 2 ** 17, keptBytes: 0 });
    for (const { lease } of parts) lease.release();
    assertEquals(memory.statistics().keptBytes, 0);
    rest.lease.release();
    assertEquals(memory.statistics().keptBytes, 2 ** 16);
    const large = memory.share(2 ** 16 + 1);
    assertEquals([large.offset, large.bytes], [0, 2 ** 16 + alignment]);
  },
);

testOnMemory(
  "more than a page comes in pages, of which the last is as long as it must be",
  (memory) => {
    assertEquals(memory.pageBytes, 1024);
    const sizes = [1024, 1025, 2048, 2400].map((bytes) =>
      memory.allocate(bytes, "x").map(({ offset, bytes }) => [offset, bytes])
    );
    assertEquals(sizes, [
      [[0, 1024]],
      [[0, 1024], [0, 256]],
      [[0, 1024], [0, 1024]],
      [[0, 1024], [0, 1024], [0, 512]],
    ]);
    // What is shared is no larger than a page.
    assertEquals(memory.share(1).lease.gpu.size, 1024);
  },
  1024,
);

testOnMemory("nothing is given back to memory that was destroyed", (memory) => {
  const pieces: Piece[] = [pieceOf(memory, 1), memory.share(1)];
  memory.destroy();
  for (const { lease } of pieces) lease.release();
  assertEquals(memory.statistics(), { buffers: 0, bytes: 0, keptBytes: 0 });
});

testOnWebGpu("a program at a limit of the adapter runs, one beyond is refused", async () => {
  /** Runs something on a device of its own with lower limits. */
  const withLimits = async (limits: Partial<WebGpuLimits>, run: (device: WebGpuDevice) => void) => {
    using device = await webgpu({ limits });
    run(device);
  };
  const run =
    <A extends readonly Tensor[]>(f: (...inputs: A) => Tensor, inputs: A) =>
    (device: WebGpuDevice) => {
      using program = compile(f, { device });
      program(...inputs);
    };
  const double = run((x: Tensor) => mul(x, 2), [zeros([1025])]);
  // Each of 64 invocations; 1,025 elements are no fours.
  await withLimits({ maxComputeWorkgroupsPerDimension: 17 }, double);
  await withLimits(
    { maxComputeWorkgroupsPerDimension: 16 },
    (device) => assertThrows(() => double(device), WebGpuLimitError, "kernel map [1025]"),
  );
  const total = run((x: Tensor, y: Tensor) => sum(add(x, y)), [zeros([3]), zeros([3])]);
  await withLimits({ maxStorageBuffersPerShaderStage: 3 }, total);
  await withLimits({ maxStorageBuffersPerShaderStage: 2 }, (device) =>
    assertThrows(
      () => total(device),
      WebGpuLimitError,
      "kernel sum [] over [3] needs 3 buffers, and the WebGPU adapter allows 2",
    ));
});
