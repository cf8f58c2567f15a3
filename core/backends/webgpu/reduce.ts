/** Reductions: lanes share an output's elements, and workgroups too where outputs are few. */
import type { ComputedDType } from "../../dtype.ts";
import {
  type Epilogue,
  type KernelOf,
  type MatrixView,
  type Reduction,
  usedBuffers,
} from "../../lowering/kernels.ts";
import { type ReductionNest, reductionNest } from "../../lowering/nest.ts";
import { joined } from "../../lowering/split.ts";
import { at, type Shape, sizeOf, stridesOf } from "../../shape.ts";
import { chooseFours, emitSteps, floatSteps, loadsOf, valueName } from "./body.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  dispatchOf,
  fitting,
  type KernelContext,
  overElements,
  powerBelow,
  type Tuning,
} from "./dispatch.ts";
import { inLevels, LOOP_ROUNDS } from "./loops.ts";
import { upTo } from "./matrix.ts";
import { declareFinish, keepsProduct } from "./epilogue.ts";
import { type Loops, makeShader, type Shader, splitPosition } from "./shader.ts";
import { wordType, zeroWord } from "./types.ts";

/** The division of outputs and elements among lanes. */
interface Sharing {
  /** Outputs of a workgroup. */
  readonly outputs: number;
  /** Lanes that share an output. */
  readonly lanes: number;
  /** Workgroups that share an output. */
  readonly splits: number;
}

function share(tuning: Tuning, across: boolean, outputs: number, elements: number): Sharing {
  const { invocations, vector, workgroup, workgroups, elementsALane } = tuning;
  const wanted = Math.min(invocations / outputs, elements / elementsALane);
  const shared = powerBelow(wanted);
  const needed = (lanes: number) => Math.ceil(elements / lanes / LOOP_ROUNDS);
  // Workgroups as large as leaves enough of them.
  const size = Math.min(workgroup, Math.max(vector, powerBelow(outputs * shared / workgroups)));
  if (shared === 1) return { outputs: size, lanes: 1, splits: Math.max(1, needed(1)) };
  // Neighbouring lanes read neighbouring elements: elements of one output, or of several.
  const least = across ? Math.min(vector, powerBelow(outputs)) : 1;
  const lanes = Math.min(shared, size / least);
  const splits = Math.max(Math.min(64, shared / lanes), needed(lanes));
  return { outputs: size / lanes, lanes, splits };
}

/** The start of a reduction, and the expression that combines two partial results. */
function combiner(reduction: Exclude<Reduction, "argmax">, dtype: ComputedDType, shader: Shader): {
  readonly initial: string;
  readonly combine: (a: string, b: string) => string;
} {
  const zero = zeroWord(dtype);
  if (reduction === "sum") return { initial: zero, combine: (a, b) => `${a} + ${b}` };
  if (dtype !== "f32") {
    const initial = dtype === "u32" ? zero : "I(-2147483648)";
    return { initial, combine: (a, b) => `max(${a}, ${b})` };
  }
  return {
    initial: `-${shader.use("infinity")}()`,
    combine: (a, b) => `${shader.use("maximumOf")}(${a}, ${b})`,
  };
}

/** The variables of the loops, fours along one of them if it has no other rounds, and the rounds. */
function loopsOf({ domain, kept, vector }: ReductionNest, allowFours: boolean): {
  readonly loops: Loops;
  readonly keptRounds: readonly number[];
  readonly reducedRounds: readonly number[];
} {
  const inFours = allowFours && vector?.singles === 0 ? vector : undefined;
  const rounds = domain.map((size, loop) => loop === inFours?.loop ? inFours.fours : size);
  return {
    loops: { variables: domain.map((_, loop) => `i${loop}`), vector: inFours?.loop },
    keptRounds: rounds.slice(0, kept),
    reducedRounds: rounds.slice(kept),
  };
}

/** The part of an output that each lane has, and the workgroup memory in which others find it. */
interface Partial {
  readonly name: string;
  readonly shared: string;
  readonly type: string;
}

