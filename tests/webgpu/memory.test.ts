/** Memory of a device and its limits: sizes, reuse, what is shared, and what is refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { add, compile, mul, sum, type Tensor, zeros } from "@unitune/core";
// Not public: what a device's memory is made of.
import { WebGpuLimitError } from "../../core/backends/webgpu/errors.ts";
import { type Lease, makeMemory, type Memory } from "../../core/backends/webgpu/memory.ts";
import { testOnWebGpu } from "./adapter.ts";

/** A test on memory of a device of its own. */
function testOnMemory(name: string, test: (memory: Memory, device: GPUDevice) => void): void {
  testOnWebGpu(name, async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter?.requestDevice();
    assert(device !== undefined);
    const memory = makeMemory(device, (message) => {
      throw new Error(message);
    });
    test(memory, device);
    memory.destroy();
    assertEquals(memory.statistics(), { buffers: 0, bytes: 0, keptBytes: 0 });
    device.destroy();
  });
}

testOnMemory("memory is handed out in multiples of 256 bytes", (memory) => {
  const sizes = [0, 1, 255, 256, 257, 1000].map((bytes) => memory.allocate(bytes, "x").gpu.size);
  assertEquals(sizes, [256, 256, 256, 256, 512, 1024]);
  assertEquals(memory.statistics(), { buffers: 6, bytes: 2560, keptBytes: 0 });
});

testOnMemory("what is given back is given out again, for the same use and size", (memory) => {
  const first = memory.allocate(300, "x");
  first.release();
  assertEquals(memory.statistics(), { buffers: 1, bytes: 512, keptBytes: 512 });
  const staging = memory.staging(300);
  const smaller = memory.allocate(200, "x");
  assertEquals(memory.statistics(), { buffers: 3, bytes: 1280, keptBytes: 512 });
  const again = memory.allocate(512, "x");
  assertEquals(again.id, first.id);
  assertEquals(new Set([first, staging, smaller].map(({ id }) => id)).size, 3);
  assertEquals(memory.statistics(), { buffers: 3, bytes: 1280, keptBytes: 0 });
});

testOnMemory("memory goes back with its last holder", (memory) => {
  const lease = memory.allocate(256, "x");
  lease.hold();
  lease.release();
  assertEquals(memory.statistics().keptBytes, 0);
  lease.release();
  assertEquals(memory.statistics().keptBytes, 256);
});

testOnMemory("at most 64 MiB are kept for another time", (memory) => {
  const leases = [2 ** 26 - 256, 256, 256].map((bytes) => memory.allocate(bytes, "x"));
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
  "a buffer beyond the adapter's limit is refused, with its name and size",
  (memory, device) => {
    const { maxBufferSize } = device.limits;
    const bytes = 256 * Math.floor(maxBufferSize / 256) + 1;
    assertThrows(
      () => memory.allocate(bytes, "result 3"),
      WebGpuLimitError,
      `result 3 needs ${
        bytes + 255
      } bytes in one buffer, and the WebGPU adapter allows ${maxBufferSize}`,
    );
    assertEquals(memory.statistics().buffers, 0);
  },
);

testOnMemory("nothing is given back to memory that was destroyed", (memory) => {
  const leases: Lease[] = [memory.allocate(1, "x"), memory.share(1).lease];
  memory.destroy();
  for (const lease of leases) lease.release();
  assertEquals(memory.statistics(), { buffers: 0, bytes: 0, keptBytes: 0 });
});

type Limit =
  | "maxStorageBufferBindingSize"
  | "maxComputeWorkgroupsPerDimension"
  | "maxStorageBuffersPerShaderStage";

/** Runs something on a device with a lower limit. */
function withLimit(name: Limit, value: number, run: () => void): void {
  const own = Object.getOwnPropertyDescriptor(GPUSupportedLimits.prototype, name);
  assert(own !== undefined);
  Object.defineProperty(GPUSupportedLimits.prototype, name, { ...own, get: () => value });
  try {
    run();
  } finally {
    Object.defineProperty(GPUSupportedLimits.prototype, name, own);
  }
}

testOnWebGpu("a program at a limit of the adapter runs, one beyond is refused", (device) => {
  const run = <A extends readonly Tensor[]>(f: (...inputs: A) => Tensor, inputs: A) => () => {
    using program = compile(f, { device });
    program(...inputs);
  };
  const double = run((x: Tensor) => mul(x, 2), [zeros([1025])]);
  withLimit("maxStorageBufferBindingSize", 4 * 1025, double);
  withLimit("maxStorageBufferBindingSize", 4 * 1025 - 1, () =>
    assertThrows(
      double,
      WebGpuLimitError,
      "a tensor of 1025 elements has 4100 bytes, and the WebGPU adapter allows 4099",
    ));
  // Each of 64 invocations; 1,025 elements are no fours.
  withLimit("maxComputeWorkgroupsPerDimension", 17, double);
  withLimit(
    "maxComputeWorkgroupsPerDimension",
    16,
    () => assertThrows(double, WebGpuLimitError, "kernel map [1025]"),
  );
  const total = run((x: Tensor, y: Tensor) => sum(add(x, y)), [zeros([3]), zeros([3])]);
  withLimit("maxStorageBuffersPerShaderStage", 3, total);
  withLimit(
    "maxStorageBuffersPerShaderStage",
    2,
    () => assertThrows(total, WebGpuLimitError, "needs 3 buffers, and the WebGPU adapter allows 2"),
  );
  return Promise.resolve();
});
