/** The order that sorts runs of elements. */
import type { Extent } from "../../lowering/cut.ts";
import type { KernelOf } from "../../lowering/kernels.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  type KernelContext,
  overElements,
} from "./dispatch.ts";
import { inRanges, LOOP_ROUNDS } from "./loops.ts";
import {
  across,
  beside,
  countOf,
  elementOf,
  extentsOf,
  inPiece,
  isWithin,
  type Touched,
  touching,
  when,
} from "./pieces.ts";
import { makeShader, type Shader } from "./shader.ts";

/** Numbers as words that compare alike; -0 as 0, NaN after everything. */
const sortKeys: Readonly<Record<"f32" | "i32" | "u32", string>> = {
  f32: `fn sortKey(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let ordered = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u && size != 0u);
  return select(ordered, 0xffffffffu, size > 0x7f800000u);
}`,
  i32: "fn sortKey(x: i32) -> u32 { return bitcast<u32>(x) ^ 0x80000000u; }",
  u32: "fn sortKey(x: u32) -> u32 { return x; }",
};

/** The function that makes keys of a buffer's words. */
function declareSortKey(shader: Shader, input: number): void {
  const dtype = shader.dtype(input);
  shader.declare(sortKeys[dtype === "f32" || dtype === "i32" ? dtype : "u32"]);
}

/** Statements that count the elements of a range of a run that come before an element. */
function countBefore(shader: Shader, input: number, begin: string, end: string): string[] {
  return [
    `for (var i = ${begin}; i < ${end}; i++) {`,
    `  let other = sortKey(${shader.word(input, "first + i")});`,
    "  before += select(0u, 1u, other < key || (other == key && i < own));",
    "}",
  ];
}

/** An element's place is the number of elements that come before it. */
export const argsort: DispatchEmitter<"argsort"> = (kernel, context) => {
  const { input, output, outer, size } = kernel;
  if (outer * size === 0) return [];
  if (context.isApart) return sortApart(kernel, context);
  const counts = size <= LOOP_ROUNDS ? undefined : context.scratch("u32", outer * size);
  return inRanges(size, LOOP_ROUNDS, context, (rangeOf) => {
    const shader = makeShader(context, 1);
    declareSortKey(shader, input);
    const { lines, begin, end, isFirst, isLast } = rangeOf(shader);
    const place = shader.setWord(output, "first + before", "i32(own)");
    return overElements(shader, outer * size, context.tuning, [
      ...lines,
      `let first = element - element % ${size}u;`,
      "let own = element - first;",
      `let key = sortKey(${shader.word(input, "element")});`,
      counts === undefined || isFirst === undefined
        ? "var before = 0u;"
        : `var before = select(${shader.word(counts, "element")}, 0u, ${isFirst});`,
      ...countBefore(shader, input, begin, end),
      ...(counts === undefined || isLast === undefined ? [place] : [
        `if (${isLast}) { ${place} } else { ${shader.setWord(counts, "element", "before")} }`,
      ]),
    ]);
  });
};

/**
 * Some elements at a time: those before them are counted in some of their runs at a time, and then
 * they are placed in some of the output at a time.
 */
function sortApart(
  { input, output, outer, size }: KernelOf<"argsort">,
  context: KernelContext,
): Dispatch[] {
  const counts = context.scratch("u32", outer * size);
  const length = Math.min(size, LOOP_ROUNDS, inPiece(context, input));
  return extentsOf(context, input, 1).flatMap((own) => {
    const runs = beside(own, size);
    const element = elementOf(own, 1);
    const head = [`let place = ${element};`, `let first = place - place % ${size}u;`];
    const counting = Array.from({ length: Math.ceil(size / length) }, (_, range) => {
      const [begin, end] = [range * length, Math.min(size, (range + 1) * length)];
      // Runs that are seen as a whole lie one after the other; of others an extent has two at most.
      const others: Extent[] = length === size
        ? [across(runs, size)]
        : [runs.first, runs.last].map((run) => ({
          first: run * size + begin,
          last: run * size + end - 1,
        }));
      const touched: Touched[] = [
        [input, own],
        ...others.map((extent): Touched => [input, extent]),
        [counts, own],
      ];
      const shader = makeShader(touching(context, touched), 1);
      declareSortKey(shader, input);
      return overElements(shader, countOf(own, 1), context.tuning, [
        ...head,
        "let own = place - first;",
        `let key = sortKey(${shader.word(input, "place")});`,
        `var before = ${range === 0 ? "0u" : shader.word(counts, "place")};`,
        ...countBefore(shader, input, `${begin}u`, `${end}u`),
        shader.setWord(counts, "place", "before"),
      ]);
    });
    const placing = extentsOf(context, output, 1, across(runs, size)).map((to) => {
      const shader = makeShader(touching(context, [[counts, own], [output, to]]), 1);
      const store = shader.setWord(output, "goal", "i32(place - first)");
      return overElements(shader, countOf(own, 1), context.tuning, [
        ...head,
        `let goal = first + ${shader.word(counts, "place")};`,
        when(isWithin(context, "goal", [output, to], 1), store),
      ]);
    });
    return [...counting, ...placing].flat();
  });
}