/** The largest subgroup that WebGPU allows. */
const LARGEST_SUBGROUP = 128;

/**
 * Statements by which the lanes of each output join their partial results; its first lane ends with
 * the whole. The lanes of a subgroup exchange directly, where the adapter can: first those of a
 * subgroup, in pairs at doubling distances, then the first lane over the subgroups, whose size is
 * known only while running. Elsewhere halves meet in workgroup memory.
 *
 * @param combine Statements that join another lane's result, by the names given.
 */
function join(
  shader: Shader,
  { outputs, lanes }: Sharing,
  { tuning, features }: KernelContext,
  partials: readonly Partial[],
  combine: (others: readonly string[]) => readonly string[],
): string[] {
  if (lanes === 1) return [];
  const all = outputs * lanes;
  for (const { shared, type } of partials) {
    shader.declare(`var<workgroup> ${shared}: array<${type}, ${all}>;`);
  }
  const share = partials.map(({ name, shared }) => `${shared}[lane] = ${name};`);
  const found = (other: string) => combine(partials.map(({ shared }) => `${shared}[${other}]`));
  const doublings = upTo(Math.log2(lanes)).map((power) => 2 ** power);
  if (!tuning.tiles || !features.found.has("subgroups")) {
    const halvings = doublings.toReversed().flatMap((half) => [
      `if (part < ${half}u) {`,
      ...found(`lane + ${half * outputs}u`),
      ...share,
      "}",
      "workgroupBarrier();",
    ]);
    return [...share, "workgroupBarrier();", ...halvings];
  }
  shader.require("subgroups");
  const distances = doublings.map((lanes) => lanes * outputs)
    .filter((distance) => distance < LARGEST_SUBGROUP);
  return [
    ...distances.flatMap((distance) => [
      `if (${distance}u < subgroupSize) {`,
      ...partials.map(({ name }) =>
        `let other_${name} = subgroupShuffleXor(${name}, ${distance}u);`
      ),
      ...combine(partials.map(({ name }) => `other_${name}`)),
      "}",
    ]),
    ...share,
    "workgroupBarrier();",
    `let joined = max(subgroupSize, ${outputs}u);`,
    "if (part == 0u) {",
    `for (var other = lane + joined; other < ${all}u; other += joined) {`,
    ...found("other"),
    "}",
    "}",
  ];
}

/** The lines that name an output and a lane's part of its elements. */
function place(
  kernel: KernelOf<"reduce">,
  { outputs, lanes, splits }: Sharing,
  { loops, keptRounds }: { readonly loops: Loops; readonly keptRounds: readonly number[] },
): string[] {
  const count = sizeOf(keptRounds);
  return [
    `let block = workgroup / ${splits}u;`,
    `let split = workgroup % ${splits}u;`,
    `let part = ${lanes === 1 ? "0u" : `lane / ${outputs}u`};`,
    `let output = block * ${outputs}u + lane % ${outputs}u;`,
    `if (block >= ${Math.ceil(count / outputs)}u) { return; }`,
    // Lanes beyond the last output do its work again, so that all meet at the barriers.
    `let own = min(output, ${count - 1}u);`,
    ...splitPosition("own", keptRounds, loops.variables.slice(0, kernel.kept.length)),
  ];
}

/**
 * The rounds of a lane around the statements of each, several at a time where they divide evenly.
 *
 * @param total The variable that the rounds change, and its first value, if they add up floats.
 * @param inner Statements of a round, for the variable that they change.
 */
