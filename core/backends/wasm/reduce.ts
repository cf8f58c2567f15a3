/** Sums, maxima and their indices. */
import type { Affine } from "../../lowering/affine.ts";
import type { BufferPlan, Step } from "../../lowering/kernels.ts";
import { at, stridesOf } from "../../shape.ts";
import { constantVector, emitNest, type Nest } from "./body.ts";
import {
  dtypeOf,
  type Emitter,
  type Frame,
  type KernelOf,
  padded,
  paddedSteps,
  shareLoop,
  withLoop,
} from "./frame.ts";
import { branch, type Code, f32x4, i32, i32x4, local, types, v128 } from "./instructions.ts";

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

/** The most results that are held in registers, eight vectors, while reduced loops run over them. */
const STRIP = 32;

/** A position in a nest whose last kept loop is split into strips, which move inside. */
function stripped(
  { offset, strides }: Affine,
  kept: number,
  { begin, size }: { readonly begin: number; readonly size: number },
): Affine {
  const stride = at(strides, kept - 1);
  return {
    offset: offset + begin * stride,
    strides: [...strides.slice(0, kept - 1), size * stride, ...strides.slice(kept), stride],
  };
}

/** Neighbouring results at a time, held in registers while the reduced loops run over them. */
function reduceStrips(
  kernel: KernelOf<"reduce">,
  frame: Frame,
  strips: { readonly begin: number; readonly size: number; readonly count: number },
): Code {
  const { kept, reduced, steps, output, value } = kernel;
  const dtype = dtypeOf(frame, output);
  const { initial, combine } = combiner(kernel.reduction === "sum" ? "sum" : "reduceMax", dtype);
  const domain = [...kept.slice(0, -1), strips.count, ...reduced, strips.size];
  const results = padded({ offset: 0, strides: stridesOf(kept) }, kept.length + reduced.length);
  const to = stripped(results, kept.length, strips);
  const isUnrolled = strips.size % 4 === 0;
  const sums = Array.from(
    { length: Math.ceil(strips.size / 4) },
    () => frame.locals.add(types.v128),
  );
  const sumAt = (round: number) => sums[round / 4] ?? 0;
  const nest: Nest = {
    ...frame,
    domain,
    steps: steps.map((step) =>
      "at" in step ? { ...step, at: stripped(step.at, kept.length, strips) } : step
    ),
    share: shareLoop(frame, domain, kept.length),
    isUnrolled,
  };
  return emitNest(nest, {
    inner: ({ value: valueOf, round }) =>
      local.set(sumAt(round), combine(local.get(sumAt(round)), valueOf(value))),
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      const start = address(output, { ...to, strides: to.strides.with(-1, 0) });
      return {
        before: sums.map((sum) => local.set(sum, constantVector(dtype, initial))),
        after: sums.map((sum, i) =>
          isUnrolled
            ? v128.store(start, local.get(sum), 16 * i)
            : v128.store32Lane(start, local.get(sum), 0)
        ),
      };
    },
  });
}

/** Strips as wide as they can be, then narrower ones, then single results. */
function reduceAcross(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const width = at(kernel.kept, kernel.kept.length - 1);
  let begin = 0;
  return [STRIP, STRIP / 2, 4, 1].flatMap((size) => {
    const count = Math.floor((width - begin) / size);
    if (count === 0) return [];
    const strips = { begin, size, count };
    begin += count * size;
    return [reduceStrips(kernel, frame, strips)];
  });
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

/** Reduces across rows where neighbouring results are neighbours in memory, else along them. */
export const reduce: Emitter<"reduce"> = (kernel, frame) => {
  if (kernel.reduction === "argmax") return argmax(kernel, frame);
  const { kept, reduced, steps } = kernel;
  const across = kept.length > 0 && reduced.length > 0 && at(kept, kept.length - 1) >= 4 &&
    affinity(steps, kept.length - 1) > affinity(steps, kept.length + reduced.length - 1);
  return across ? reduceAcross(kernel, frame) : reduceAlong(kernel, frame);
};
