/**
 * Attention without a matrix of weights. The softmax is taken online (Milakov and Gimelshein, 2018):
 * sums are kept relative to the largest score so far. The gradient computes weights again, from the
 * largest score and the total of each query, as in FlashAttention (Dao et al., 2022).
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import { emitPass, type Integers, type MaskIntegers } from "./attention_pass.ts";
import { type Pass, planOf, type Tools } from "./attention_plan.ts";
import { LOWEST, type Memory } from "./attention_sums.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  type KernelContext,
  overElements,
} from "./dispatch.ts";
import { countOf } from "./head_vectors.ts";
import { FOUR } from "./matrix.ts";
import { constant } from "./operations.ts";
import { makeShader } from "./shader.ts";

/** The bound of scores in f32: none above its range, and no subnormal one, which may be taken for 0. */
function boundOf({ softcap }: AttentionSizes): number | undefined {
  if (softcap === null || Math.fround(softcap) === Infinity) return undefined;
  return Math.max(softcap, 2 ** -126);
}

/**
 * Statements that make `scores` of `products`: `scale x`, or `c tanh(scale x / c)`, whose slope in
 * `scale x` is then `bend`.
 */
function score({ shader: { use } }: Tools, sizes: AttentionSizes): string[] {
  const scaled = `products * ${constant("f32", sizes.scale, use)}`;
  const bound = boundOf(sizes);
  if (bound === undefined) return [`let scores = ${scaled};`];
  const cap = constant("f32", bound, use);
  return [
    `let capped = ${use("tanh")}(${scaled} / ${cap});`,
    "let bend = vec4f(1f) - capped * capped;",
    `let scores = capped * ${cap};`,
  ];
}

/** A factor of the gradients that pass through the scores; only bounded scores have a slope. */
function bent(factor: string, sizes: AttentionSizes): string {
  return boundOf(sizes) === undefined ? factor : `${factor} * bend`;
}

/** Statements that give four keys their weights, relative to the query's largest score so far. */
function weigh(tools: Tools, sizes: AttentionSizes, row: number): string[] {
  return [
    ...tools.dots("products", "q", row, "k"),
    ...score(tools, sizes),
    `let visible = select(vec4f(${LOWEST}), scores, isSeen);`,
    "let pairs = max(visible.xy, visible.zw);",
    `let largest = max(largest${row}, max(pairs.x, pairs.y));`,
    `let correction = expOf(vec4f(largest${row} - largest)).x;`,
    "let weights = select(vec4f(), expOf(visible - largest), isSeen);",
    `largest${row} = largest;`,
    `total${row} = total${row} * correction + dot(weights, vec4f(1f));`,
  ];
}

/** The places of the mask's integers, as the kernel is given them. */
function givenMask(
  { start, segments, queries, keys, firstSequence = 0 }: AttentionSizes,
): MaskIntegers {
  /** Some integers for each sequence. */
  const from = (buffer: number, each: number) => ({ buffer, first: firstSequence * each });
  return {
    start: start.kind === "given" ? from(start.buffer, 1) : undefined,
    segments: segments && {
      queries: from(segments.queries, queries),
      keys: from(segments.keys, keys),
    },
  };
}

/** Hands out runs of words, each from a multiple of four on, of a buffer that is made afterwards. */
function wordRuns(): { take(words: number): number; total(): number } {
  let total = 0;
  return {
    take(words) {
      const first = total;
      total += 4 * Math.ceil(words / 4);
      return first;
    },
    total: () => total,
  };
}

/** `sum_s p_ts v_s` of every query that sees a key, 0 of others. */
export const attention: DispatchEmitter<"attention"> = (kernel, context) => {
  const { q, k, v, y, batch, queries, heads, width } = kernel;
  if (batch * queries * heads * width === 0) return [];
  const pass: Pass = {
    rows: "queries",
    own: { q },
    others: { k, v },
    results: { y },
    sums: ["o"],
    scalars: ["total"],
    steps: (tools) => ({
      step: (row) => [
        ...weigh(tools, kernel, row),
        ...tools.add("o", row, "v", "weights", "correction"),
      ],
      finish: (row) =>
        tools.write("y", row, (p) => tools.unlessEmpty(row, `o${row}_${p} / total${row}`)),
    }),
  };
  const plan = planOf(kernel, pass, context);
  const runs = wordRuns();
  const [counter, sums] = [runs.take(1), runs.take(plan.words)];
  const memory = plan.words === 0
    ? undefined
    : { buffer: context.scratch("u32", runs.total()), counter, sums };
  return emitPass(plan, givenMask(kernel), memory, context);
};

/** A dispatch that copies integers to words of a buffer. */
function copyIntegers(
  copies: readonly { readonly from: Integers; readonly to: Integers; readonly count: number }[],
  context: KernelContext,
): Dispatch[] {
  const shader = makeShader(context, 1);
  const lines = copies.map(({ from, to, count }) => {
    const place = from.first === 0 ? "element" : `${from.first}u + element`;
    const word = `bitcast<u32>(${shader.word(from.buffer, place)})`;
    return `if (element < ${count}u) { ${
      shader.setWord(to.buffer, `${to.first}u + element`, word)
    } }`;
  });
  const most = copies.reduce((most, { count }) => Math.max(most, count), 0);
  return overElements(shader, most, context.tuning, lines);
}

