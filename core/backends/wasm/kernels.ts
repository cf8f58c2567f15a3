/** Kernels as functions of the module: parameters are the addresses of their buffers. */
import type { Affine } from "../../lowering/affine.ts";
import { type BufferPlan, type Kernel, type Step, usedBuffers } from "../../lowering/kernels.ts";
import { at, type Shape, sizeOf, stridesOf } from "../../shape.ts";
import { constantVector, emitNest, type Nest } from "./body.ts";
import {
  branch,
  call,
  type Code,
  countFromZero,
  f32,
  f32x4,
  i32,
  i32x4,
  local,
  memory,
  select,
  types,
  v128,
} from "./instructions.ts";
import type { MathTable } from "./math.ts";
import { defineFunction, type Locals, type WasmFunction } from "./module.ts";

/** What kernels of a module share. */
export interface Surroundings {
  /** The buffers that kernels name. */
  readonly buffers: readonly BufferPlan[];
  /** Numbers of the elementary functions. */
  readonly math: MathTable;
  /** The number of the matrix multiplication. */
  readonly matmul: number;
  /** The address of scratch memory, one use at a time. */
  readonly scratch: number;
}

/** A kernel of a kind. */
export type KernelOf<K extends Kernel["kind"]> = Extract<Kernel, { kind: K }>;

/** A function under construction: its locals, and where its buffers' addresses are. */
interface Frame extends Surroundings {
  readonly locals: Locals;
  readonly base: (buffer: number) => number;
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
  const nest: Nest = { ...frame, domain: loops, steps: paddedSteps(steps, loops.length) };
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
  const nest: Nest = {
    ...frame,
    domain: order.map((loop) => at(domain, loop)),
    steps: steps.map((step) => "at" in step ? { ...step, at: permuted(step.at, order) } : step),
  };
  const clear = emitNest({ ...frame, domain: [sizeOf(kept)], steps: [] }, {
    inner: (cursor) =>
      cursor.store(output, { offset: 0, strides: [1] }, dtype, constantVector(dtype, initial)),
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
  const nest: Nest = { ...frame, domain, steps: paddedSteps(steps, domain.length) };
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
  const nest: Nest = { ...frame, domain, steps: paddedSteps(steps, rank) };
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

const matmul: Emitter<"matmul"> = (kernel, { locals, base, matmul, scratch }) => {
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
  const product = call(
    matmul,
    address(a.buffer, a.offset, a.batch),
    address(b.buffer, b.offset, b.batch),
    address(output, 0, outStrides),
    i32.const(scratch),
    ...[rows, columns, depth].map(i32.const),
    ...[a.row, a.column, b.row, b.column].map((step) => i32.const(4 * step)),
  );
  return counters.reduceRight<Code>(
    (body, counter, loop) => countFromZero(counter, i32.const(at(batch, loop)), body),
    product,
  );
};

/** Runs `inside` with the address of each id's row, and `outside` for ids that name none. */
function eachId(
  { ids, rows, count, width }: { ids: number; rows: number; count: number; width: number },
  { locals, base }: Frame,
  inside: (round: Code, rowBytes: Code) => Code,
  outside: (round: Code) => Code,
): Code {
  const [round, id] = [locals.add(types.i32), locals.add(types.i32)];
  const idAddress = i32.add(local.get(base(ids)), i32.shl(local.get(round), i32.const(2)));
  return countFromZero(round, i32.const(count), [
    local.set(id, i32.load(idAddress)),
    branch(
      // Unsigned, so that negative ids are outside too.
      i32.ltU(local.get(id), i32.const(rows)),
      inside(local.get(round), i32.mul(local.get(id), i32.const(4 * width))),
      outside(local.get(round)),
    ),
  ]);
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
  const { locals, base, scratch } = frame;
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
  const least = (a: Code, b: Code) => select(a, b, i32.ltS(a, b));
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
    local.set(to, i32.const(scratch)),
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
      i32.eq(get(from), i32.const(scratch)),
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

/** A kernel as a function of its buffers' addresses. */
export function emitKernel<K extends Kernel["kind"]>(
  kind: K,
  kernel: KernelOf<K>,
  buffers: readonly number[],
  surroundings: Surroundings,
): WasmFunction {
  const emitter: Emitter<K> = emitters[kind];
  return defineFunction(buffers.map(() => types.i32), [], (locals) => {
    const base = (buffer: number) => {
      const parameter = buffers.indexOf(buffer);
      if (parameter === -1) throw new RangeError(`buffer ${buffer} is not the kernel's`);
      return parameter;
    };
    return emitter(kernel, { ...surroundings, locals, base });
  });
}