function rounds(
  kernel: KernelOf<"reduce">,
  { lanes, splits }: Sharing,
  { loops, reducedRounds }: { readonly loops: Loops; readonly reducedRounds: readonly number[] },
  { roundsAtOnce }: Tuning,
  { total, zero, isRounded }: {
    readonly total: string;
    readonly zero: string;
    readonly isRounded: boolean;
  },
  inner: (total: string) => readonly string[],
): string[] {
  const elements = sizeOf(reducedRounds);
  const chunk = Math.ceil(elements / splits);
  const end = splits === 1 ? `${elements}u` : `min(${elements}u, (split + 1u) * ${chunk}u)`;
  const names = loops.variables.slice(kernel.kept.length);
  const isEven = elements === splits * chunk && chunk % (lanes * roundsAtOnce) === 0;
  const step = lanes * (isEven ? roundsAtOnce : 1);
  const loop = {
    total,
    zero,
    variable: "first",
    begin: `split * ${chunk}u + part`,
    end,
    step,
    rounds: isRounded ? Math.ceil(chunk / lanes) : 1,
  };
  return inLevels(loop, (sum) =>
    Array.from({ length: step / lanes }, (_, number) => [
      "{",
      `let round = first + ${number * lanes}u;`,
      ...splitPosition("round", reducedRounds, names),
      ...inner(sum),
      "}",
    ]).flat());
}

/**
 * Sums or maxima; a sum that is a product `[rows, columns]` may have an epilogue. Elements are shared
 * as in the whole that the reduction is a part of, so that they are added in the same order.
 */
function totals(
  kernel: KernelOf<"reduce">,
  reduction: Exclude<Reduction, "argmax">,
  context: KernelContext,
  epilogue?: Epilogue,
  whole: KernelOf<"reduce"> = kernel,
): Dispatch[] {
  const { kept, steps, value, output, outputStart } = kernel;
  const nest = reductionNest(kernel);
  const { isAcross } = nest;
  const looped = loopsOf(nest, true);
  const { loops, keptRounds, reducedRounds } = looped;
  const vector = loops.vector;
  const count = sizeOf(keptRounds);
  if (count === 0) return [];
  const wholeCount = sizeOf(loopsOf(reductionNest(whole), true).keptRounds);
  const sharing = share(context.tuning, isAcross, wholeCount, sizeOf(reducedRounds));
  const { outputs, lanes, splits } = sharing;
  const shader = makeShader(context, vector === undefined ? 1 : 4);
  const { dtype } = at(steps, value);
  const { initial, combine } = combiner(reduction, dtype, shader);
  const isWhole = splits === 1;
  const target = isWhole ? output : context.scratch(dtype, splits * sizeOf(kept));
  const start = isWhole ? outputStart : 0;
  const to = { buffer: target, at: { offset: start, strides: stridesOf(kept) } };
  chooseFours(
    shader,
    isAcross ? [...loadsOf(steps), to] : loadsOf(steps),
    vector,
    context.storageOf,
  );
  const product = { columns: kept[1] ?? 1, output, epilogue: isWhole ? epilogue : undefined };
  const unit = isAcross && vector !== undefined ? "four" : "element";
  const finish = declareFinish(product, unit, shader, context);
  // Values of the outer loops have all lanes alike, where lanes are of one result.
  const isOuter = (step: number) => at(nest.depths, step) <= nest.kept;
  const isAlong = vector !== undefined && !isAcross;

  const halves = isAlong
    ? [`total = ${combine("total", "total.zwxy")};`, `total = ${combine("total", "total.yxwz")};`]
    : [];
  const perSplit = isAcross && vector !== undefined ? sizeOf(kept) / 4 : sizeOf(kept);
  const position = isWhole ? "output" : `split * ${perSplit}u + output`;
  const after = (position: string, start: number) =>
    start === 0 ? position : `${position} + ${start}u`;
  const store = isAcross && vector !== undefined
    ? shader.isInFours(target)
      ? shader.setWords(target, after(position, start / 4), "total")
      : [0, 1, 2, 3].map((lane) =>
        shader.setWord(target, `(${position}) * 4u + ${start + lane}u`, `total[${lane}]`)
      ).join(" ")
    : shader.setWord(target, after(position, start), isAlong ? "total.x" : "total");
  const ending = [
    ...(keepsProduct(product) ? [store] : []),
    ...(finish === undefined ? [] : [finish("i0", "i1", "total")]),
  ].join(" ");
  const body = [
    ...place(kernel, sharing, looped),
    ...emitSteps(shader, steps, loops, { wanted: isOuter }),
    `var total = ${initial};`,
    ...rounds(
      kernel,
      sharing,
      looped,
      context.tuning,
      { total: "total", zero: initial, isRounded: reduction === "sum" && dtype === "f32" },
      (sum) => [
        ...emitSteps(shader, steps, loops, { wanted: (step) => !isOuter(step) }),
        `${sum} = ${combine(sum, valueName(value))};`,
      ],
    ),
    ...join(
      shader,
      sharing,
      context,
      [{ name: "total", shared: "partials", type: wordType(dtype) }],
      ([other = ""]) => [`total = ${combine("total", other)};`],
    ),
    ...halves,
    `if (part == 0u && output < ${count}u) { ${ending} }`,
  ];
  const first = dispatchOf(shader, body, {
    workgroups: Math.ceil(count / outputs) * splits,
    invocations: outputs * lanes,
  });
  if (isWhole) return first;
  const shape = epilogue === undefined ? [sizeOf(kept)] : kept;
  const parts = { reduction, dtype, parts: target, splits, kept: shape, output, outputStart };
  return [...first, ...combineParts(parts, context, epilogue)];
}

