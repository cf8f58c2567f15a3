/** Kernels that are made of a body, as functions of C: maps, reductions, and epilogues of products. */
import type { ComputedDType, DType } from "../../dtype.ts";
import type { Epilogue, KernelOf } from "../../lowering/kernels.ts";
import { nestOf, reductionNest } from "../../lowering/nest.ts";
import { at, type Shape } from "../../shape.ts";
import { cTypes, definitions, type Source, storing, type Writer, writerFor } from "./body.ts";

/** A function of C, and the parameters with which it is this kernel. */
export interface CFunction {
  /** The statements of its body. */
  readonly body: Source;
  /** Its parameters. */
  readonly parameters: readonly number[];
}

/** Neighbouring results that a reduction across rows holds at a time. */
const STRIP = 64;

/** Terms that are added up in 16 lanes of floats before they enter a sum of 64 bits. */
const CHAIN = 1024;

/** Rows that a strip adds up before they enter a sum of 64 bits. */
const ROWS = 64;

/** The loop that threads share: the outermost with more than a few rounds, else the longest. */
function sharedLoop(sizes: Shape): number {
  const wide = sizes.findIndex((size) => size >= 16);
  if (wide >= 0) return wide;
  return sizes.reduce((best, size, loop) => size > at(sizes, best) ? loop : best, 0);
}

/** The head of a function: its parameters as constants, and its buffers. */
function withHead(
  lines: readonly Source[],
  { parameters }: Writer,
  dtypes: readonly DType[],
): CFunction {
  const head = [
    ...dtypes.map((dtype, buffer) => {
      const type = cTypes[dtype];
      return `${type} *const b${buffer} = (${type} *)b[${buffer}];`;
    }),
    ...parameters.map((_, i) => `const int64_t n${i} = p[${i}];`),
  ];
  return { body: [...head, ...lines].join("\n"), parameters };
}

/** Loops around statements: each with what is computed in it before the next. */
function nested(
  headers: readonly Source[],
  steps: (depth: number) => readonly Source[],
  inner: readonly Source[],
): Source[] {
  const opening = headers.flatMap((header, loop) => [`${header} {`, ...steps(loop + 1)]);
  return [...opening, ...inner, "}".repeat(headers.length)];
}

/** The counters of loops. */
const countersOf = (sizes: Shape): Source[] => sizes.map((_, loop) => `i${loop}`);

/** The header of a loop over all its rounds, or over a thread's part of them. */
function header(counter: Source, end: Source, begin: Source = "0"): Source {
  return `for (int64_t ${counter} = ${begin}; ${counter} < ${end}; ${counter}++)`;
}

/** Says that no round of a loop depends on another: what a body reads and writes is one element. */
const independent = "\n#pragma GCC ivdep\n";

/** Evaluates the body for each index of the domain, and stores values of it. */
export function map(
  { domain, steps, stores }: KernelOf<"map">,
  dtypes: readonly DType[],
): CFunction {
  const writer = writerFor(countersOf(domain));
  const { depths } = nestOf(domain, steps);
  const at = (depth: number) => definitions(steps, (i) => depths[i] === depth, writer);
  const sizes = domain.map(writer.parameter);
  const split = sharedLoop(domain);
  const headers = sizes.map((size, loop) =>
    (loop === domain.length - 1 ? independent : "") +
    (loop === split ? header(`i${loop}`, "end", "begin") : header(`i${loop}`, size))
  );
  const shared = domain.length === 0
    ? []
    : ["int64_t begin, end;", `share(c, ${sizes[split]}, 1, &begin, &end);`];
  const lines = [...at(0), ...shared, ...nested(headers, at, storing(stores, writer))];
  return withHead(lines, writer, dtypes);
}

/** An epilogue as a function of the rows and columns of a part of the product. */
export function epilogue(
  { steps, stores }: Epilogue,
  [rows, columns]: readonly [number, number],
  dtypes: readonly DType[],
): CFunction {
  const writer = writerFor(["i0", "i1"]);
  const { depths } = nestOf([rows, columns], steps);
  const at = (depth: number) => definitions(steps, (i) => depths[i] === depth, writer);
  const headers = [
    header("i0", "rowEnd", "row"),
    independent + header("i1", "columnEnd", "column"),
  ];
  return withHead([...at(0), ...nested(headers, at, storing(stores, writer))], writer, dtypes);
}

/** The start of a total, by its reduction and type. */
const starts: { readonly [R in "sum" | "reduceMax"]: { readonly [D in ComputedDType]: Source } } = {
  sum: { f32: "0", f64: "0", i32: "0", u32: "0", bool: "0" },
  reduceMax: {
    f32: "-__builtin_inff()",
    f64: "-1.0 / 0",
    i32: "-0x7fffffff - 1",
    u32: "0",
    bool: "0",
  },
};

