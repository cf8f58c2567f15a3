/** Kernels as functions of the module: parameters are the addresses of their buffers. */
import type { Affine } from "../../lowering/affine.ts";
import { type BufferPlan, type Kernel, type Step, usedBuffers } from "../../lowering/kernels.ts";
import { at, type Shape, sizeOf, stridesOf } from "../../shape.ts";
import { constantVector, emitNest, type Nest, type Share } from "./body.ts";
import {
  branch,
  call,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  i32,
  i32x4,
  least,
  local,
  memory,
  select,
  types,
  v128,
} from "./instructions.ts";
import type { Scope } from "./math.ts";
import { COLUMNS, ROWS } from "./matmul.ts";
import { defineFunction, keep, type Locals, type WasmFunction } from "./module.ts";

/** What kernels of a module share. */
export interface Surroundings {
  /** The buffers that kernels name. */
  readonly buffers: readonly BufferPlan[];
  /** Whether the engine has relaxed SIMD, of which the fused multiplication is used. */
  readonly hasRelaxedSimd: boolean;
  /** The number of the matrix multiplication. */
  readonly matmul: number;
  /** The address of the first thread's scratch memory. */
  readonly scratch: number;
  /** Bytes of scratch memory for each thread. */
  readonly scratchBytes: number;
}

/** A kernel of a kind. */
export type KernelOf<K extends Kernel["kind"]> = Extract<Kernel, { kind: K }>;

/** A function under construction: its locals, and where its buffers' addresses are. */
interface Frame extends Surroundings {
  readonly locals: Locals;
  readonly scope: Scope;
  readonly base: (buffer: number) => number;
  /**
   * This thread's part of a loop: its first round and the one after its last, multiples of the
   * granule but for the loop's end. Undefined where the kernel is not worth sharing.
   */
  readonly shareOf: (rounds: number, granule: number) => Omit<Share, "loop"> | undefined;
  /** The address of this thread's scratch memory. */
  readonly scratchAddress: Code;
}

/** Elements of a cache line, by which threads share an innermost loop. */
const LINE = 16;

/** A loop of some, given by number and rounds, that is good to share: an outer one if it is long. */
function chooseLoop(rounds: readonly number[]): number {
  const longest = rounds.indexOf(Math.max(...rounds));
  return (rounds[0] ?? 0) >= 8 ? 0 : longest;
}

/** This thread's share of one of the first loops of a domain. */
function shareLoop(frame: Frame, domain: Shape, candidates = domain.length): Share | undefined {
  if (candidates === 0) return undefined;
  const loop = chooseLoop(domain.slice(0, candidates));
  const share = frame.shareOf(at(domain, loop), loop === domain.length - 1 ? LINE : 1);
  return share === undefined ? undefined : { loop, ...share };
}

type Emitter<K extends Kernel["kind"]> = (kernel: KernelOf<K>, frame: Frame) => Code;

function dtypeOf({ buffers }: Frame, buffer: number): BufferPlan["dtype"] {
  const plan = buffers[buffer];
  if (plan === undefined) throw new RangeError(`there is no buffer ${buffer}`);
  return plan.dtype;
}

/** At least one loop, so that there is an innermost one. */
function withLoop(domain: Shape): Shape {
  return domain.length === 0 ? [1] : domain;
}

function padded({ offset, strides }: Affine, rank: number): Affine {
  return { offset, strides: [...strides, ...new Array<number>(rank - strides.length).fill(0)] };
}

function paddedSteps(steps: readonly Step[], rank: number): Step[] {
  return steps.map((step) => "at" in step ? { ...step, at: padded(step.at, rank) } : step);
}

const map: Emitter<"map"> = ({ domain, steps, stores }, frame) => {
  const loops = withLoop(domain);
  const nest: Nest = {
    ...frame,
    domain: loops,
    steps: paddedSteps(steps, loops.length),
    share: shareLoop(frame, loops),
  };
  return emitNest(nest, {
    inner: (cursor) =>
      stores.map(({ buffer, at: to, value }) =>
        cursor.store(buffer, padded(to, loops.length), dtypeOf(frame, buffer), cursor.value(value))
      ),
  });
};