/** Results in parts, one after the other in a buffer, that are to be made one. */
interface Parts {
  readonly reduction: Exclude<Reduction, "argmax">;
  /** The buffer of the parts. */
  readonly parts: number;
  /** The number of parts. */
  readonly splits: number;
  /** Their element type. */
  readonly dtype: ComputedDType;
  /** The shape of each. */
  readonly kept: Shape;
  readonly output: number;
  /** The position in the output at which the results begin. */
  readonly outputStart: number;
}

/** Each element of the output from the elements of the parts, by one lane. */
export function combineParts(
  { reduction, dtype, parts, splits, kept, output, outputStart }: Parts,
  context: KernelContext,
  epilogue?: Epilogue,
): Dispatch[] {
  const alone: Tuning = { ...context.tuning, invocations: 1 };
  return totals(
    joined({ reduction, output, outputStart }, kept, dtype, parts, splits),
    reduction,
    { ...context, tuning: alone },
    epilogue,
  );
}

/** The index where no element is larger than the least number. */
const NO_INDEX = "0xffffffffu";

/** A statement that writes the index that was found. */
function setIndex(shader: Shader, output: number, position: string): string {
  return shader.setWord(output, position, `select(i32(index), 0, index == ${NO_INDEX})`);
}

/** The first index of the largest element; NaN is never larger, but the first element stays. */
function argmax(kernel: KernelOf<"reduce">, context: KernelContext): Dispatch[] {
  const { steps, value, output } = kernel;
  const nest = reductionNest(kernel);
  const looped = loopsOf(nest, false);
  const { loops, keptRounds } = looped;
  const count = sizeOf(keptRounds);
  if (count === 0) return [];
  const elements = sizeOf(looped.reducedRounds);
  const shared = share(context.tuning, nest.isAcross, count, elements);
  const splits = Math.max(1, Math.ceil(elements / shared.lanes / LOOP_ROUNDS));
  const sharing = { ...shared, splits };
  const { outputs, lanes } = sharing;
  const shader = makeShader(context, 1);
  const dtype = steps[value]?.dtype ?? "f32";
  const type = wordType(dtype);
  const least = combiner("reduceMax", dtype, shader).initial;
  // A first element that is NaN stays, as if none were larger.
  const element = dtype === "f32"
    ? `select(${valueName(value)}, ${shader.use("infinity")}(), round == 0u && ${
      shader.use("isNan")
    }(${valueName(value)}))`
    : valueName(value);
  // Each split has its largest element, and then its index.
  const found = splits === 1 ? undefined : {
    values: context.scratch(dtype, splits * count),
    indices: context.scratch("u32", splits * count),
  };
  const better = (value: string, rival: string) => [
    `if (${value} > best || (${value} == best && ${rival} < index)) {`,
    `  best = ${value};`,
    `  index = ${rival};`,
    "}",
  ];
  const body = [
    ...place(kernel, sharing, looped),
    `var best = ${least};`,
    `var index = ${NO_INDEX};`,
    ...rounds(
      kernel,
      sharing,
      looped,
      context.tuning,
      { total: "best", zero: least, isRounded: false },
      () => [
        ...emitSteps(shader, steps, loops),
        `let element = ${element};`,
        "if (element > best) { best = element; index = round; }",
      ],
    ),
    ...join(
      shader,
      sharing,
      context,
      [
        { name: "best", shared: "values", type },
        { name: "index", shared: "indices", type: "u32" },
      ],
      ([value = "", rival = ""]) => better(value, rival),
    ),
    `if (part == 0u && output < ${count}u) {`,
    ...(found === undefined ? [setIndex(shader, output, "output")] : [
      shader.setWord(found.values, `split * ${count}u + output`, "best"),
      shader.setWord(found.indices, `split * ${count}u + output`, "index"),
    ]),
    "}",
  ];
  const first = dispatchOf(shader, body, {
    workgroups: Math.ceil(count / outputs) * splits,
    invocations: outputs * lanes,
  });
  if (found === undefined) return first;
  const joining = makeShader(context, 1);
  const part = `split * ${count}u + element`;
  return [
    ...first,
    ...overElements(joining, count, context.tuning, [
      `var best = ${combiner("reduceMax", dtype, joining).initial};`,
      `var index = ${NO_INDEX};`,
      `for (var split = 0u; split < ${splits}u; split++) {`,
      `let value = ${joining.word(found.values, part)};`,
      `let rival = ${joining.word(found.indices, part)};`,
      ...better("value", "rival"),
      "}",
      setIndex(joining, output, "element"),
    ]),
  ];
}

