/**
 * What primitives give for numbers at which arithmetic turns special: signed zeros, infinities, no
 * numbers, and integers that wrap. By IEEE 754, the C standard (Annex F) and two's complement; every
 * backend gives them, bit for bit.
 */
import {
  apply,
  cast,
  compile,
  type Device,
  type DType,
  max,
  type PrimitiveName,
  type PrimitiveParameters,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";

/** Operands of one element, and the result. */
type Row = readonly [...operands: number[], result: number];

/** A primitive without parameters at special values. */
interface Special {
  readonly of: string;
  readonly apply: (operands: readonly Tensor[]) => Tensor;
  readonly dtype: DType;
  readonly rows: readonly Row[];
}

type Plain = {
  [P in PrimitiveName]: Record<never, never> extends PrimitiveParameters[P] ? P : never;
}[PrimitiveName];

function special(of: Plain, rows: readonly Row[], dtype: DType = "f32"): Special {
  return { of, apply: (operands) => apply(of, operands, {}), dtype, rows };
}

/** A cast, from f32. */
function casts(to: DType, rows: readonly Row[]): Special {
  return {
    of: `cast to ${to}`,
    apply: ([x]) => cast(x ?? tensor(NaN), to),
    dtype: "f32",
    rows,
  };
}

/** A reduction of as many elements as there are operands. */
function reduces(
  of: "sum" | "max",
  rows: readonly Row[],
): Special {
  const f = { sum, max }[of];
  return {
    of,
    apply: (operands) => f(apply("concat", operands.map(column), { axis: 1 }), { axes: [1] }),
    dtype: "f32",
    rows,
  };
}

function column(x: Tensor): Tensor {
  return apply("reshape", [x], { shape: [...x.shape, 1] });
}

const I = Infinity;
const [least, most] = [-(2 ** 31), 2 ** 31 - 1];
const tiny = Math.fround(1e-10);

/** The table. */
export const specials: readonly Special[] = [
  special("neg", [[0, -0], [-0, 0], [I, -I], [NaN, NaN]]),
  special("abs", [[-0, 0], [0, 0], [-I, I], [NaN, NaN]]),
  special("sign", [[-0, 0], [0, 0], [I, 1], [-I, -1], [NaN, NaN], [-1e-30, -1]]),
  special("floor", [
    ...[[-0, -0], [0, 0], [0.5, 0], [-0.5, -1], [I, I], [-I, -I], [NaN, NaN]] satisfies Row[],
    ...[[8388607.5, 8388607], [-8388607.5, -8388608], [2 ** 60, 2 ** 60]] satisfies Row[],
  ]),
  special("exp", [[-I, 0], [I, I], [NaN, NaN], [0, 1], [-0, 1], [89, I], [3e38, I], [-110, 0]]),
  special("expm1", [
    ...[[-I, -1], [I, I], [NaN, NaN], [0, 0], [-0, -0], [89, I], [-30, -1]] satisfies Row[],
    ...[[tiny, tiny], [-tiny, -tiny]] satisfies Row[],
  ]),
  special("log", [[0, -I], [-0, -I], [-1, NaN], [-I, NaN], [I, I], [NaN, NaN], [1, 0]]),
  special("log1p", [
    ...[[-1, -I], [-2, NaN], [-I, NaN], [I, I], [NaN, NaN], [0, 0], [-0, -0]] satisfies Row[],
    ...[[tiny, tiny], [-tiny, -tiny]] satisfies Row[],
  ]),
  special("sqrt", [[0, 0], [-0, -0], [-1, NaN], [-I, NaN], [I, I], [NaN, NaN], [4, 2]]),
  special("sin", [[0, 0], [-0, -0], [I, NaN], [-I, NaN], [NaN, NaN]]),
  special("cos", [[0, 1], [-0, 1], [I, NaN], [-I, NaN], [NaN, NaN]]),
  special("tanh", [[0, 0], [-0, -0], [I, 1], [-I, -1], [20, 1], [-20, -1], [NaN, NaN]]),
  special("erf", [[0, 0], [-0, -0], [I, 1], [-I, -1], [NaN, NaN]]),
  special("geluDecay", [[0, 1], [-0, 1], [I, 0], [-I, 0], [20, 0], [-1e30, 0], [NaN, NaN]]),
  special("normalTail", [[0, 0.5], [-0, 0.5], [I, 0], [-I, 0], [15, 0], [NaN, NaN]]),
  special("add", [[I, -I, NaN], [-0, -0, -0], [0, -0, 0], [-0, 0, 0], [3e38, 3e38, I]]),
  special("sub", [[I, I, NaN], [0, 0, 0], [-0, 0, -0], [-0, -0, 0], [-3e38, 3e38, -I]]),
  special("mul", [[0, I, NaN], [-0, 1, -0], [-1, 0, -0], [-1, -0, 0], [3e38, -10, -I]]),
  special("div", [
    ...[[0, 0, NaN], [I, I, NaN], [1, 0, I], [1, -0, -I], [-1, 0, -I]] satisfies Row[],
    ...[[1, I, 0], [-1, I, -0], [0, -1, -0], [3e38, 0.1, I]] satisfies Row[],
  ]),
  special("maximum", [
    ...[[NaN, 1, NaN], [1, NaN, NaN], [NaN, I, NaN], [-I, NaN, NaN]] satisfies Row[],
    ...[[0, -0, 0], [-0, 0, 0], [-0, -0, -0], [-I, I, I], [-1, -2, -1]] satisfies Row[],
  ]),
  special("minimum", [
    ...[[NaN, 1, NaN], [1, NaN, NaN], [NaN, -I, NaN], [I, NaN, NaN]] satisfies Row[],
    ...[[0, -0, -0], [-0, 0, -0], [0, 0, 0], [-I, I, -I], [-1, -2, -2]] satisfies Row[],
  ]),
  special("pow", [
    // To the power 0, and of 1: whatever the other one is.
    ...[[0, 0, 1], [NaN, 0, 1], [I, -0, 1], [-I, 0, 1], [-2, 0, 1]] satisfies Row[],
    ...[[1, NaN, 1], [1, I, 1], [1, -I, 1], [-1, I, 1], [-1, -I, 1]] satisfies Row[],
    ...[[NaN, 1, NaN], [2, NaN, NaN], [-1, NaN, NaN], [0, NaN, NaN]] satisfies Row[],
    // Of zeros.
    ...[[0, 3, 0], [-0, 3, -0], [0, 2, 0], [-0, 2, 0], [-0, 0.5, 0], [0, I, 0]] satisfies Row[],
    ...[[0, -1, I], [-0, -1, -I], [-0, -2, I], [-0, -0.5, I], [0, -I, I]] satisfies Row[],
    // Of infinities.
    ...[[I, 2, I], [I, -1, 0], [-I, 3, -I], [-I, 2, I], [-I, 0.5, I]] satisfies Row[],
    ...[[-I, -3, -0], [-I, -2, 0], [-I, -0.5, 0], [I, I, I], [I, -I, 0], [
      -I,
      I,
      I,
    ]] satisfies Row[],
    // To infinite powers.
    ...[[2, I, I], [2, -I, 0], [0.5, I, 0], [0.5, -I, I], [-2, I, I], [-0.5, I, 0]] satisfies Row[],
    // Of negative bases.
    ...[[-2, 3, -8], [-2, 2, 4], [-2, -3, -0.125], [-2, 0.5, NaN], [
      -8,
      1 / 3,
      NaN,
    ]] satisfies Row[],
    ...[[-1, 2 ** 24, 1], [-1, 2 ** 24 - 1, -1], [-1, 3e38, 1]] satisfies Row[],
    // Beyond the ends.
    ...[[2, 128, I], [-2, 129, -I], [2, -200, 0], [-2, -201, -0], [10, 39, I]] satisfies Row[],
    // Exact.
    ...[[9, 3, 729], [3, 15, 14348907], [2, 127, 2 ** 127], [2, -126, 2 ** -126]] satisfies Row[],
    ...[[10, 10, 1e10], [-5, 9, -1953125], [1.5, 8, 25.62890625], [
      0.25,
      2,
      0.0625,
    ]] satisfies Row[],
  ]),
  special("rem", [
    ...[[1, I, 1], [-1, I, -1], [1e10, 3, 1], [5, 3, 2], [-5, 3, -2], [5, -3, 2]] satisfies Row[],
    ...[[-6, 3, -0], [6, -3, 0], [0, 3, 0], [-0, 3, -0], [-0, I, -0], [
      5.5,
      2,
      1.5,
    ]] satisfies Row[],
    ...[[I, 3, NaN], [-I, I, NaN], [1, 0, NaN], [0, 0, NaN], [NaN, 3, NaN], [
      3,
      NaN,
      NaN,
    ]] satisfies Row[],
    ...[[2 ** 127, 3, 2], [2 ** 100, 7, 2], [-(2 ** 101), 10, -2], [
      16777216,
      16777215,
      1,
    ]] satisfies Row[],
  ]),
  special("equal", [[NaN, NaN, 0], [0, -0, 1], [I, I, 1], [NaN, 1, 0], [I, -I, 0]]),
  special("less", [[NaN, NaN, 0], [NaN, 1, 0], [1, NaN, 0], [-0, 0, 0], [-I, I, 1], [I, I, 0]]),
  special("lessEqual", [[NaN, NaN, 0], [NaN, 1, 0], [1, NaN, 0], [-0, 0, 1], [0, -0, 1], [
    I,
    I,
    1,
  ]]),
  casts("i32", [
    ...[[NaN, 0], [I, most], [-I, least], [3e9, most], [-3e9, least]] satisfies Row[],
    ...[[-0, 0], [-0.9, 0], [0.9, 0], [-1.5, -1], [2147483520, 2147483520]] satisfies Row[],
  ]),
  casts("u32", [
    ...[[NaN, 0], [I, 2 ** 32 - 1], [-I, 0], [5e9, 2 ** 32 - 1], [-1, 0]] satisfies Row[],
    ...[[-0, 0], [-0.9, 0], [0.9, 0], [3e9, 3e9], [4294967040, 4294967040]] satisfies Row[],
  ]),
  casts("bool", [[NaN, 1], [0, 0], [-0, 0], [I, 1], [-I, 1], [1e-30, 1], [-1, 1]]),
  special("neg", [[least, least], [5, -5]], "i32"),
  special("abs", [[least, least], [-5, 5]], "i32"),
  special("add", [[most, 1, least]], "i32"),
  special("sub", [[least, 1, most]], "i32"),
  special("mul", [[65536, 65536, 0], [least, -1, least]], "i32"),
  special("div", [[7, 0, 0], [least, -1, least], [-7, 2, -3], [least, 1, least]], "i32"),
  special("rem", [[7, 0, 0], [least, -1, 0], [-7, 3, -1], [7, -3, 1]], "i32"),
  special("div", [[2 ** 32 - 1, 2, most], [1, 0, 0], [0, 0, 0], [1, 2 ** 32 - 1, 0]], "u32"),
  special("rem", [[2 ** 32 - 1, 10, 5], [1, 0, 0], [0, 0, 0]], "u32"),
  special("sub", [[0, 1, 2 ** 32 - 1]], "u32"),
  special("neg", [[1, 2 ** 32 - 1], [0, 0]], "u32"),
  reduces("sum", [[I, -I, NaN], [-0, -0, 0], [I, 1, I], [NaN, 1, NaN], [3e38, 3e38, I]]),
  reduces("max", [[NaN, 1, NaN], [1, NaN, NaN], [-I, -I, -I], [0, -0, 0], [-0, 0, 0], [-I, I, I]]),
];

/** The rows of a table that a device does not give; signs of zeros count unless told. */
export async function wrongRows(
  device: Device,
  { of, apply, dtype, rows }: Special,
  isSame: (a: number, b: number) => boolean = Object.is,
): Promise<string[]> {
  const columns = Array.from(
    { length: (rows[0]?.length ?? 1) - 1 },
    (_, i) => tensor(rows.map((row) => row[i] ?? NaN), { dtype }),
  );
  using program = compile((...operands: Tensor[]) => apply(operands), { device });
  const results = await program(...columns).data();
  return rows.flatMap((row, i) => {
    const [result, expected] = [results[i] ?? NaN, row.at(-1) ?? NaN];
    if (isSame(result, expected)) return [];
    const show = (x: number) => Object.is(x, -0) ? "-0" : `${x}`;
    const operands = row.slice(0, -1).map(show).join(", ");
    return [`${of}(${operands}) is ${show(result)}, not ${show(expected)}`];
  });
}
