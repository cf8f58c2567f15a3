/**
 * Loop nests: in which loops a body stands, in which of them each of its steps is computed, and
 * along which one neighbours are computed at a time. Emitters follow these decisions.
 */
import { at, type Shape, stridesOf } from "../shape.ts";
import type { Affine } from "./affine.ts";
import type { KernelOf, Step } from "./kernels.ts";

/** Neighbours that are computed at a time. */
const WIDTH = 4;

/** A loop whose rounds are taken four at a time, and the remaining ones one by one. */
export interface VectorLoop {
  /** The loop. */
  readonly loop: number;
  /** The number of whole fours. */
  readonly fours: number;
  /** Rounds beyond them, fewer than four. */
  readonly singles: number;
}

/** A body in its loops. */
export interface Nest {
  /** The rounds of each loop, outermost first. */
  readonly domain: Shape;
  /** The body. */
  readonly steps: readonly Step[];
  /**
   * The number of loops, from the outermost on, in which each step is computed: those around the
   * innermost one that it depends on, and that one. What depends on none has 0.
   */
  readonly depths: readonly number[];
  /** The loop that is taken four at a time; undefined without loops. */
  readonly vector: VectorLoop | undefined;
}

/** A reduction in its loops: the loops of the results, then the reduced loops. */
export interface ReductionNest extends Nest {
  /** The number of loops of the results. */
  readonly kept: number;
  /**
   * Whether four neighbouring results are computed at a time, as their elements are neighbours in
   * memory; else four elements of one result are.
   */
  readonly isAcross: boolean;
}

/** The number of loops that a position depends on, with those around them. */
export function depthOf({ strides }: Affine): number {
  return 1 + strides.findLastIndex((stride) => stride !== 0);
}

function depthsOf(steps: readonly Step[]): number[] {
  const depths: number[] = [];
  for (const step of steps) {
    const own = "at" in step ? depthOf(step.at) : 0;
    const operands = "operands" in step ? step.operands.map((index) => at(depths, index)) : [];
    // deno-lint-ignore unitune/no-spread-of-data -- operands of an instruction
    depths.push(Math.max(own, ...operands));
  }
  return depths;
}

/**
 * The nest of a body.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nestOf } from "@unitune/core/backend";
 *
 * const at = { offset: 0, strides: [1, 0] };
 * const nest = nestOf([3, 10], [{ kind: "load", dtype: "f32", buffer: 0, at }]);
 * assertEquals(nest.depths, [1]);
 * assertEquals(nest.vector, { loop: 1, fours: 2, singles: 2 });
 * ```
 *
 * @param domain The rounds of the loops, outermost first.
 * @param steps The body.
 * @param loop The loop that is taken four at a time (default the innermost).
 * @returns The loops, and where each step is computed.
 */
export function nestOf(domain: Shape, steps: readonly Step[], loop = domain.length - 1): Nest {
  const rounds = domain[loop];
  const vector = rounds === undefined
    ? undefined
    : { loop, fours: Math.floor(rounds / WIDTH), singles: rounds % WIDTH };
  return { domain, steps, depths: depthsOf(steps), vector };
}

/**
 * The number of loads along a loop whose neighbours are neighbours in memory, less the number of
 * loads whose neighbours are far apart.
 */
function affinity(steps: readonly Step[], loop: number): number {
  return steps.reduce((score, step) => {
    if (step.kind !== "load") return score;
    const stride = at(step.at.strides, loop);
    return stride === 1 ? score + 1 : stride === 0 ? score : score - 1;
  }, 0);
}

/**
 * The nest of a reduction, four at a time along the loop whose neighbours are neighbours in memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, sum, zeros } from "@unitune/core";
 * import { lower, reductionNest } from "@unitune/core/backend";
 *
 * const { kernels: [kernel] } = lower(graphOf((x) => sum(x, { axes: [0] }), [zeros([5, 8])]));
 * assertEquals(kernel?.kind === "reduce" && reductionNest(kernel).isAcross, true);
 * ```
 *
 * @param kernel The reduction.
 * @returns Its loops, the loops of the results first.
 */
export function reductionNest({ kept, reduced, steps }: KernelOf<"reduce">): ReductionNest {
  const domain = [...kept, ...reduced];
  const [lastKept, last] = [kept.length - 1, domain.length - 1];
  const isAcross = kept.length > 0 &&
    (reduced.length === 0 || affinity(steps, lastKept) > affinity(steps, last));
  return { ...nestOf(domain, steps, isAcross ? lastKept : last), kept: kept.length, isAcross };
}

/** Strips of neighbouring results, which are held while the reduced loops run over them. */
export interface Strips extends Nest {
  /** The number of results in a strip: the rounds of the innermost loop. */
  readonly size: number;
  /** The position of the first result of a strip. */
  readonly results: Affine;
}

/**
 * A reduction across rows in strips as wide as they can be, then narrower ones. In each of the nests
 * the last loop of the results counts strips, and the innermost loop the results of a strip.
 *
 * @param widths Widths of strips, the widest first, the last of them 1.
 */
export function stripsOf(
  { kept, reduced, steps, outputStart }: KernelOf<"reduce">,
  widths: readonly number[],
): Strips[] {
  const last = kept.length - 1;
  const [width, reducedStrides] = [at(kept, last), reduced.map(() => 0)];
  let begin = 0;
  return widths.flatMap((size) => {
    const count = Math.floor((width - begin) / size);
    if (count === 0) return [];
    const first = begin;
    begin += count * size;
    /** A position in the nest whose last kept loop is split. */
    const split = ({ offset, strides }: Affine): Affine => {
      const stride = at(strides, last);
      return {
        offset: offset + first * stride,
        strides: [...strides.with(last, size * stride), stride],
      };
    };
    const moved = steps.map((step) => "at" in step ? { ...step, at: split(step.at) } : step);
    const all = { offset: outputStart, strides: [...stridesOf(kept), ...reducedStrides] };
    const { offset, strides } = split(all);
    const results = { offset, strides: strides.with(-1, 0) };
    const domain = [...kept.slice(0, -1), count, ...reduced, size];
    return [{ ...nestOf(domain, moved), size, results }];
  });
}