/**
 * A product as sums over its depth, `kept` being `[rows, columns]` where it has an epilogue, and a
 * part of `whole`.
 */
export function sums(
  kernel: KernelOf<"reduce">,
  context: KernelContext,
  epilogue: Epilogue | undefined,
  whole: KernelOf<"reduce">,
): Dispatch[] {
  return totals(kernel, "sum", context, epilogue, whole);
}

/** The largest magnitude of a view's elements, for a buffer of one; NaN if one is NaN. */
export function largest(
  { buffer, offset }: Pick<MatrixView, "buffer" | "offset">,
  shape: Shape,
  strides: readonly number[],
  output: number,
  context: KernelContext,
): Dispatch[] {
  // Along the shortest steps last, so that neighbouring lanes read neighbours.
  const axes = [...shape.keys()].filter((axis) => at(strides, axis) !== 0)
    .toSorted((a, b) => at(strides, b) - at(strides, a));
  const along = (values: readonly number[]) => axes.map((axis) => at(values, axis));
  const elements = floatSteps(context, buffer, { offset, strides: along(strides) });
  return totals(
    {
      kind: "reduce",
      reduction: "reduceMax",
      kept: [],
      reduced: along(shape),
      steps: [
        ...elements,
        { kind: "apply", dtype: "f32", op: "abs", operands: [elements.length - 1] },
      ],
      value: elements.length,
      output,
      outputStart: 0,
    },
    "reduceMax",
    context,
  );
}

/** Reduces the body's value over the inner loops, for each index of the outer ones. */
export const reduce: DispatchEmitter<"reduce"> = (kernel, context) => {
  const { reads, writes } = usedBuffers(kernel);
  const fit = fitting(context, [...reads, ...writes]);
  const { reduction } = kernel;
  if (reduction === "argmax") return argmax(kernel, fit);
  const whole = context.whole?.kind === "reduce" ? context.whole : kernel;
  return totals(kernel, reduction, fit, undefined, whole);
};
