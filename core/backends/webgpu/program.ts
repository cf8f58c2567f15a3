/** Programs: dispatches over a planned arena, encoded in one pass and submitted once a run. */
import type { Elements } from "../../backend/buffers.ts";
import type { Code, RunStorage } from "../../backend/host.ts";
import type { Workspace } from "../../backend/workspace.ts";
import { describeKernel } from "../../lowering/describe.ts";
import type { BufferPlan, Lowered } from "../../lowering/kernels.ts";
import { placeInPages } from "../../lowering/pages.ts";
import {
  alignedBytes,
  type MemoryPlan,
  type Place,
  type SmallResult,
} from "../../lowering/plan.ts";
import { groupBy } from "../../groups.ts";
import { at } from "../../shape.ts";
import type { Dispatch, KernelContext, Tuning } from "./dispatch.ts";
import { WebGpuLimitError } from "./errors.ts";
import type { Features } from "./features.ts";
import { emitKernel } from "./kernels.ts";
import type { WebGpuLimits } from "./limits.ts";
import type { Memory, Piece, Storage } from "./memory.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { Bound } from "./shader.ts";
import type { Timer } from "./timer.ts";

/** Bind groups kept for each dispatch, for storage that changes from run to run. */
const KEPT_GROUPS = 8;

/** The parts of a device that a program needs. */
export interface DeviceParts {
  readonly device: GPUDevice;
  /** The limits that programs keep. */
  readonly limits: WebGpuLimits;
  readonly memory: Memory;
  /** The memory in which programs compute. */
  readonly workspace: Workspace<Storage>;
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

/** The place of a piece of memory that a shader binds. */
type Region =
  /** A piece of the storage of an operand, or of a result that is allocated for each run. */
  | { readonly kind: "operand" | "allocated"; readonly index: number; readonly piece: number }
  /** A part of a page of the program's own memory. */
  | {
    readonly kind: "own";
    readonly page: number;
    readonly offset: number;
    readonly bytes: number;
  };

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

/** The most elements of a tensor: shaders count them, and some more, in 32 bits. */
const MOST_ELEMENTS = 2 ** 31;

/** Refuses programs beyond the device's limits, before anything is allocated. */
function checkLimits(
  buffers: readonly BufferPlan[],
  kernels: readonly Named<Dispatch>[],
  { maxComputeWorkgroupsPerDimension, maxStorageBuffersPerShaderStage }: WebGpuLimits,
): void {
  const large = buffers.find(({ size }) => size > MOST_ELEMENTS);
  if (large !== undefined) {
    throw new WebGpuLimitError(
      `a tensor has ${large.size} elements, and shaders count up to ${MOST_ELEMENTS}: use smaller ` +
        `batches, or the wasm device`,
    );
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
          `${maxStorageBuffersPerShaderStage}: use smaller batches, or the wasm device`,
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
  const { device, limits, memory, pipelines } = host;
  const { alignment, pageBytes } = memory;
  // Buffers beyond the graph's, for data that kernels keep between their own dispatches.
  const buffers: BufferPlan[] = [...lowered.buffers];
  const bytesOf = (buffer: Pick<BufferPlan, "dtype" | "size">) => alignedBytes(buffer, alignment);
  // Scratch comes last; kernels take it from the same start, since they run one after the other.
  const scratchStart = plan.ownBytes;
  const scratchOffsets = new Map<number, number>();
  let [ownBytes, scratchEnd] = [scratchStart, scratchStart];

  const placeOf = (buffer: number): Place => {
    const place = plan.places[buffer];
    if (place !== undefined) return place;
    const offset = scratchOffsets.get(buffer);
    if (offset === undefined) throw new RangeError(`buffer ${buffer} has no place`);
    return { kind: "own", offset };
  };
  const regionOf = ({ buffer, piece }: Bound): Region => {
    if (buffer === undefined) {
      const bytes = Math.min(pageBytes, ownBytes - piece * pageBytes);
      return { kind: "own", page: piece, offset: 0, bytes };
    }
    const place = placeOf(buffer);
    if (place.kind !== "own") return { ...place, piece };
    const start = place.offset + piece * pageBytes;
    const bytes = bytesOf(at(buffers, buffer)) - piece * pageBytes;
    return {
      kind: "own",
      page: Math.floor(start / pageBytes),
      offset: start % pageBytes,
      bytes: Math.min(pageBytes, bytes),
    };
  };
  const context: KernelContext = {
    buffers,
    tuning: host.tuning,
    features: host.features,
    precision: host.precision,
    bindings: limits.maxStorageBuffersPerShaderStage,
    pageBytes,
    storageOf(buffer) {
      const place = placeOf(buffer);
      return `${place.kind} ${place.kind === "own" ? place.offset : place.index}`;
    },
    placeOf,
    bindsWhole: false,
    scratch(dtype, size) {
      const buffer: BufferPlan = { dtype, size, role: { kind: "temporary" } };
      const position = buffers.push(buffer) - 1;
      const bytes = bytesOf(buffer);
      const offset = placeInPages(scratchEnd, bytes, pageBytes);
      scratchOffsets.set(position, offset);
      scratchEnd = offset + bytes;
      ownBytes = Math.max(ownBytes, scratchEnd);
      return position;
    },
    holdScratch() {
      const start = scratchEnd;
      return () => {
        scratchEnd = start;
      };
    },
    isApart: false,
  };

  const kernels = lowered.kernels.map((kernel): Named<Dispatch> => ({
    name: describeKernel(kernel),
    dispatches: emitKernel(kernel, context),
  }));
  checkLimits(buffers, kernels, limits);
  const tenancy = host.workspace.hold(ownBytes);
  const prepare = (dispatch: Dispatch, name: string): Prepared => ({
    ...dispatch,
    ...pipelines.acquire(dispatch, name),
    kernel: name,
    regions: dispatch.bindings.map(regionOf),
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
    own: Storage,
  ): GPUBindGroup => {
    const pieces = regions.map((region): Piece => {
      if (region.kind === "own") return { ...region, lease: at(own, region.page).lease };
      const storage = at(region.kind === "operand" ? operands : allocated, region.index);
      return at(storage, region.piece);
    });
    const key = pieces.map(({ lease, offset }) => `${lease.id}+${offset}`).join(" ");
    const known = groups.get(key);
    if (known !== undefined) return known;
    device.pushErrorScope("validation");
    const group = device.createBindGroup({
      label: kernel,
      layout,
      entries: pieces.map(({ lease, offset, bytes }, binding) => ({
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
  const groupsFor = (run: RunStorage<Storage>, own: Storage): readonly GPUBindGroup[] => {
    const pattern = [own, ...run.operands, ...run.allocated].flat()
      .map(({ lease, offset }) => `${lease.id}+${offset}`).join(" ");
    const known = patterns.get(pattern);
    if (known !== undefined) return known;
    const groups = all.map((item) => groupFor(item, run, own));
    const [oldest] = patterns.keys();
    if (patterns.size >= KEPT_GROUPS && oldest !== undefined) patterns.delete(oldest);
    patterns.set(pattern, groups);
    return groups;
  };

  /** The small results of each page: they stand one after the other. */
  const smallByPage = groupBy(plan.small, ({ offset }) => Math.floor(offset / pageBytes));

  /** Copies the small results of a page to one buffer, so that few buffers are needed. */
  const copySmall = (
    encoder: GPUCommandEncoder,
    own: Storage,
    page: number,
    results: readonly SmallResult[],
  ): Elements<Storage>[] => {
    const begin = at(results, 0).offset;
    const last = at(results, results.length - 1);
    const bytes = last.offset + bytesOf(last) - begin;
    const { lease, offset: start } = memory.share(bytes);
    const from = begin - page * pageBytes;
    encoder.copyBufferToBuffer(at(own, page).lease.gpu, from, lease.gpu, start, bytes);
    const small = results.map((result): Elements<Storage> => {
      lease.hold();
      const piece = { lease, offset: start + result.offset - begin, bytes: bytesOf(result) };
      return { kind: "storage", storage: [piece] };
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
      for (const { from, to } of run.moves) {
        to.forEach(({ lease, offset, bytes }, i) => {
          const piece = at(from, i);
          const length = Math.min(bytes, piece.bytes);
          encoder.copyBufferToBuffer(piece.lease.gpu, piece.offset, lease.gpu, offset, length);
        });
      }
      const own = tenancy.storage();
      const groups = groupsFor(run, own).values();
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
      const small = [...smallByPage].flatMap(([page, results]) =>
        copySmall(encoder, own, page, results)
      );
      host.submit(encoder.finish());
      return small;
    },
    dispose() {
      for (const item of all) {
        pipelines.release(item);
        item.groups.clear();
      }
      patterns.clear();
      tenancy.release();
    },
  };
}
