/** Sums, maxima and their indices. */
import type { BufferPlan } from "../../lowering/kernels.ts";
import { levelsOf } from "../../lowering/levels.ts";
import { nestOf, reductionNest, type Strips, stripsOf } from "../../lowering/nest.ts";
import { at, type Shape, stridesOf } from "../../shape.ts";
import { emitNest, type KernelNest, type LevelBlock } from "./body.ts";
import {
  type CodeEmitter,
  dtypeOf,
  type Frame,
  type KernelOf,
  padded,
  paddedSteps,
  shareLoop,
  withLoop,
} from "./frame.ts";
import { type Code, f32x4, i32x4, int, local, types, v128 } from "./instructions.ts";
import { constantVector } from "./operations.ts";

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
  /** The locals with which the elements are combined. */
  readonly first: readonly number[];
  /** The locals that have the results in the end. */
  readonly last: readonly number[];
  readonly blocks: readonly LevelBlock[];
}

/**
 * Accumulators for the levels of a reduction's loops, a number of vectors at each; only sums of
 * floats have more than one level. The rounds belong to the reduced loops, the first of which is
 * the nest's loop `kept`.
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
  const blocks = (isRounded ? levelsOf(rounds) : []).map(({ loop, rounds }): LevelBlock => {
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

/** Widths of strips; the widest has eight vectors, in as many registers. */
const STRIPS = [32, 16, 4, 1];

/** Neighbouring results at a time, held in registers while the reduced loops run over them. */
function reduceStrips(kernel: KernelOf<"reduce">, frame: Frame, strips: Strips): Code {
  const { kept, reduced, output, value } = kernel;
  const combining = combiner(
    kernel.reduction === "sum" ? "sum" : "reduceMax",
    dtypeOf(frame, output),
  );
  const { initial, combine } = combining;
  const { domain, size, results } = strips;
  const isUnrolled = size % 4 === 0;
  const vectors = Math.ceil(size / 4);
  const { first, last, blocks } = levels(frame, combining, reduced, kept.length, vectors);
  const sumAt = (round: number) => at(first, round / 4);
  const share = shareLoop(frame, domain, kept.length);
  return emitNest({ ...frame, ...strips, share, isUnrolled }, {
    inner: ({ value: valueOf, round }) =>
      local.set(sumAt(round), combine(local.get(sumAt(round)), valueOf(value))),
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      const start = address(output, results);
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

/** The lanes of a vector in another order. */
function turned(vector: number, order: Parameters<typeof v128.shuffle>[2]): Code {
  return v128.shuffle(local.get(vector), local.get(vector), order);
}

/** Combines the lanes of a vector in pairs, and the pairs: afterwards each lane has the whole. */
function combineLanes(vector: number, combine: (a: Code, b: Code) => Code): Code {
  return ([[2, 3, 0, 1], [1, 0, 3, 2]] as const).map((order) =>
    local.set(vector, combine(local.get(vector), turned(vector, order)))
  );
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
  const [lanes, single] = [at(inLanes.last, 0), at(alone.last, 0)];
  const nest: KernelNest = {
    ...frame,
    ...nestOf(domain, paddedSteps(steps, domain.length)),
    share: shareLoop(frame, domain, kept.length),
  };
  return emitNest(nest, {
    inner: (cursor) => {
      const sum = at((cursor.width === 4 ? inLanes : alone).first, 0);
      return local.set(sum, combine(local.get(sum), cursor.value(value)));
    },
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      return {
        before: [lanes, single].map((sum) => local.set(sum, initial)),
        after: [
          combineLanes(lanes, combine),
          v128.store32Lane(address(output, to), combine(local.get(lanes), local.get(single)), 0),
        ],
      };
    },
    blocks: [...inLanes.blocks, ...alone.blocks],
  });
}

/** The largest elements so far, lane by lane, and their indices. */
interface Largest {
  readonly best: number;
  readonly index: number;
}

/**
 * The first index of the largest element, in four partial results while the reduced loops run. An
 * element that is not a number is passed over, unless it is the first.
 */
function argmax(kernel: KernelOf<"reduce">, frame: Frame): Code {
  const { kept, steps, output, outputStart, value } = kernel;
  const { locals } = frame;
  const domain = [...kept, ...withLoop(kernel.reduced)];
  const to = padded({ offset: outputStart, strides: stridesOf(kept) }, domain.length);
  const dtype = steps[value]?.dtype ?? "f32";
  const { initial, combine } = combiner("reduceMax", dtype);
  const less = dtype === "f32" ? f32x4.lt : dtype === "u32" ? i32x4.ltU : i32x4.ltS;
  const largest = (): Largest => ({ best: locals.add(types.v128), index: locals.add(types.v128) });
  const [inLanes, alone] = [largest(), largest()];
  const round = locals.add(types.int);
  const [place, isLarger, most] = [
    locals.add(types.v128),
    locals.add(types.v128),
    locals.add(types.v128),
  ];
  const none = i32x4.const(0, 0, 0, 0);
  const nest: KernelNest = {
    ...frame,
    ...nestOf(domain, paddedSteps(steps, domain.length)),
    share: shareLoop(frame, domain, kept.length),
  };
  /** The indices of the elements that are the largest, elsewhere more than any index. */
  const indices = ({ best, index }: Largest): Code =>
    v128.or(local.get(index), less(local.get(best), local.get(most)));
  return emitNest(nest, {
    inner: (cursor) => {
      const { best, index } = cursor.width === 4 ? inLanes : alone;
      const isFirst = i32x4.eq(local.get(place), none);
      const pick = (x: Code, y: number) =>
        local.set(y, v128.bitselect(x, local.get(y), local.get(isLarger)));
      return [
        local.set(
          place,
          i32x4.add(i32x4.splat(int.word(local.get(round))), i32x4.const(0, 1, 2, 3)),
        ),
        local.set(isLarger, v128.or(less(local.get(best), cursor.value(value)), isFirst)),
        pick(local.get(place), index),
        pick(cursor.value(value), best),
        local.set(round, int.add(local.get(round), int.const(cursor.width))),
      ];
    },
    around: (loop, address) => {
      if (loop !== kept.length) return { before: [], after: [] };
      return {
        before: [
          local.set(round, int.const(0)),
          [inLanes, alone].map(({ best, index }) => [
            local.set(best, initial),
            local.set(index, none),
          ]),
        ],
        after: [
          local.set(most, local.get(inLanes.best)),
          combineLanes(most, combine),
          local.set(most, combine(local.get(most), turned(alone.best, [0, 0, 0, 0]))),
          local.set(place, indices(inLanes)),
          combineLanes(place, i32x4.minU),
          v128.store32Lane(
            address(output, to),
            i32x4.minU(local.get(place), indices(alone)),
            0,
          ),
        ],
      };
    },
  });
}

/** Reduces in strips across rows where there are some of each, else along rows. */
export const reduce: CodeEmitter<"reduce"> = (kernel, frame) => {
  if (kernel.reduction === "argmax") return argmax(kernel, frame);
  const { kept, reduced } = kernel;
  const isAcross = reductionNest(kernel).isAcross && reduced.length > 0 &&
    at(kept, kept.length - 1) >= 4;
  return isAcross
    ? stripsOf(kernel, STRIPS).map((strips) => reduceStrips(kernel, frame, strips))
    : reduceAlong(kernel, frame);
};
