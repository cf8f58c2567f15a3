/** Programs: dispatches over a planned arena, encoded in one pass and submitted once a run. */
import type { Buffer, Operand, Program, ProgramOptions } from "../../backend.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../dtype.ts";
import type { Graph } from "../../graph.ts";
import { describeKernel } from "../../lowering/describe.ts";
import type { BufferPlan } from "../../lowering/kernels.ts";
import { lower } from "../../lowering/lower.ts";
import { alignedBytes, planMemory } from "../../lowering/plan.ts";
import { showShape } from "../../shape.ts";
import type { Context, Dispatch, Tuning } from "./dispatch.ts";
import { WebGpuLimitError } from "./errors.ts";
import type { Features } from "./features.ts";
import { emitKernel } from "./kernels.ts";
import { type Lease, type Memory, type Storage, wholeOf } from "./memory.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { Timer } from "./timer.ts";

/** Results up to this size are copied to one buffer a run, so that few buffers are needed. */
const SMALL_BYTES = 4096;

/** Bind groups kept for each dispatch, for storage that changes from run to run. */
const KEPT_GROUPS = 8;

/** What a program needs of its device. */
export interface Host {
  readonly device: GPUDevice;
  readonly memory: Memory;
  readonly pipelines: Pipelines;
  readonly tuning: Tuning;
  /** What the adapter can do beyond what WebGPU promises. */
  readonly features: Features;
  /** What operands of products are rounded to. */
  readonly precision: "f32" | "f16";
  /** The storage of a buffer of this device. */
  readonly storageOf: (buffer: Buffer) => Storage;
  /** A buffer over storage, which it holds from now on. */
  readonly bufferOver: (storage: Storage, dtype: DType, size: number) => Buffer;
  /** Looks at an error scope once it is known what is in it. */
  readonly watch: (error: Promise<GPUError | null>, what: string) => void;
  /** Copies elements from the host to the start of a lease. */
  readonly write: (lease: Lease, data: TypedArray) => void;
  /** Runs commands. */
  readonly submit: (commands: GPUCommandBuffer) => void;
  /** What times the dispatches of the next run, if something does. */
  readonly takeTimer: () => Timer | undefined;
  /** To be called before a run: reads what waits to be read, and throws if the device failed. */
  readonly prepare: () => void;
}

/** Where a buffer of a program is. */
type Place =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "output"; readonly index: number }
  /** In the program's own memory. */
  | { readonly kind: "own"; readonly offset: number; readonly bytes: number };

/** The dispatches of a kernel. */
interface Named<D extends Dispatch> {
  /** The kind and sizes of the kernel, for messages and profiles. */
  readonly name: string;
  readonly dispatches: readonly D[];
}

/** A dispatch with what it needs to be encoded. */
interface Prepared extends Pipeline, Dispatch {
  /** The name of its kernel. */
  readonly kernel: string;
  /** Places by binding. */
  readonly places: readonly Place[];
  /** Bind groups by the storage of inputs and outputs. */
  readonly groups: Map<string, GPUBindGroup>;
}

function refuseDoubles(graph: Graph): void {
  const node = graph.nodes.find(({ dtype }) => dtype === "f64");
  if (node !== undefined) {
    throw new TypeError(
      `the webgpu backend computes in f32, and ${node.op} gives f64${showShape(node.shape)}: ` +
        `use the reference backend, or cast to f32`,
    );
  }
}

/** Refuses what is beyond the device's limits, before anything is allocated. */
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