/** A total with one more value. */
function entered(
  reduction: "sum" | "reduceMax",
  dtype: ComputedDType,
  total: Source,
  value: Source,
): Source {
  if (reduction === "sum") return `${total} + ${value}`;
  return dtype === "f32"
    ? `maximum(${total}, ${value})`
    : `${total} > ${value} ? ${total} : ${value}`;
}

/** Reduces the body's value over the inner loops, for each index of the outer ones. */
export function reduce(kernel: KernelOf<"reduce">, dtypes: readonly DType[]): CFunction {
  if (kernel.reduction === "argmax") return argmax(kernel, dtypes);
  return reductionNest(kernel).isAcross
    ? across(kernel, kernel.reduction, dtypes)
    : along(kernel, kernel.reduction, dtypes);
}

/** The position of a result, in row-major order. */
function resultAt(writer: Writer, sizes: readonly Source[], start: number): Source {
  const index = sizes.reduce((sum, size, loop) => `(${sum}) * ${size} + i${loop}`, "0");
  return `${writer.parameter(start)} + ${index}`;
}

/** The loops of the results, of which threads share one. */
function keptHeaders(
  kept: Shape,
  sizes: readonly Source[],
): { shared: Source[]; headers: Source[] } {
  if (kept.length === 0) return { shared: [], headers: [] };
  const split = sharedLoop(kept);
  return {
    shared: ["int64_t begin, end;", `share(c, ${sizes[split]}, 1, &begin, &end);`],
    headers: sizes.map((size, loop) =>
      loop === split ? header(`i${loop}`, "end", "begin") : header(`i${loop}`, size)
    ),
  };
}

/** One result at a time, in lanes along the innermost loop. */
function along(
  { kept, reduced, steps, value, output, outputStart }: KernelOf<"reduce">,
  reduction: "sum" | "reduceMax",
  dtypes: readonly DType[],
): CFunction {
  const domain = [...kept, ...reduced];
  const writer = writerFor(countersOf(domain));
  const { depths } = nestOf(domain, steps);
  const { dtype } = at(steps, value);
  const [type, wide] = [
    cTypes[dtype],
    dtype === "f32" && reduction === "sum" ? "double" : cTypes[dtype],
  ];
  const start = starts[reduction][dtype];
  const sizes = domain.map(writer.parameter);
  const computed = (depth: number) => definitions(steps, (i) => depths[i] === depth, writer);
  const { shared, headers } = keptHeaders(kept, sizes.slice(0, kept.length));
  const last = domain.length - 1;
  const enter = (from: Source) => `total = ${entered(reduction, dtype, "total", from)};`;
  // Terms are computed as a map's results are, and then added up: C as plain as that is vectorised.
  const innermost = reduced.length === 0 ? [...computed(domain.length + 1), enter(`v${value}`)] : [
    `for (int64_t first = 0; first < ${sizes[last]}; first += ${CHAIN}) {`,
    `const int64_t stop = first + ${CHAIN} < ${sizes[last]} ? first + ${CHAIN} : ${sizes[last]};`,
    `${type} terms[${CHAIN}];`,
    `${independent}${header(`i${last}`, "stop", "first")} {`,
    ...computed(domain.length),
    `terms[i${last} - first] = v${value};`,
    "}",
    dtype === "f32"
      ? enter(`${reduction === "sum" ? "sum_of" : "largest_of"}(terms, stop - first)`)
      : `for (int64_t j = 0; j < stop - first; j++) ${enter("terms[j]")}`,
    "}",
  ];
  const outer = reduced.slice(0, -1).map((_, i) =>
    header(`i${kept.length + i}`, at(sizes, kept.length + i))
  );
  const result = [
    `${wide} total = ${start};`,
    ...nested(outer, (loop) => computed(kept.length + loop), innermost),
    `b${output}[${resultAt(writer, sizes.slice(0, kept.length), outputStart)}] = total;`,
  ];
  const lines = [...computed(0), ...shared, ...nested(headers, computed, result)];
  return withHead(lines, writer, dtypes);
}

