/** The WebGPU backend: a program is a list of WGSL dispatches over one arena. */
import type { Device } from "../../backend/device.ts";
import { type Backend, makeHost } from "../../backend/host.ts";
import { makeWorkspace } from "../../backend/workspace.ts";
import { bytesPerElement } from "../../dtype.ts";
import { tunings } from "./dispatch.ts";
import { probeFeatures, requestDevice, type WebGpuFeature, webGpuFeatures } from "./features.ts";
import { WebGpuFailedError, WebGpuUnavailableError } from "./errors.ts";
import { limitsWithin, type WebGpuLimits } from "./limits.ts";
import { makeMemory, type MemoryStatistics, release, type Storage } from "./memory.ts";
import { makePipelines } from "./pipelines.ts";
import { type DeviceParts, emitProgram } from "./program.ts";
import { elementsOf, makeReadback } from "./readback.ts";
import { makeTimer, type Timer } from "./timer.ts";

export type { MemoryStatistics, WebGpuFeature, WebGpuLimits };

/** Options for opening a WebGPU device. */
export interface WebGpuOptions {
  /**
   * The kind of adapter that kernels are made for: "hardware" (tiles in workgroup memory, thousands
   * of lanes) or "software" (default: the adapter's kind).
   */
  readonly tuning?: "hardware" | "software";
  /** The preferred adapter where there are several. */
  readonly powerPreference?: "low-power" | "high-performance";
  /**
   * The type that operands of matrix products are rounded to (default "f32": not at all). With
   * "f16" each keeps 11 bits, a relative error of at most 2^-11, while it passes through workgroup
   * memory; everything else (sums, stored elements, and products of less than 8 rows or columns) is
   * f32. Operands are scaled by powers of two, so that finite ones neither overflow nor vanish.
   */
  readonly precision?: "f32" | "f16";
  /** Features to do without although the adapter may have them: to compare, or to find a fault. */
  readonly without?: readonly WebGpuFeature[];
  /**
   * Limits that programs keep, where they are lower than the adapter's: to find out what runs on
   * another adapter. Tensors larger than a binding are stored in pieces.
   */
  readonly limits?: Partial<WebGpuLimits>;
}

/** The description of a WebGPU device, for benchmarks and tests. */
export interface WebGpuStatistics extends MemoryStatistics {
  /** Command buffers that were submitted, readbacks included. */
  readonly submits: number;
}

/** The WebGPU backend as a device. */
export interface WebGpuDevice extends Device {
  /** The backend's name. */
  readonly name: "webgpu";
  /** The description that the adapter gives of itself. */
  readonly description: string;
  /** Whether the adapter computes on the processor, where wasm is faster. */
  readonly isSoftware: boolean;
  /** The features beyond those that WebGPU promises, found by trying. */
  readonly features: readonly WebGpuFeature[];
  /** The limits that programs keep. */
  readonly limits: WebGpuLimits;
  /** The description of the device. */
  statistics(): WebGpuStatistics;
  /** Destroys the device and its memory; it is not used again. */
  [Symbol.dispose](): void;
}

/** The time after a failed reading within which the news of a lost device may come. */
const LOSS_MILLISECONDS = 100;

/** The limits that programs can use more of than WebGPU grants unasked. */
const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeWorkgroupStorageSize",
  "minStorageBufferOffsetAlignment",
] as const;

async function openAdapter(options: WebGpuOptions): Promise<GPUAdapter> {
  const { powerPreference = "high-performance" } = options;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new WebGpuUnavailableError(
      "no WebGPU adapter was found: install a graphics driver with Vulkan, Metal or Direct3D 12 " +
        "(on Debian, the software adapter in mesa-vulkan-drivers), or use the wasm device",
    );
  }
  return adapter;
}

/** The first failure of a device, and the checks that may still bring one. */
function makeHealth() {
  let failure: string | undefined;
  const checks = new Set<Promise<void>>();
  const fail = (message: string) => {
    failure ??= message;
  };
  return {
    fail,
    watch(error: Promise<GPUError | null>, what: string) {
      const check = error.then(
        (found) => {
          if (found !== null) fail(`${what}: ${found.message}`);
        },
        () => {/* The device is lost, which is told elsewhere. */},
      ).finally(() => checks.delete(check));
      checks.add(check);
    },
    throwIfFailed() {
      if (failure !== undefined) {
        throw new WebGpuFailedError(`the WebGPU device failed: ${failure}`);
      }
    },
    async settled() {
      await Promise.all(checks);
    },
  };
}