/** Compiles a graph. */
export function makeProgram(graph: Graph, { donated }: ProgramOptions, host: Host): Program {
  refuseDoubles(graph);
  const { device, memory, pipelines } = host;
  const { alignment } = memory;
  const lowered = lower(graph);
  const plan = planMemory(lowered, donated, alignment);
  // Buffers beyond the graph's: what kernels keep between their own dispatches.
  const buffers: BufferPlan[] = [...lowered.buffers];
  const planOf = (buffer: number): BufferPlan => {
    const found = buffers[buffer];
    if (found === undefined) throw new RangeError(`there is no buffer ${buffer}`);
    return found;
  };
  const bytesOf = (buffer: BufferPlan) => alignedBytes(buffer, alignment);
  const inputPlans = lowered.inputs.map(planOf);
  const outputPlans = lowered.outputs.map(planOf);
  const donors = new Map<number, number>();
  for (const place of plan.places) {
    if (place.kind === "output" && place.donor !== undefined) donors.set(place.index, place.donor);
  }

  // The program's own memory: the arena, then small results, then scratch.
  let ownBytes = plan.arenaBytes;
  const smallStart = ownBytes;
  const smallOffsets = outputPlans.map((output, index) => {
    const isSmall = !donors.has(index) &&
      output.size * bytesPerElement[output.dtype] <= SMALL_BYTES;
    if (!isSmall) return undefined;
    const offset = ownBytes;
    ownBytes += bytesOf(output);
    return offset;
  });
  const smallBytes = ownBytes - smallStart;
  const scratchStart = ownBytes;
  // Kernels take scratch memory from the same start, since they run one after the other.
  const scratchOffsets = new Map<number, number>();
  let scratchUsed = 0;

  const placeOf = (buffer: number): Place => {
    const bytes = bytesOf(planOf(buffer));
    const place = plan.places[buffer];
    if (place === undefined) {
      return { kind: "own", offset: scratchStart + (scratchOffsets.get(buffer) ?? 0), bytes };
    }
    if (place.kind === "arena") return { kind: "own", offset: place.offset, bytes };
    if (place.kind === "input") return place;
    if (place.donor !== undefined) return { kind: "input", index: place.donor };
    const offset = smallOffsets[place.index];
    if (offset !== undefined) return { kind: "own", offset, bytes };
    return { kind: "output", index: place.index };
  };
  const offsetOf = (buffer: number): number | undefined => {
    const place = placeOf(buffer);
    return place.kind === "own" ? place.offset : undefined;
  };
  const context: Context = {
    buffers,
    tuning: host.tuning,
    features: host.features,
    precision: host.precision,
    bindings: device.limits.maxStorageBuffersPerShaderStage,
    storageOf(buffer) {
      const place = placeOf(buffer);
      return "index" in place ? `${place.kind} ${place.index}` : `own ${offsetOf(buffer)}`;
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
    places: dispatch.bindings.map(({ buffer }): Place =>
      buffer === undefined ? { kind: "own", offset: 0, bytes: ownBytes } : placeOf(buffer)
    ),
    groups: new Map(),
  });
  const prepared = kernels.map(({ name, dispatches }): Named<Prepared> => ({
    name,
    dispatches: dispatches.map((dispatch) => prepare(dispatch, name)),
  }));
  const all = prepared.flatMap(({ dispatches }) => dispatches);
  const slots = new Map<number, Lease>();

  const groupFor = (
    { kernel, layout, places, groups }: Prepared,
    inputs: readonly Storage[],
    outputs: readonly (Storage | undefined)[],
  ): GPUBindGroup => {
    const storages = places.map((place): Storage => {
      if (place.kind === "own") return { lease: own, ...place };
      const storage = (place.kind === "input" ? inputs : outputs)[place.index];
      if (storage === undefined) throw new RangeError(`${place.kind} ${place.index} is missing`);
      return storage;
    });
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
  const groupsFor = (
    inputs: readonly Storage[],
    outputs: readonly (Storage | undefined)[],
  ): readonly GPUBindGroup[] => {
    const pattern = [...inputs, ...outputs].map((storage) =>
      storage === undefined ? "" : `${storage.lease.id}+${storage.offset}`
    ).join(" ");
    const known = patterns.get(pattern);
    if (known !== undefined) return known;
    const groups = all.map((item) => groupFor(item, inputs, outputs));
    const [oldest] = patterns.keys();
    if (patterns.size >= KEPT_GROUPS && oldest !== undefined) patterns.delete(oldest);
    patterns.set(pattern, groups);
    return groups;
  };

  const isDonor = (index: number) => [...donors.values()].includes(index);

  /** Elements on the host are copied to the program's slot, or to storage that a result takes. */
  const upload = (data: TypedArray, index: number, input: BufferPlan): Storage => {
    if (data.length !== input.size) {
      throw new RangeError(
        `operand ${index} has ${data.length} elements, the program expects ${input.size}`,
      );
    }
    const allocate = () => memory.allocate(bytesOf(input), `operand ${index}`);
    const lease = isDonor(index) ? allocate() : slots.get(index) ?? allocate();
    if (!isDonor(index)) slots.set(index, lease);
    host.write(lease, data);
    return wholeOf(lease);
  };

  /** The storage of an operand; a part of a shared buffer is moved out to be written over. */
  const place = (
    operand: Operand | undefined,
    index: number,
    encoder: GPUCommandEncoder,
  ): Storage => {
    const input = inputPlans[index];
    if (operand === undefined || input === undefined) {
      throw new RangeError(`operand ${index} is missing`);
    }
    if (operand.kind === "host") return upload(operand.data, index, input);
    const storage = host.storageOf(operand.buffer);
    if (!isDonor(index)) return storage;
    if (storage.bytes === storage.lease.gpu.size) {
      storage.lease.hold();
      return storage;
    }
    const bytes = bytesOf(input);
    const lease = memory.allocate(bytes, `operand ${index}`);
    encoder.copyBufferToBuffer(storage.lease.gpu, storage.offset, lease.gpu, 0, bytes);
    return wholeOf(lease);
  };

  return {
    statistics: {
      kernels: all.length,
      arenaBytes: plan.arenaBytes,
      unplannedBytes: plan.unplannedBytes,
      threads: 1,
      codeBytes: [...new Set(all.map(({ source }) => source))]
        .reduce((total, { length }) => total + length, 0),
    },
    run(operands) {
      host.prepare();
      const encoder = device.createCommandEncoder({ label: "a run" });
      const inputs = inputPlans.map((_, index) => place(operands[index], index, encoder));
      const outputs = outputPlans.map((output, index): Storage | undefined => {
        const donor = donors.get(index);
        if (donor !== undefined) return inputs[donor];
        if (smallOffsets[index] !== undefined) return undefined;
        return wholeOf(memory.allocate(bytesOf(output), `result ${index}`));
      });
      const groups = groupsFor(inputs, outputs).values();
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
      const small = smallBytes === 0 ? undefined : memory.share(smallBytes);
      if (small !== undefined) {
        const { lease, offset } = small;
        encoder.copyBufferToBuffer(own.gpu, smallStart, lease.gpu, offset, smallBytes);
      }
      host.submit(encoder.finish());
      for (const index of donated) {
        const operand = operands[index];
        if (operand?.kind === "buffer") operand.buffer.dispose();
      }
      const results = outputPlans.map((output, index) => {
        const offset = smallOffsets[index];
        const storage = outputs[index];
        if (storage !== undefined) return host.bufferOver(storage, output.dtype, output.size);
        if (small === undefined || offset === undefined) {
          throw new RangeError("a result is missing");
        }
        small.lease.hold();
        return host.bufferOver(
          {
            lease: small.lease,
            offset: small.offset + offset - smallStart,
            bytes: bytesOf(output),
          },
          output.dtype,
          output.size,
        );
      });
      small?.lease.release();
      return results;
    },
    dispose() {
      for (const item of all) {
        pipelines.release(item);
        item.groups.clear();
      }
      patterns.clear();
      for (const lease of [own, ...slots.values()]) lease.release();
      slots.clear();
    },
  };
}