/** Combining two vectors of partial results, and where the reduction starts. */
function combiner(reduction: "sum" | "reduceMax", dtype: BufferPlan["dtype"]): {
  readonly initial: number;
  readonly combine: (a: Code, b: Code) => Code;
} {
  if (reduction === "sum") {
    return { initial: 0, combine: dtype === "f32" ? f32x4.add : i32x4.add };
  }
  if (dtype === "f32") return { initial: -Infinity, combine: f32x4.max };
  return dtype === "u32"
    ? { initial: 0, combine: i32x4.maxU }
    : { initial: -(2 ** 31), combine: i32x4.maxS };
}

/** Loads along a loop whose neighbours are neighbours in memory, less those that are far apart. */
function affinity(steps: readonly Step[], loop: number): number {
  return steps.reduce((score, step) => {
    if (step.kind !== "load") return score;
    const stride = at(step.at.strides, loop);
    return stride === 1 ? score + 1 : stride === 0 ? score : score - 1;
  }, 0);
}

function permuted({ offset, strides }: Affine, order: readonly number[]): Affine {
  return { offset, strides: order.map((loop) => at(strides, loop)) };
}

/** Four neighbouring results at a time, held in memory while the reduced loops run over them. */
function reduceAcross(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const { kept, reduced, steps, output, value } = kernel;
  const dtype = dtypeOf(frame, output);
  const { initial, combine } = combiner(kernel.reduction === "sum" ? "sum" : "reduceMax", dtype);
  const rank = kept.length + reduced.length;
  const loops = Array.from({ length: rank }, (_, loop) => loop);
  const lastKept = kept.length - 1;
  const order = [...loops.slice(0, lastKept), ...loops.slice(kept.length), lastKept];
  const domain = [...kept, ...reduced];
  const to = permuted(padded({ offset: 0, strides: stridesOf(kept) }, rank), order);
  // Clearing and adding up are shared alike, so that a thread touches its own results only.
  const share = shareLoop(frame, kept);
  const nest: Nest = {
    ...frame,
    domain: order.map((loop) => at(domain, loop)),
    steps: steps.map((step) => "at" in step ? { ...step, at: permuted(step.at, order) } : step),
    share: share && { ...share, loop: order.indexOf(share.loop) },
  };
  const results = { offset: 0, strides: stridesOf(kept) };
  const clear = emitNest({ ...frame, domain: kept, steps: [], share }, {
    inner: (cursor) => cursor.store(output, results, dtype, constantVector(dtype, initial)),
  });
  const accumulate = emitNest(nest, {
    inner: (cursor) =>
      cursor.store(
        output,
        to,
        dtype,
        combine(cursor.load(output, to, dtype), cursor.value(value)),
      ),
  });
  return [clear, accumulate];
}

/** One result at a time, in four partial results while the reduced loops run. */
function reduceAlong(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const { kept, steps, output, value } = kernel;
  const { locals } = frame;
  const dtype = dtypeOf(frame, output);
  const { initial, combine } = combiner(kernel.reduction === "sum" ? "sum" : "reduceMax", dtype);
  const reduced = withLoop(kernel.reduced);
  const domain = [...kept, ...reduced];
  const to = padded({ offset: 0, strides: stridesOf(kept) }, domain.length);
  const [lanes, single] = [locals.add(types.v128), locals.add(types.v128)];
  const other = (bytes: number[]) => v128.shuffle(local.get(lanes), local.get(lanes), bytes);
  const lanesAt = (order: readonly number[]) =>
    order.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));
  const nest: Nest = {
    ...frame,
    domain,
    steps: paddedSteps(steps, domain.length),
    share: shareLoop(frame, domain, kept.length),
  };
  return emitNest(nest, {
    inner: (cursor) => {
      const sum = cursor.width === 4 ? lanes : single;
      return local.set(sum, combine(local.get(sum), cursor.value(value)));
    },
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      return {
        before: [lanes, single].map((sum) => local.set(sum, constantVector(dtype, initial))),
        after: [
          local.set(lanes, combine(local.get(lanes), other(lanesAt([2, 3, 0, 1])))),
          local.set(lanes, combine(local.get(lanes), other(lanesAt([1, 0, 3, 2])))),
          v128.store32Lane(address(output, to), combine(local.get(lanes), local.get(single)), 0),
        ],
      };
    },
  });
}

