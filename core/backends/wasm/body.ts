/** Loop bodies: steps of a kernel as vector code, in nests of loops. */
import { bytesPerElement, type DType } from "../../dtype.ts";
import type { Affine } from "../../lowering/affine.ts";
import type { Step } from "../../lowering/kernels.ts";
import type { Cut } from "../../lowering/levels.ts";
import { depthOf, type Nest } from "../../lowering/nest.ts";
import { at } from "../../shape.ts";
import { lanesOf } from "./elements.ts";
import { type Code, countTo, i32x4, int, least, local, types, whileLoop } from "./instructions.ts";
import {
  applied,
  callFunction,
  constantVector,
  fromIntegers,
  fromMemory,
  toMemory,
  type VectorOperand,
} from "./operations.ts";
import type { Scope } from "./scope.ts";

/** Four elements at a time, or one in the first lane. */
export type Width = 4 | 1;

/** A nest of at least one loop in a kernel; the innermost loop is taken four rounds at a time. */
export interface KernelNest extends Nest {
  /** The element types of the kernel's buffers. */
  readonly dtypes: readonly DType[];
  /** The local that holds a buffer's address. */
  readonly base: (buffer: number) => number;
  /** The kernel that the loops belong to. */
  readonly scope: Scope;
  /** The rounds of one loop that are this thread's; all without. */
  readonly share?: Share | undefined;
  /** Whether the innermost loop, of a multiple of 4 rounds, is written out. */
  readonly isUnrolled?: boolean;
}

/** A part of a loop. */
export interface Share {
  /** The loop. */
  readonly loop: number;
  /** The local of its first round; a multiple of 4 where the loop is the innermost. */
  readonly begin: number;
  /** The local of the round after its last. */
  readonly end: number;
}

/** Addresses and values while a nest is emitted. */
export interface NestCursor {
  /** Four elements at a time, or one. */
  readonly width: Width;
  /** The first of these where the innermost loop is written out, else 0. */
  readonly round: number;
  /** The value of a step as a vector. */
  value(step: number): Code;
  /** Writes a vector at a position of a buffer. */
  store(buffer: number, to: Affine, dtype: DType, value: Code): Code;
  /** Reads a vector at a position of a buffer. */
  load(buffer: number, from: Affine, dtype: DType): Code;
}

/** Code put around and into the loops. */
export interface Hooks {
  /** The innermost code. */
  readonly inner: (cursor: NestCursor) => Code;
  /** Code before and after the loop of a number, inside of those around it. */
  readonly around?: (loop: number, address: (buffer: number, of: Affine) => Code) => {
    readonly before: Code;
    readonly after: Code;
  };
  /** Blocks of loops with code before and after each. */
  readonly blocks?: readonly LevelBlock[];
}

/** A loop in blocks of rounds; of several of one loop, the shorter ones lie in the longer ones. */
export interface LevelBlock extends Cut {
  readonly before: Code;
  readonly after: Code;
}