/**
 * With weights `p_s`, cotangent g and gains `d_s = g v_s`, whose mean is `m = sum_s p_s d_s`, and the
 * slopes `f_s` of scores in `q k_s`: `dq = sum_s p_s f_s (d_s - m) k_s`, and for each query that sees
 * a key, `dk += p f (d - m) q` and `dv += p g`. The first pass has queries, the second keys.
 *
 * A shader may bind 8 buffers, and the second pass has 6 of its own: so everything else is in one.
 */
export const attentionGradient: DispatchEmitter<"attentionGradient"> = (kernel, context) => {
  const { q, k, v, g, dq, dk, dv, batch, queries, keys, heads, keyHeads, width } = kernel;
  const scale = (tools: Tools) => constant("f32", kernel.scale, tools.shader.use);
  const runs = wordRuns();
  // Of each query: the largest score, 1 / total, and the mean gain.
  const statistics = runs.take(4 * batch * queries * heads);
  const statisticsAt = (number: string) =>
    `${statistics / 4}u + headNumber * ${countOf(kernel, "queries")}u + ${number}`;
  const ofQueries: Pass = {
    rows: "queries",
    own: { q, g },
    others: { k, v },
    results: { dq },
    // Sums of weighted gains times keys, and of weighted keys.
    sums: ["gk", "wk"],
    scalars: ["total", "gains"],
    steps: (tools) => ({
      step: (row) => [
        ...weigh(tools, kernel, row),
        ...tools.dots("gains", "g", row, "v"),
        "let gained = weights * gains;",
        `gains${row} = gains${row} * correction + dot(gained, vec4f(1f));`,
        `let gainedSlopes = ${bent("gained", kernel)};`,
        `let slopes = ${bent("weights", kernel)};`,
        ...tools.add("gk", row, "k", "gainedSlopes", "correction"),
        ...tools.add("wk", row, "k", "slopes", "correction"),
      ],
      finish: (row, isFirst) => [
        `let part = 1f / total${row};`,
        `let mean = gains${row} * part;`,
        ...(isFirst
          ? [tools.shader.setWords(
            memory.buffer,
            statisticsAt(`number${row}`),
            `bitcast<vec4u>(${tools.unlessEmpty(row, `vec4f(largest${row}, part, mean, 0f)`)})`,
          )]
          : []),
        `let factor = vec4f(part) * ${scale(tools)};`,
        ...tools.write(
          "dq",
          row,
          (p) => tools.unlessEmpty(row, `(gk${row}_${p} - mean * wk${row}_${p}) * factor`),
        ),
      ],
    }),
  };
  const ofKeys: Pass = {
    rows: "keys",
    own: { k, v },
    others: { q, g },
    results: { dk, dv },
    sums: ["dk", "dv"],
    scalars: [],
    steps: (tools) => ({
      step: (row) => [
        ...FOUR.map((c) =>
          `let known${c} = bitcast<vec4f>(${
            tools.shader.words(memory.buffer, statisticsAt(`other${c}`))
          });`
        ),
        ...["largest", "part", "mean"].map((name, lane) =>
          `let ${name} = vec4f(${FOUR.map((c) => `known${c}[${lane}]`).join(", ")});`
        ),
        ...tools.dots("products", "k", row, "q"),
        ...score(tools, kernel),
        "let weights = select(vec4f(), expOf(scores - largest) * part, isSeen);",
        ...tools.dots("gains", "v", row, "g"),
        `let sloped = weights * (gains - mean) * ${bent(scale(tools), kernel)};`,
        ...tools.add("dv", row, "g", "weights"),
        ...tools.add("dk", row, "q", "sloped"),
      ],
      finish: (row) => [
        ...tools.write("dk", row, (p) => `dk${row}_${p}`),
        ...tools.write("dv", row, (p) => `dv${row}_${p}`),
      ],
    }),
  };
  const plans = [
    ...(batch * queries * heads * width === 0 ? [] : [planOf(kernel, ofQueries, context)]),
    ...(batch * keys * keyHeads * width === 0 ? [] : [planOf(kernel, ofKeys, context)]),
  ];
  const given = givenMask(kernel);
  const run = (from: Integers | undefined, count: number) =>
    from && { from, count, first: runs.take(count) };
  const starts = run(given.start, batch);
  const queriesIn = run(given.segments?.queries, batch * queries);
  const keysIn = run(given.segments?.keys, batch * keys);
  const [counter, sums] = [
    runs.take(1),
    runs.take(plans.reduce((most, { words }) => Math.max(most, words), 0)),
  ];
  const buffer = context.scratch("u32", runs.total());
  const memory: Memory = { buffer, counter, sums };
  const to = ({ first }: { readonly first: number }) => ({ buffer, first });
  const mask: MaskIntegers = {
    start: starts && to(starts),
    segments: queriesIn && keysIn && { queries: to(queriesIn), keys: to(keysIn) },
  };
  const copies = [starts, queriesIn, keysIn].flatMap((copy) => copy === undefined ? [] : [copy]);
  return [
    ...copyIntegers(copies.map((copy) => ({ ...copy, to: to(copy) })), context),
    ...plans.flatMap((plan) => emitPass(plan, mask, memory, context)),
  ];
};