/** The first index of the largest element, one element at a time. */
function argmax(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const { kept, reduced, steps, output, value } = kernel;
  const { locals } = frame;
  // One extra loop of a single round keeps the body to one element at a time.
  const domain = [...kept, ...reduced, 1];
  const rank = domain.length;
  const to = padded({ offset: 0, strides: stridesOf(kept) }, rank);
  const dtype = steps[value]?.dtype ?? "f32";
  const [best, index, round] = [
    locals.add(types.v128),
    locals.add(types.i32),
    locals.add(types.i32),
  ];
  const greater = dtype === "f32"
    ? (a: Code, b: Code) => f32x4.gt(a, b)
    : dtype === "u32"
    ? (a: Code, b: Code) => i32x4.ltU(b, a)
    : (a: Code, b: Code) => i32x4.gtS(a, b);
  const nest: Nest = {
    ...frame,
    domain,
    steps: paddedSteps(steps, rank),
    share: shareLoop(frame, domain, kept.length),
  };
  return emitNest(nest, {
    inner: (cursor) => [
      branch(
        i32x4.extractLane(
          v128.or(
            greater(cursor.value(value), local.get(best)),
            i32x4.splat(i32.sub(i32.const(0), i32.eqz(local.get(round)))),
          ),
          0,
        ),
        [local.set(best, cursor.value(value)), local.set(index, local.get(round))],
      ),
      local.set(round, i32.add(local.get(round), i32.const(1))),
    ],
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      return {
        before: [local.set(index, i32.const(0)), local.set(round, i32.const(0))],
        after: i32.store(address(output, to), local.get(index)),
      };
    },
  });
}

const reduce: Emitter<"reduce"> = (kernel, frame) => {
  if (kernel.reduction === "argmax") return argmax(kernel, frame);
  const { kept, reduced, steps } = kernel;
  const across = kept.length > 0 && reduced.length > 0 && at(kept, kept.length - 1) >= 4 &&
    affinity(steps, kept.length - 1) > affinity(steps, kept.length + reduced.length - 1);
  return across ? reduceAcross(kernel, frame) : reduceAlong(kernel, frame);
};

const matmul: Emitter<"matmul"> = (kernel, frame) => {
  const { locals, base, matmul } = frame;
  const { batch, rows, columns, depth, a, b, output } = kernel;
  const counters = batch.map(() => locals.add(types.i32));
  const outStrides = stridesOf(batch).map((stride) => stride * rows * columns);
  const address = (buffer: number, offset: number, strides: readonly number[]): Code =>
    counters.reduce<Code>(
      (sum, counter, loop) =>
        i32.add(sum, i32.mul(local.get(counter), i32.const(4 * at(strides, loop)))),
      i32.add(local.get(base(buffer)), i32.const(4 * offset)),
    );
  if (rows * columns === 0) return [];
  if (depth === 0) {
    const bytes = i32.const(4 * sizeOf(batch) * rows * columns);
    return memory.fill(local.get(base(output)), i32.const(0), bytes);
  }
  // Whole products where there are several; else columns or rows, whichever has more tiles.
  const shared = (batch[0] ?? 0) >= 4
    ? "batch"
    : columns / COLUMNS >= rows / ROWS
    ? "columns"
    : "rows";
  const share = {
    batch: () => frame.shareOf(at(batch, 0), 1),
    columns: () => frame.shareOf(columns, COLUMNS),
    rows: () => frame.shareOf(rows, ROWS),
  }[shared]();
  const whole = (size: number): [Code, Code] => [i32.const(0), i32.const(size)];
  const part = (of: typeof shared, size: number): [Code, Code] =>
    share === undefined || of !== shared
      ? whole(size)
      : [local.get(share.begin), local.get(share.end)];
  const product = call(
    matmul,
    address(a.buffer, a.offset, a.batch),
    address(b.buffer, b.offset, b.batch),
    address(output, 0, outStrides),
    frame.scratchAddress,
    ...[rows, columns, depth].map(i32.const),
    ...[a.row, a.column, b.row, b.column].map((step) => i32.const(4 * step)),
    ...part("rows", rows),
    ...part("columns", columns),
  );
  return counters.reduceRight<Code>((body, counter, loop) => {
    const [begin, end] = loop === 0 ? part("batch", at(batch, 0)) : whole(at(batch, loop));
    return [local.set(counter, begin), countTo(counter, end, 1, body)];
  }, product);
};