/** The loops of a nest, with each step in the loop that the nest says. */
export function emitNest(nest: KernelNest, hooks: Hooks): Code {
  const { domain, steps, depths, vector, scope } = nest;
  const { locals } = scope;
  const last = domain.length - 1;
  const counters = domain.map(() => locals.add(types.int));
  if (vector?.loop !== last) throw new RangeError("the innermost loop is taken four at a time");
  const values = steps.map(() => locals.add(types.v128));
  const addresses = new Map<string, number>();
  const pending: { depth: number; code: Code }[] = [];

  const counter = (loop: number): Code => local.get(at(counters, loop));
  const itemBytes = (buffer: number): number => bytesPerElement[at(nest.dtypes, buffer)];

  /** The bytes from a buffer's start that the outer loops contribute, without the offset. */
  const outerBytes = (buffer: number, of: Affine): Code | undefined => {
    let sum: Code | undefined;
    of.strides.slice(0, last).forEach((stride, loop) => {
      if (stride === 0) return;
      const term = int.mul(counter(loop), int.const(stride * itemBytes(buffer)));
      sum = sum === undefined ? term : int.add(sum, term);
    });
    return sum;
  };

  /** A local that holds the address at the start of the innermost loop. */
  const rowAddress = (buffer: number, of: Affine): Code => {
    const outer = outerBytes(buffer, of);
    const base = local.get(nest.base(buffer));
    if (outer === undefined) return base;
    const key = `${buffer} ${of.strides.slice(0, last)}`;
    const known = addresses.get(key);
    if (known !== undefined) return local.get(known);
    const index = locals.add(types.int);
    addresses.set(key, index);
    const depth = depthOf({ offset: 0, strides: of.strides.slice(0, last) });
    pending.push({ depth, code: local.set(index, int.add(base, outer)) });
    return local.get(index);
  };

  const elementAddress = (buffer: number, of: Affine): Code => {
    const stride = at(of.strides, last);
    const row = rowAddress(buffer, of);
    if (stride === 0) return row;
    return int.add(row, int.mul(counter(last), int.const(stride * itemBytes(buffer))));
  };

  const load = (buffer: number, from: Affine, dtype: DType, width: Width): Code => {
    const address = elementAddress(buffer, from);
    const stride = at(from.strides, last);
    const bytes = itemBytes(buffer);
    const lanes = lanesOf(at(nest.dtypes, buffer));
    const offset = from.offset * bytes;
    let vector: Code;
    if (stride === 0) vector = lanes.splat(address, offset);
    else if (width === 1) vector = lanes.one(address, offset);
    else if (stride === 1) vector = lanes.four(address, offset);
    else {
      vector = lanes.one(address, offset);
      for (let lane = 1; lane < 4; lane++) {
        vector = lanes.into(vector, lane, address, offset + lane * stride * bytes);
      }
    }
    return fromMemory(dtype, vector);
  };

  const store = (buffer: number, to: Affine, dtype: DType, value: Code, width: Width): Code => {
    const address = elementAddress(buffer, to);
    const stride = at(to.strides, last);
    const bytes = itemBytes(buffer);
    const { storeFour, storeLane } = lanesOf(at(nest.dtypes, buffer));
    const offset = to.offset * bytes;
    const words = toMemory(dtype, value);
    if (width === 1) return storeLane(address, words, 0, offset);
    if (stride === 1) return storeFour(address, words, offset);
    return [0, 1, 2, 3].map((lane) =>
      storeLane(address, words, lane, offset + lane * stride * bytes)
    );
  };

  const position = ({ offset, strides }: Affine): Code => {
    let sum: Code = int.const(offset);
    strides.forEach((stride, loop) => {
      if (stride !== 0) sum = int.add(sum, int.mul(counter(loop), int.const(stride)));
    });
    const stride = at(strides, last);
    const first = i32x4.splat(int.word(sum));
    const lanes = i32x4.const(0, stride, 2 * stride, 3 * stride);
    return stride === 0 ? first : i32x4.add(first, lanes);
  };

  const operand = (index: number): VectorOperand => {
    const step = steps[index];
    if (step === undefined) throw new RangeError(`there is no step ${index}`);
    const constant = step.kind === "constant" ? step.value : undefined;
    return { code: local.get(at(values, index)), dtype: step.dtype, constant };
  };

  const compute = (step: Step, width: Width): Code => {
    switch (step.kind) {
      case "load":
        return load(step.buffer, step.at, step.dtype, width);
      case "constant":
        return constantVector(step.dtype, step.value);
      case "index":
        return fromIntegers(position(step.at), step.dtype);
      case "random":
        return callFunction("threefry", scope, [
          position(step.at),
          ...step.operands.map((index) => local.get(at(values, index))),
        ]);
      case "apply":
        return applied(
          step,
          step.operands.map(operand),
          scope,
        );
      default:
        return step satisfies never;
    }
  };

  const stepsAt = (depth: number, width: Width): Code =>
    steps.flatMap((step, index) =>
      depths[index] === depth ? [local.set(at(values, index), compute(step, width))] : []
    );

  const cursor = (width: Width, round = 0): NestCursor => ({
    width,
    round,
    value: (step) => local.get(at(values, step)),
    store: (buffer, to, dtype, value) => store(buffer, to, dtype, value, width),
    load: (buffer, from, dtype) => load(buffer, from, dtype, width),
  });

  // From the inside out, so that each loop knows which addresses it must prepare.
  const whole = 4 * vector.fours;
  const innermost = (width: Width, round?: number): Code => [
    stepsAt(domain.length, width),
    hooks.inner(cursor(width, round)),
  ];
  const outer = [...domain.keys()].map((depth) => stepsAt(depth, 4));
  const address = (buffer: number, of: Affine): Code => {
    const inner = at(of.strides, last);
    if (inner !== 0) throw new Error("an address around a loop depends on the loop inside");
    return int.add(rowAddress(buffer, of), int.const(of.offset * itemBytes(buffer)));
  };
  const hook = (loop: number) => hooks.around?.(loop, address) ?? { before: [], after: [] };
  const hooksOf = domain.map((_, loop) => hook(loop));
  const end = at(counters, last);
  const { share, isUnrolled = false } = nest;
  const isShared = (loop: number) => share?.loop === loop;
  const beginOf = (loop: number): Code =>
    share !== undefined && isShared(loop) ? local.get(share.begin) : int.const(0);
  const endOf = (loop: number, limit: number): Code =>
    share !== undefined && isShared(loop)
      ? least(local.get(share.end), int.const(limit))
      : int.const(limit);
  /** A loop's rounds up to its end, in blocks if it is cut. */
  const roundsOf = (loop: number, limit: Code, step: number, body: Code): Code => {
    const counted = at(counters, loop);
    const upTo = (blocks: readonly LevelBlock[], stop: Code): Code => {
      const block = blocks.at(-1);
      if (block === undefined) return countTo(counted, stop, step, body);
      const until = locals.add(types.int);
      const length = int.const(step * block.rounds);
      return whileLoop(int.ltS(local.get(counted), stop), [
        local.set(until, least(int.add(local.get(counted), length), stop)),
        block.before,
        upTo(blocks.slice(0, -1), local.get(until)),
        block.after,
      ]);
    };
    const blocks = hooks.blocks?.filter((block) => block.loop === loop) ?? [];
    return upTo(blocks.toSorted((a, b) => a.rounds - b.rounds), limit);
  };
  let code: Code = isUnrolled
    ? Array.from(
      { length: vector.fours },
      (_, i) => [local.set(end, int.const(4 * i)), innermost(4, 4 * i)],
    )
    : [
      local.set(end, beginOf(last)),
      whole > 0 ? roundsOf(last, endOf(last, whole), 4, innermost(4)) : [],
      vector.singles > 0 ? countTo(end, endOf(last, whole + vector.singles), 1, innermost(1)) : [],
    ];
  for (let loop = last; loop >= 0; loop--) {
    const ready = pending.filter(({ depth }) => depth === loop).map(({ code }) => code);
    const { before, after } = hooksOf[loop] ?? hook(loop);
    code = [ready, outer[loop] ?? [], before, code, after];
    if (loop > 0) {
      const around = loop - 1;
      code = [
        local.set(at(counters, around), beginOf(around)),
        roundsOf(around, endOf(around, at(domain, around)), 1, code),
      ];
    }
  }
  return code;
}
