/** Programs: dispatches over a planned arena, encoded in one pass and submitted once a run. */
import type { Elements } from "../../backend/buffers.ts";
import type { Code, RunStorage } from "../../backend/host.ts";
import { bytesPerElement } from "../../dtype.ts";
import { describeKernel } from "../../lowering/describe.ts";
import type { BufferPlan, Lowered } from "../../lowering/kernels.ts";
import { alignedBytes, type MemoryPlan, type Place } from "../../lowering/plan.ts";
import { at } from "../../shape.ts";
import type { Dispatch, KernelContext, Tuning } from "./dispatch.ts";
import { WebGpuLimitError } from "./errors.ts";
import type { Features } from "./features.ts";
import { emitKernel } from "./kernels.ts";
import type { Memory, Storage } from "./memory.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { Timer } from "./timer.ts";

/** Bind groups kept for each dispatch, for storage that changes from run to run. */
const KEPT_GROUPS = 8;

/** The parts of a device that a program needs. */
export interface DeviceParts {
  readonly device: GPUDevice;
  readonly memory: Memory;
  readonly pipelines: Pipelines;
  readonly tuning: Tuning;
  /** The features of the adapter beyond those that WebGPU promises. */
  readonly features: Features;
  /** The type that operands of products are rounded to. */
  readonly precision: "f32" | "f16";
  /** Looks at an error scope once its content is known. */
  readonly watch: (error: Promise<GPUError | null>, what: string) => void;
  /** Runs commands. */
  readonly submit: (commands: GPUCommandBuffer) => void;
  /** The timer of the dispatches of the next run, if there is one. */
  readonly takeTimer: () => Timer | undefined;
}

/** The place of a program's buffer, and its bytes there. */
type Region = Place & { readonly bytes: number };

/** The dispatches of a kernel. */
interface Named<D extends Dispatch> {
  /** The kind and sizes of the kernel, for messages and profiles. */
  readonly name: string;
  readonly dispatches: readonly D[];
}

/** A dispatch with the objects needed to encode it. */
interface Prepared extends Pipeline, Dispatch {
  /** The name of its kernel. */
  readonly kernel: string;
  /** Regions by binding. */
  readonly regions: readonly Region[];
  /** Bind groups by the storage of operands and results. */
  readonly groups: Map<string, GPUBindGroup>;
}

/** Refuses programs beyond the device's limits, before anything is allocated. */
function checkLimits(
  buffers: readonly BufferPlan[],
  kernels: readonly Named<Dispatch>[],
  {
    maxComputeWorkgroupsPerDimension,
    maxStorageBuffersPerShaderStage,
    maxStorageBufferBindingSize,
  }: GPUSupportedLimits,
): void {
  for (const { dtype, size } of buffers) {
    const bytes = size * bytesPerElement[dtype];
    if (bytes > maxStorageBufferBindingSize) {
      throw new WebGpuLimitError(
        `a tensor of ${size} elements has ${bytes} bytes, and the WebGPU adapter allows ` +
          `${maxStorageBufferBindingSize}: use smaller batches, or the wasm device`,
      );
    }
  }
  for (const { name, dispatches } of kernels) {
    const bindings = dispatches.reduce((most, { bindings }) => Math.max(most, bindings.length), 0);
    // deno-lint-ignore unitune/no-spread-of-data -- three numbers
    if (dispatches.some(({ grid }) => Math.max(...grid) > maxComputeWorkgroupsPerDimension)) {
      throw new WebGpuLimitError(
        `kernel ${name} needs more workgroups than the WebGPU adapter allows: use smaller ` +
          `batches, or the wasm device`,
      );
    }
    if (bindings > maxStorageBuffersPerShaderStage) {
      throw new WebGpuLimitError(
        `kernel ${name} needs ${bindings} buffers, and the WebGPU adapter allows ` +
          `${maxStorageBuffersPerShaderStage}: use the wasm device`,
      );
    }
  }
}