/** Runs `inside` with the address of each id's row, and `outside` for ids that name none. */
function eachId(
  { ids, rows, count, width }: { ids: number; rows: number; count: number; width: number },
  { locals, base }: Frame,
  inside: (round: Code, rowBytes: Code) => Code,
  outside: (round: Code) => Code,
  share?: Omit<Share, "loop">,
): Code {
  const [round, id] = [locals.add(types.i32), locals.add(types.i32)];
  const idAddress = i32.add(local.get(base(ids)), i32.shl(local.get(round), i32.const(2)));
  const [begin, end] = share === undefined
    ? [i32.const(0), i32.const(count)]
    : [local.get(share.begin), local.get(share.end)];
  const body: Code = [
    local.set(id, i32.load(idAddress)),
    branch(
      // Unsigned, so that negative ids are outside too.
      i32.ltU(local.get(id), i32.const(rows)),
      inside(local.get(round), i32.mul(local.get(id), i32.const(4 * width))),
      outside(local.get(round)),
    ),
  ];
  return [local.set(round, begin), countTo(round, end, 1, body)];
}

const gather: Emitter<"gather"> = (kernel, frame) => {
  const { table, output, width } = kernel;
  const { locals, base } = frame;
  const missing = dtypeOf(frame, output) === "f32" ? NaN : 0;
  const column = locals.add(types.i32);
  const rowOf = (round: Code) =>
    i32.add(local.get(base(output)), i32.mul(round, i32.const(4 * width)));
  return eachId(
    kernel,
    frame,
    (round, rowBytes) =>
      memory.copy(rowOf(round), i32.add(local.get(base(table)), rowBytes), i32.const(4 * width)),
    (round) =>
      countFromZero(
        column,
        i32.const(width),
        f32.store(
          i32.add(rowOf(round), i32.shl(local.get(column), i32.const(2))),
          f32.const(missing),
        ),
      ),
    frame.shareOf(kernel.count, 1),
  );
};

const scatterAdd: Emitter<"scatterAdd"> = (kernel, frame) => {
  const { updates, output, rows, width } = kernel;
  const { locals, base } = frame;
  const [to, from, column] = [locals.add(types.i32), locals.add(types.i32), locals.add(types.i32)];
  const whole = width - width % 4;
  const addressOf = (pointer: number) =>
    i32.add(local.get(pointer), i32.shl(local.get(column), i32.const(2)));
  return [
    memory.fill(local.get(base(output)), i32.const(0), i32.const(4 * rows * width)),
    eachId(kernel, frame, (round, rowBytes) => [
      local.set(to, i32.add(local.get(base(output)), rowBytes)),
      local.set(from, i32.add(local.get(base(updates)), i32.mul(round, i32.const(4 * width)))),
      countFromZero(
        column,
        i32.const(whole),
        v128.store(addressOf(to), f32x4.add(v128.load(addressOf(to)), v128.load(addressOf(from)))),
        4,
      ),
      Array.from({ length: width - whole }, (_, rest) =>
        f32.store(
          local.get(to),
          f32.add(
            f32.load(local.get(to), 4 * (whole + rest)),
            f32.load(local.get(from), 4 * (whole + rest)),
          ),
          4 * (whole + rest),
        )),
    ], () => []),
  ];
};

