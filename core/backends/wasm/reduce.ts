/** Sums, maxima and their indices. */
import type { Affine } from "../../lowering/affine.ts";
import type { BufferPlan, Step } from "../../lowering/kernels.ts";
import { levelsOf } from "../../lowering/levels.ts";
import { at, type Shape, stridesOf } from "../../shape.ts";
import { type Block, constantVector, emitNest, type Nest } from "./body.ts";
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
interface Combiner {
  readonly initial: Code;
  readonly combine: (a: Code, b: Code) => Code;
  /** Whether combining rounds, so that its order matters. */
  readonly isRounded: boolean;
}

function combiner(reduction: "sum" | "reduceMax", dtype: BufferPlan["dtype"]): Combiner {
  const from = (initial: number, combine: Combiner["combine"], isRounded = false): Combiner => ({
    initial: constantVector(dtype, initial),
    combine,
    isRounded,
  });
  if (reduction === "sum") {
    return dtype === "f32" ? from(0, f32x4.add, true) : from(0, i32x4.add);
  }
  if (dtype === "f32") return from(-Infinity, f32x4.max);
  return dtype === "u32" ? from(0, i32x4.maxU) : from(-(2 ** 31), i32x4.maxS);
}

/** Partial results in registers, and how they go from level to level. */
interface Levels {
  /** What the elements are combined with. */
  readonly first: readonly number[];
  /** What has the results in the end. */
  readonly last: readonly number[];
  readonly blocks: readonly Block[];
}

/**
 * Accumulators for the levels of a reduction's loops, so many vectors at each; only sums of floats
 * have more than one level. The rounds are those of the reduced loops, the first of which is the
 * nest's loop `kept`.
 */
function levels(
  { locals }: Frame,
  { initial, combine, isRounded }: Combiner,
  rounds: Shape,
  kept: number,
  vectors: number,
): Levels {
  const fresh = () => Array.from({ length: vectors }, () => locals.add(types.v128));
  const first = fresh();
  let last = first;
  const blocks = (isRounded ? levelsOf(rounds) : []).map(({ loop, rounds }): Block => {
    const [from, to] = [last, fresh()];
    last = to;
    return {
      loop: kept + loop,
      rounds,
      before: from.map((sum) => local.set(sum, initial)),
      after: to.map((sum, i) => local.set(sum, combine(local.get(sum), local.get(at(from, i))))),
    };
  });
  return { first, last, blocks };
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
  const { kept, reduced, steps, output, outputStart, value } = kernel;
  const combining = combiner(
    kernel.reduction === "sum" ? "sum" : "reduceMax",
    dtypeOf(frame, output),
  );
  const { initial, combine } = combining;
  const domain = [...kept.slice(0, -1), strips.count, ...reduced, strips.size];
  const results = padded(
    { offset: outputStart, strides: stridesOf(kept) },
    kept.length + reduced.length,
  );
  const to = stripped(results, kept.length, strips);
  const isUnrolled = strips.size % 4 === 0;
  const vectors = Math.ceil(strips.size / 4);
  const { first, last, blocks } = levels(frame, combining, reduced, kept.length, vectors);
  const sumAt = (round: number) => first[round / 4] ?? 0;
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
        before: last.map((sum) => local.set(sum, initial)),
        after: last.map((sum, i) =>
          isUnrolled
            ? v128.store(start, local.get(sum), 16 * i)
            : v128.store32Lane(start, local.get(sum), 0)
        ),
      };
    },
    blocks,
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
  const { kept, steps, output, outputStart, value } = kernel;
  const combining = combiner(
    kernel.reduction === "sum" ? "sum" : "reduceMax",
    dtypeOf(frame, output),
  );
  const { initial, combine } = combining;
  const reduced = withLoop(kernel.reduced);
  const domain = [...kept, ...reduced];
  const to = padded({ offset: outputStart, strides: stridesOf(kept) }, domain.length);
  // Elements that fill no vector are added up by themselves: fewer than four for each run of rounds.
  const size = at(reduced, reduced.length - 1);
  const [outer, vectors, singles] = [reduced.slice(0, -1), Math.floor(size / 4), size % 4];
  const inLanes = levels(frame, combining, [...outer, vectors], kept.length, 1);
  const alone = levels(frame, combining, [...outer, singles], kept.length, 1);
  const [lanes = 0] = inLanes.last;
  const [single = 0] = alone.last;
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
      const [sum = 0] = (cursor.width === 4 ? inLanes : alone).first;
      return local.set(sum, combine(local.get(sum), cursor.value(value)));
    },
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      return {
        before: [lanes, single].map((sum) => local.set(sum, initial)),
        after: [
          local.set(lanes, combine(local.get(lanes), other(lanesAt([2, 3, 0, 1])))),
          local.set(lanes, combine(local.get(lanes), other(lanesAt([1, 0, 3, 2])))),
          v128.store32Lane(address(output, to), combine(local.get(lanes), local.get(single)), 0),
        ],
      };
    },
    blocks: [...inLanes.blocks, ...alone.blocks],
  });
}

/** The first index of the largest element, one element at a time. */
function argmax(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const { kept, reduced, steps, output, outputStart, value } = kernel;
  const { locals } = frame;
  // One extra loop of a single round keeps the body to one element at a time.
  const domain = [...kept, ...reduced, 1];
  const rank = domain.length;
  const to = padded({ offset: outputStart, strides: stridesOf(kept) }, rank);
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