/** Emits a program's kernels. */
export function emitProgram(
  lowered: Lowered,
  plan: MemoryPlan,
  host: DeviceParts,
): Code<Storage> {
  const { device, memory, pipelines } = host;
  const { alignment } = memory;
  // Buffers beyond the graph's, for data that kernels keep between their own dispatches.
  const buffers: BufferPlan[] = [...lowered.buffers];
  const bytesOf = (buffer: Pick<BufferPlan, "dtype" | "size">) => alignedBytes(buffer, alignment);
  // Scratch comes last; kernels take it from the same start, since they run one after the other.
  const scratchStart = plan.ownBytes;
  const scratchOffsets = new Map<number, number>();
  let [ownBytes, scratchUsed] = [scratchStart, 0];

  const regionOf = (buffer: number): Region => {
    const bytes = bytesOf(at(buffers, buffer));
    const place = plan.places[buffer];
    if (place !== undefined) return { ...place, bytes };
    const offset = scratchOffsets.get(buffer);
    if (offset === undefined) throw new RangeError(`buffer ${buffer} has no place`);
    return { kind: "own", offset: scratchStart + offset, bytes };
  };
  const offsetOf = (buffer: number): number | undefined => {
    const region = regionOf(buffer);
    return region.kind === "own" ? region.offset : undefined;
  };
  const context: KernelContext = {
    buffers,
    tuning: host.tuning,
    features: host.features,
    precision: host.precision,
    bindings: device.limits.maxStorageBuffersPerShaderStage,
    storageOf(buffer) {
      const region = regionOf(buffer);
      return `${region.kind} ${region.kind === "own" ? region.offset : region.index}`;
    },
    offsetOf,
    bindsWhole: false,
    scratch(dtype, size) {
      const buffer: BufferPlan = { dtype, size, role: { kind: "temporary" } };
      const position = buffers.push(buffer) - 1;
      scratchOffsets.set(position, scratchUsed);
      scratchUsed += bytesOf(buffer);
      ownBytes = Math.max(ownBytes, scratchStart + scratchUsed);
      return position;
    },
  };

  const kernels = lowered.kernels.map((kernel): Named<Dispatch> => {
    scratchUsed = 0;
    return {
      name: describeKernel(kernel),
      dispatches: emitKernel(kernel.kind, kernel, context),
    };
  });
  checkLimits(buffers, kernels, device.limits);
  const own = memory.allocate(ownBytes, "the memory of a program");
  const prepare = (dispatch: Dispatch, name: string): Prepared => ({
    ...dispatch,
    ...pipelines.acquire(dispatch, name),
    kernel: name,
    regions: dispatch.bindings.map(({ buffer }): Region =>
      buffer === undefined ? { kind: "own", offset: 0, bytes: ownBytes } : regionOf(buffer)
    ),
    groups: new Map(),
  });
  const prepared = kernels.map(({ name, dispatches }): Named<Prepared> => ({
    name,
    dispatches: dispatches.map((dispatch) => prepare(dispatch, name)),
  }));
  const all = prepared.flatMap(({ dispatches }) => dispatches);

  const groupFor = (
    { kernel, layout, regions, groups }: Prepared,
    { operands, allocated }: RunStorage<Storage>,
  ): GPUBindGroup => {
    const storages = regions.map((region): Storage =>
      region.kind === "own"
        ? { lease: own, ...region }
        : at(region.kind === "operand" ? operands : allocated, region.index)
    );
    const key = storages.map(({ lease, offset }) => `${lease.id}+${offset}`).join(" ");
    const known = groups.get(key);
    if (known !== undefined) return known;
    device.pushErrorScope("validation");
    const group = device.createBindGroup({
      label: kernel,
      layout,
      entries: storages.map(({ lease, offset, bytes }, binding) => ({
        binding,
        resource: { buffer: lease.gpu, offset, size: bytes },
      })),
    });
    host.watch(device.popErrorScope(), `kernel ${kernel} cannot be given its buffers`);
    const [oldest] = groups.keys();
    if (groups.size >= KEPT_GROUPS && oldest !== undefined) groups.delete(oldest);
    groups.set(key, group);
    return group;
  };

  // Storage mostly comes back in a few patterns, whose groups are then looked up all at once.
  const patterns = new Map<string, readonly GPUBindGroup[]>();
  const groupsFor = (run: RunStorage<Storage>): readonly GPUBindGroup[] => {
    const pattern = [...run.operands, ...run.allocated]
      .map(({ lease, offset }) => `${lease.id}+${offset}`).join(" ");
    const known = patterns.get(pattern);
    if (known !== undefined) return known;
    const groups = all.map((item) => groupFor(item, run));
    const [oldest] = patterns.keys();
    if (patterns.size >= KEPT_GROUPS && oldest !== undefined) patterns.delete(oldest);
    patterns.set(pattern, groups);
    return groups;
  };

  /** Copies the small results to one buffer, so that few buffers are needed. */
  const copySmall = (encoder: GPUCommandEncoder): Elements<Storage>[] => {
    const bytes = plan.ownBytes - plan.arenaBytes;
    if (bytes === 0) return [];
    const { lease, offset: start } = memory.share(bytes);
    encoder.copyBufferToBuffer(own.gpu, plan.arenaBytes, lease.gpu, start, bytes);
    const small = plan.small.map(({ dtype, size, offset }): Elements<Storage> => {
      lease.hold();
      const part = { lease, offset: start + offset - plan.arenaBytes };
      return { kind: "storage", storage: { ...part, bytes: bytesOf({ dtype, size }) } };
    });
    lease.release();
    return small;
  };

  return {
    kernels: all.length,
    threads: 1,
    codeBytes: [...new Set(all.map(({ source }) => source))]
      .reduce((total, { length }) => total + length, 0),
    run(run) {
      const encoder = device.createCommandEncoder({ label: "a run" });
      for (const { from, to, bytes } of run.moves) {
        encoder.copyBufferToBuffer(from.lease.gpu, from.offset, to.lease.gpu, to.offset, bytes);
      }
      const groups = groupsFor(run).values();
      const encode = (pass: GPUComputePassEncoder, { gpu, grid }: Prepared) => {
        pass.setPipeline(gpu);
        pass.setBindGroup(0, groups.next().value ?? null);
        // deno-lint-ignore unitune/no-spread-of-data -- three numbers
        pass.dispatchWorkgroups(...grid);
      };
      const timer = host.takeTimer();
      if (timer === undefined) {
        const pass = encoder.beginComputePass({ label: "a run" });
        for (const item of all) encode(pass, item);
        pass.end();
      } else {
        for (const { name, dispatches } of prepared) {
          const pass = timer.pass(encoder, name);
          for (const item of dispatches) encode(pass, item);
          pass.end();
        }
        timer.resolve(encoder);
      }
      const small = copySmall(encoder);
      host.submit(encoder.finish());
      return small;
    },
    dispose() {
      for (const item of all) {
        pipelines.release(item);
        item.groups.clear();
      }
      patterns.clear();
      own.release();
    },
  };
}