/** Bottom-up merge sort of indices, between the output and scratch memory. */
const argsort: Emitter<"argsort"> = ({ input, output, outer, size }, frame) => {
  const { locals, base, scratchAddress } = frame;
  const dtype = dtypeOf(frame, input);
  const integer = () => locals.add(types.i32);
  const [row, width, start, middle, end, left, right, out] = [
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
  ];
  const [keys, from, to, swap] = [integer(), integer(), integer(), integer()];
  const get = local.get;
  const word = (pointer: number, index: Code) =>
    i32.add(get(pointer), i32.shl(index, i32.const(2)));
  const keyAt = (position: Code) => word(keys, i32.load(word(from, position)));
  const takesLeft = dtype === "f32"
    ? f32.le(f32.load(keyAt(get(left))), f32.load(keyAt(get(right))))
    : dtype === "u32"
    ? i32.eqz(i32.gtU(i32.load(keyAt(get(left))), i32.load(keyAt(get(right)))))
    : i32.leS(i32.load(keyAt(get(left))), i32.load(keyAt(get(right))));
  const advance = (index: number) => local.set(index, i32.add(get(index), i32.const(1)));
  const take = (index: number): Code => [
    i32.store(word(to, get(out)), i32.load(word(from, get(index)))),
    advance(index),
  ];
  const merge: Code = [
    local.set(middle, least(i32.add(get(start), get(width)), i32.const(size))),
    local.set(end, least(i32.add(get(middle), get(width)), i32.const(size))),
    local.set(left, get(start)),
    local.set(right, get(middle)),
    local.set(out, get(start)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(out), get(end))), 0x0d, 1],
    branch(
      i32.ltS(get(left), get(middle)),
      branch(
        i32.ltS(get(right), get(end)),
        branch(takesLeft, take(left), take(right)),
        take(left),
      ),
      take(right),
    ),
    advance(out),
    [0x0c, 0, 0x0b, 0x0b],
    local.set(start, get(end)),
  ];
  return countFromZero(row, i32.const(outer), [
    local.set(keys, i32.add(get(base(input)), i32.mul(get(row), i32.const(4 * size)))),
    local.set(from, i32.add(get(base(output)), i32.mul(get(row), i32.const(4 * size)))),
    local.set(to, scratchAddress),
    countFromZero(out, i32.const(size), i32.store(word(from, get(out)), get(out))),
    local.set(width, i32.const(1)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(width), i32.const(size))), 0x0d, 1],
    local.set(start, i32.const(0)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(start), i32.const(size))), 0x0d, 1],
    merge,
    [0x0c, 0, 0x0b, 0x0b],
    local.set(swap, get(from)),
    local.set(from, get(to)),
    local.set(to, get(swap)),
    local.set(width, i32.shl(get(width), i32.const(1))),
    [0x0c, 0, 0x0b, 0x0b],
    branch(
      i32.eq(get(from), scratchAddress),
      memory.copy(get(to), get(from), i32.const(4 * size)),
    ),
  ]);
};

/** A start that is data, kept within 0 to `room`. */
function clampedStart(start: number, room: number, { locals, base }: Frame): {
  readonly set: Code;
  readonly get: Code;
} {
  const index = locals.add(types.i32);
  const raw = i32.load(local.get(base(start)));
  return {
    set: [
      local.set(index, raw),
      local.set(
        index,
        select(i32.const(0), local.get(index), i32.ltS(local.get(index), i32.const(0))),
      ),
      local.set(
        index,
        select(
          i32.const(room),
          local.get(index),
          i32.gtS(local.get(index), i32.const(room)),
        ),
      ),
    ],
    get: local.get(index),
  };
}

/** Copies a window of each outer block between a whole and a part. */
function windows(
  kernel: KernelOf<"dynamicSlice"> | KernelOf<"dynamicUpdate">,
  frame: Frame,
  copy: (whole: Code, part: Code, bytes: Code) => Code,
  [whole, part]: readonly [number, number],
): Code {
  const { start, outer, size, length, inner } = kernel;
  const { locals, base } = frame;
  const first = clampedStart(start, size - length, frame);
  const block = locals.add(types.i32);
  const wholeAddress = i32.add(
    i32.add(local.get(base(whole)), i32.mul(local.get(block), i32.const(4 * size * inner))),
    i32.mul(first.get, i32.const(4 * inner)),
  );
  const partAddress = i32.add(
    local.get(base(part)),
    i32.mul(local.get(block), i32.const(4 * length * inner)),
  );
  return [
    first.set,
    countFromZero(
      block,
      i32.const(outer),
      copy(wholeAddress, partAddress, i32.const(4 * length * inner)),
    ),
  ];
}

const dynamicSlice: Emitter<"dynamicSlice"> = (kernel, frame) =>
  windows(kernel, frame, (whole, part, bytes) => memory.copy(part, whole, bytes), [
    kernel.input,
    kernel.output,
  ]);

const dynamicUpdate: Emitter<"dynamicUpdate"> = (kernel, frame) => {
  const { input, output, outer, size, inner } = kernel;
  const [from, to] = [local.get(frame.base(input)), local.get(frame.base(output))];
  return [
    branch(i32.ne(from, to), memory.copy(to, from, i32.const(4 * outer * size * inner))),
    windows(kernel, frame, memory.copy, [output, kernel.update]),
  ];
};