/**
 * Opens the WebGPU backend: WGSL emitted for each program, one pass and one submit a run.
 *
 * Errors of the device come late, since WebGPU checks in the background: they are thrown by the
 * next run or read as {@linkcode WebGpuFailedError}, and name the kernel.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, mul, tensor, webgpu, WebGpuUnavailableError } from "@unitune/core";
 *
 * try {
 *   using device = await webgpu();
 *   using double = compile((x: ReturnType<typeof tensor>) => mul(x, 2), { device });
 *   assertEquals(await double(tensor([3])).data(), new Float32Array([6]));
 * } catch (error) {
 *   if (!(error instanceof WebGpuUnavailableError)) throw error; // No adapter here.
 * }
 * ```
 *
 * @param options The kind of adapter that kernels are made for, and the preferred adapter.
 * @returns A device of its own, with memory of its own.
 * @throws {WebGpuUnavailableError} If there is no adapter, or none with the precision asked for.
 * @throws {RangeError} If a limit is not an integer, or too low.
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const adapter = await openAdapter(options);
  const limits = limitsWithin(adapter.limits, options.limits);
  const requiredLimits = Object.fromEntries(
    wantedLimits.map((name) => [name, adapter.limits[name]]),
  );
  const device = await requestDevice(adapter, requiredLimits, options.without ?? []);
  const { info } = adapter;
  const software = isSoftware(info);
  const kind = options.tuning ?? (software ? "software" : "hardware");

  const health = makeHealth();
  const { throwIfFailed } = health;
  let disposed = false;
  let submits = 0;
  let timer: Timer | undefined;
  const lost = device.lost.then(({ message, reason }) => {
    if (!disposed) health.fail(`it was lost (${message || reason}); open a new one`);
  });
  /** Waits until it is known why a reading failed. */
  const explained = async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LOSS_MILLISECONDS);
    });
    await Promise.race([lost, patience]);
    clearTimeout(timer);
    await health.settled();
  };
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    if (event instanceof GPUUncapturedErrorEvent) health.fail(event.error.message);
  });
  const features = await probeFeatures(device);
  const { precision = "f32" } = options;
  if (precision === "f16" && !features.found.has("f16")) {
    disposed = true;
    device.destroy();
    throw new WebGpuUnavailableError(
      "the WebGPU adapter has no numbers of 16 bits (shader-f16), or gets them wrong: compute with " +
        "precision f32",
    );
  }
  const memory = makeMemory(device, limits, health.fail);
  const readback = makeReadback(device, memory, () => submits++);
  const deviceParts: DeviceParts = {
    device,
    limits,
    memory,
    workspace: makeWorkspace({
      allocate: (bytes) => memory.allocate(bytes, "the memory of a program"),
      free: release,
    }),
    pipelines: makePipelines(device, health.watch),
    watch: health.watch,
    tuning: tunings[kind],
    features,
    precision,
    submit(commands) {
      submits++;
      device.queue.submit([commands]);
    },
    takeTimer() {
      const taken = timer;
      timer = undefined;
      return taken;
    },
  };
  const backend: Backend<Storage> = {
    name: "webgpu",
    alignment: memory.alignment,
    pageBytes: memory.pageBytes,
    emit: (lowered, plan) => emitProgram(lowered, plan, deviceParts),
    allocate: memory.allocate,
    free(storage) {
      // Elements to be read are copied first.
      readback.flush();
      release(storage);
    },
    isPart: (storage) => storage.some(({ lease, bytes }) => bytes !== lease.gpu.size),
    write(storage, data) {
      const inPage = memory.pageBytes / data.BYTES_PER_ELEMENT;
      storage.forEach(({ lease }, page) => {
        const own = data.subarray(page * inPage, (page + 1) * inPage);
        // Whole words are written; Deno's panics where there is nothing to write.
        const rest = own.byteLength % 4 / own.BYTES_PER_ELEMENT;
        const whole = own.subarray(0, own.length - rest);
        if (whole.length > 0) device.queue.writeBuffer(lease.gpu, 0, whole);
        if (rest === 0) return;
        const last = Uint16Array.of(own.at(-1) ?? 0, 0);
        device.queue.writeBuffer(lease.gpu, whole.byteLength, last);
      });
    },
    async read(storage, dtype, range) {
      throwIfFailed();
      try {
        const width = bytesPerElement[dtype];
        const [begin, end] = [width * range.begin, width * range.end];
        // Whole words are copied.
        const start = begin - begin % 4;
        const words = await readback.read(storage, start, Math.ceil(end / 4) * 4);
        await health.settled();
        throwIfFailed();
        const isWhole = words.byteLength === end - begin;
        return elementsOf(isWhole ? words : words.slice(begin - start, end - start), dtype);
      } catch (error) {
        await explained();
        // Only a device that failed does not map memory.
        if (error instanceof DOMException) health.fail(`a reading failed: ${error.message}`);
        throwIfFailed();
        throw error;
      }
    },
    prepare() {
      throwIfFailed();
      readback.flush();
    },
  };
  const host = makeHost(backend);

  return {
    name: "webgpu",
    isSoftware: software,
    features: webGpuFeatures.filter((feature) => features.found.has(feature)),
    limits,
    description: info.description || info.device || info.vendor || "unknown adapter",
    upload(data, dtype) {
      throwIfFailed();
      return host.upload(data, dtype);
    },
    plan: host.plan,
    compile(graph, options) {
      throwIfFailed();
      return host.compile(graph, options);
    },
    statistics: () => ({ ...memory.statistics(), submits }),
    async profile(run) {
      if (!features.found.has("timestamps")) return undefined;
      const current = makeTimer(device, memory);
      timer = current;
      run();
      if (timer === current) throw new Error("profile: no program ran");
      return await current.read();
    },
    [Symbol.dispose]() {
      disposed = true;
      health.fail("it was disposed of");
      memory.destroy();
      device.destroy();
    },
  };
}

/** Whether an adapter computes on the processor. */
function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /llvmpipe|swiftshader/i.test(info.description);
}