/** A strip of neighbouring results at a time, of which each row holds one term. */
function across(
  { kept, reduced, steps, value, output, outputStart }: KernelOf<"reduce">,
  reduction: "sum" | "reduceMax",
  dtypes: readonly DType[],
): CFunction {
  // The loop over the results of a strip comes last.
  const last = kept.length - 1;
  const counters = [...kept.map((_, loop) => `i${loop}`), ...reduced.map((_, loop) => `r${loop}`)];
  const writer = writerFor(counters);
  const { dtype } = at(steps, value);
  const [type, wide] = [
    cTypes[dtype],
    dtype === "f32" && reduction === "sum" ? "double" : cTypes[dtype],
  ];
  const start = starts[reduction][dtype];
  const sizes = [...kept, ...reduced].map(writer.parameter);
  const dependsOn = (loop: number): boolean[] => {
    const known: boolean[] = [];
    for (const step of steps) {
      const own = "at" in step && at(step.at.strides, loop) !== 0;
      const operands = "operands" in step && step.operands.some((operand) => known[operand]);
      known.push(own || operands);
    }
    return known;
  };
  const inStrip = dependsOn(last);
  const inLoop = [...kept, ...reduced].map((_, loop) => dependsOn(loop));
  // Where a step is computed: outside all loops it does not depend on.
  const order = [...kept.keys()].slice(0, -1).concat(
    [...reduced.keys()].map((i) => kept.length + i),
  );
  const depthOf = steps.map((_, i) =>
    1 + order.findLastIndex((loop) => inLoop[loop]?.[i] === true)
  );
  const computed = (depth: number) =>
    definitions(steps, (i) => inStrip[i] !== true && depthOf[i] === depth, writer);
  const own = definitions(steps, (i) => inStrip[i] === true, writer);
  const strip = (rounds: Source) => {
    const outer = reduced.slice(0, -1).map((_, i) => header(`r${i}`, at(sizes, kept.length + i)));
    const inner = reduced.length - 1;
    const size = sizes[kept.length + inner] ?? "1";
    const row = reduced.length === 0 ? "" : `r${inner}`;
    const each = (statement: Source) => `for (int64_t l = 0; l < ${rounds}; l++) ${statement}`;
    const enter = (into: Source, from: Source) =>
      `${into} = ${entered(reduction, dtype, into, from)};`;
    const rows = [
      `for (int64_t block = 0; block < ${size}; block += ${ROWS}) {`,
      `const int64_t stop = block + ${ROWS} < ${size} ? block + ${ROWS} : ${size};`,
      `${type} part[${STRIP}];`,
      each(`part[l] = ${start};`),
      `for (int64_t ${row || "once"} = block; ${row || "once"} < stop; ${row || "once"}++) {`,
      ...computed(order.length),
      `${independent}for (int64_t l = 0; l < ${rounds}; l++) {`,
      `const int64_t i${last} = strip + l;`,
      ...own,
      enter("part[l]", `v${value}`),
      "}}",
      each(enter("total[l]", "part[l]")),
      "}",
    ];
    return [
      `${wide} total[${STRIP}];`,
      each(`total[l] = ${start};`),
      ...nested(outer, (loop) => computed(kept.length - 1 + loop), rows),
      `for (int64_t l = 0; l < ${rounds}; l++) {`,
      `const int64_t i${last} = strip + l;`,
      `b${output}[${resultAt(writer, sizes.slice(0, kept.length), outputStart)}] = total[l];`,
      "}",
    ];
  };
  const width = at(sizes, last);
  const split = kept.length > 1 && sharedLoop(kept.slice(0, -1)) >= 0 &&
      at(kept, sharedLoop(kept.slice(0, -1))) >= 16
    ? sharedLoop(kept.slice(0, -1))
    : last;
  const shared = [
    "int64_t begin, end;",
    `share(c, ${sizes[split]}, ${split === last ? STRIP : 1}, &begin, &end);`,
  ];
  const headers = sizes.slice(0, last).map((size, loop) =>
    loop === split ? header(`i${loop}`, "end", "begin") : header(`i${loop}`, size)
  );
  const [from, to] = split === last ? ["begin", "end"] : ["0", width];
  const strips = [
    `for (int64_t strip = ${from}; strip < ${to}; strip += ${STRIP}) {`,
    `if (strip + ${STRIP} <= ${to}) {`,
    ...strip(`${STRIP}`),
    "} else {",
    `const int64_t width = ${to} - strip;`,
    ...strip("width"),
    "}}",
  ];
  return withHead(
    [...computed(0), ...shared, ...nested(headers, computed, strips)],
    writer,
    dtypes,
  );
}

/** The first index of the largest value along the one reduced loop. */
function argmax(
  { kept, reduced, steps, value, output, outputStart }: KernelOf<"reduce">,
  dtypes: readonly DType[],
): CFunction {
  const domain = [...kept, ...reduced];
  const writer = writerFor(countersOf(domain));
  const { depths } = nestOf(domain, steps);
  const { dtype } = at(steps, value);
  const sizes = domain.map(writer.parameter);
  const computed = (depth: number) => definitions(steps, (i) => depths[i] === depth, writer);
  const { shared, headers } = keptHeaders(kept, sizes.slice(0, kept.length));
  const last = kept.length;
  const result = [
    `${cTypes[dtype]} most = 0;`,
    "int64_t best = 0;",
    ...nested([header(`i${last}`, at(sizes, last))], () => computed(domain.length), [
      `if (i${last} == 0 || v${value} > most) { most = v${value}; best = i${last}; }`,
    ]),
    `b${output}[${resultAt(writer, sizes.slice(0, kept.length), outputStart)}] = best;`,
  ];
  return withHead(
    [...computed(0), ...shared, ...nested(headers, computed, result)],
    writer,
    dtypes,
  );
}