const emitters: { readonly [K in Kernel["kind"]]: Emitter<K> } = {
  map,
  reduce,
  matmul,
  gather,
  scatterAdd,
  argsort,
  dynamicSlice,
  dynamicUpdate,
};

/** The distinct buffers of a kernel, in the order of its function's parameters. */
export function kernelBuffers(kernel: Kernel): number[] {
  const { reads, writes } = usedBuffers(kernel);
  return [...new Set([...reads, ...writes])];
}

/** Rough number of operations in a kernel. */
export function workOf(kernel: Kernel): number {
  switch (kernel.kind) {
    case "map":
      return sizeOf(kernel.domain) * kernel.steps.length;
    case "reduce":
      return sizeOf(kernel.kept) * sizeOf(kernel.reduced) * kernel.steps.length;
    case "matmul":
      return sizeOf(kernel.batch) * kernel.rows * kernel.columns * kernel.depth;
    case "gather":
    case "scatterAdd":
      return kernel.count * kernel.width;
    case "argsort":
      return kernel.outer * kernel.size * Math.ceil(Math.log2(kernel.size + 1));
    case "dynamicSlice":
    case "dynamicUpdate":
      return kernel.outer * kernel.size * kernel.inner;
    default:
      return kernel satisfies never;
  }
}

/** Operations below which a kernel is done by one thread: meeting costs more than sharing saves. */
const SHARED_WORK = 1 << 14;

/** A kernel as code. */
export interface EmittedKernel {
  /** A function of the buffers' addresses, then the thread's number and the number of threads. */
  readonly code: WasmFunction;
  /** Whether threads share the work; otherwise one of them does it all. */
  readonly isShared: boolean;
}

/** A kernel as a function of its buffers' addresses. */
export function emitKernel<K extends Kernel["kind"]>(
  kind: K,
  kernel: KernelOf<K>,
  buffers: readonly number[],
  surroundings: Surroundings,
): EmittedKernel {
  const emitter: Emitter<K> = emitters[kind];
  let isShared = false;
  const parameters = new Array<typeof types.i32>(buffers.length + 2).fill(types.i32);
  const [thread, threads] = [local.get(buffers.length), local.get(buffers.length + 1)];
  const code = defineFunction(parameters, [], (locals) => {
    const prologue: Code[] = [];
    const constants = new Map<string, Code>();
    const constant = (name: string, value: Code): Code => {
      const known = constants.get(name);
      if (known !== undefined) return known;
      const kept = keep(locals, types.v128, value);
      prologue.push(kept.set);
      constants.set(name, kept.get);
      return kept.get;
    };
    const scope: Scope = {
      locals,
      float: (value) => constant(`f${Object.is(value, -0)}${value}`, f32x4.const(value)),
      word: (value) => constant(`i${value}`, i32x4.const(value, value, value, value)),
      madd: surroundings.hasRelaxedSimd
        ? f32x4.relaxedMadd
        : (a, b, c) => f32x4.add(f32x4.mul(a, b), c),
    };
    const base = (buffer: number) => {
      const parameter = buffers.indexOf(buffer);
      if (parameter === -1) throw new RangeError(`buffer ${buffer} is not the kernel's`);
      return parameter;
    };
    const shareOf = (rounds: number, granule: number) => {
      const units = Math.ceil(rounds / granule);
      if (units < 2 || workOf(kernel) < SHARED_WORK) return undefined;
      isShared = true;
      const [begin, end] = [locals.add(types.i32), locals.add(types.i32)];
      const unitOf = (number: Code) => i32.divU(i32.mul(number, i32.const(units)), threads);
      const roundOf = (number: Code) => i32.mul(unitOf(number), i32.const(granule));
      prologue.push(
        local.set(begin, roundOf(thread)),
        local.set(end, least(roundOf(i32.add(thread, i32.const(1))), i32.const(rounds))),
      );
      return { begin, end };
    };
    const { scratch, scratchBytes } = surroundings;
    const scratchAddress = i32.add(
      i32.const(scratch),
      i32.mul(thread, i32.const(scratchBytes)),
    );
    const body = emitter(kernel, {
      ...surroundings,
      locals,
      scope,
      base,
      shareOf,
      scratchAddress,
    });
    return [prologue, body];
  });
  return { code, isShared };
}
