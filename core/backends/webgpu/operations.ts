/** The operations of loop bodies as WGSL expressions. */
import type { ComputedDType } from "../../dtype.ts";
import type { NativeOperation, ScalarOperation } from "../../lowering/operations.ts";
import { elementary, resolve } from "../../lowering/elementary/elementary.ts";
import { literal, type MathFunction } from "./math.ts";
import { laneType } from "./types.ts";

/** The name of a function in WGSL, whose own ones keep theirs. */
export function nameOf(name: MathFunction): string {
  return Object.hasOwn(elementary, name) ? `${name}Of` : name;
}

/** Notes that a function is used, and gives its name. */
export type Use = (name: MathFunction) => string;

/** The operands that an operation is emitted from. */
interface Operands {
  /** Its operands as expressions. */
  readonly x: readonly string[];
  /** Their element type. */
  readonly dtype: ComputedDType;
  /** The element type of the result. */
  readonly result: ComputedDType;
  readonly use: Use;
}

type Emit = (operands: Operands) => string;

/** A text with `a`, `b` and `c` standing for the operands. */
function written(template: string): Emit {
  return ({ x }) => template.replace(/\b[abc]\b/g, (name) => x["abc".indexOf(name)] ?? name);
}

function calling(name: MathFunction): Emit {
  return ({ x, use }) => `${use(name)}(${x.join(", ")})`;
}

/** An operation by element type. */
function byType(forms: { readonly [D in ComputedDType]?: Emit }): Emit {
  return (operands) => {
    const form = forms[operands.dtype];
    if (form === undefined) throw new TypeError(`no code for ${operands.dtype}`);
    return form(operands);
  };
}

/** One text for all number types, or for all element types. */
const numbers = (template: string): Emit => {
  const form = written(template);
  return byType({ f32: form, i32: form, u32: form });
};

/** An element type's constant. */
export function constant(dtype: ComputedDType, value: number, use: Use): string {
  switch (dtype) {
    case "f32":
    case "f64": {
      const rounded = Math.fround(value);
      if (Number.isNaN(rounded)) return `${use("nan")}()`;
      if (Number.isFinite(rounded)) return `${laneType(dtype)}(${literal(value)})`;
      return `${rounded < 0 ? "-" : ""}${use("infinity")}()`;
    }
    case "i32":
      return `I(${value | 0})`;
    case "u32":
      return `U(${value >>> 0}u)`;
    case "bool":
      return `B(${value !== 0})`;
    default:
      return dtype satisfies never;
  }
}

const choose = (type: "F" | "I" | "U"): Emit => written(`select(${type}(0), ${type}(1), a)`);

/** Conversions by the operand's type, then by the result's. */
const conversions: { readonly [D in ComputedDType]?: { readonly [D in ComputedDType]?: Emit } } = {
  f32: {
    f32: written("a"),
    i32: calling("toI"),
    u32: calling("toU"),
    bool: calling("toB"),
  },
  i32: {
    f32: written("F(a)"),
    i32: written("a"),
    u32: written("U(a)"),
    bool: written("(a != I(0))"),
  },
  u32: {
    f32: written("F(a)"),
    i32: written("I(a)"),
    u32: written("a"),
    bool: written("(a != U(0))"),
  },
  bool: { f32: choose("F"), i32: choose("I"), u32: choose("U"), bool: written("a") },
};

const natives: { readonly [O in NativeOperation]: Emit } = {
  neg: byType({ f32: written("-a"), i32: written("-a"), u32: written("(U(0u) - a)") }),
  abs: byType({ f32: written("abs(a)"), i32: written("abs(a)"), u32: written("a") }),
  sign: byType({
    f32: calling("signOf"),
    i32: written("sign(a)"),
    u32: written("min(a, U(1u))"),
  }),
  floor: byType({ f32: written("floor(a)") }),
  sqrt: byType({ f32: written("sqrt(a)") }),
  not: written("!a"),
  cast: (operands) => {
    const form = conversions[operands.dtype]?.[operands.result];
    if (form === undefined) throw new TypeError("the webgpu backend has no f64");
    return form(operands);
  },
  add: numbers("(a + b)"),
  sub: numbers("(a - b)"),
  mul: numbers("(a * b)"),
  div: byType({ f32: written("(a / b)"), i32: calling("divideI"), u32: calling("divideU") }),
  maximum: byType({
    f32: calling("maximumOf"),
    i32: written("max(a, b)"),
    u32: written("max(a, b)"),
  }),
  minimum: byType({
    f32: calling("minimumOf"),
    i32: written("min(a, b)"),
    u32: written("min(a, b)"),
  }),
  rem: byType({ i32: calling("remainderI"), u32: calling("remainderU") }),
  multiplyAdd: written("fma(a, b, c)"),
  atLeast: calling("atLeast"),
  atMost: calling("atMost"),
  bitcast: ({ x: [x], result }) => `bitcast<${laneType(result)}>(${x})`,
  xor: written("(a ^ b)"),
  shiftLeft: written("(a << b)"),
  shiftRight: written("(a >> b)"),
  leadingZeros: written("countLeadingZeros(a)"),
  // A number that is compared with itself is one with NaN: `x == x` may be folded to true.
  equal: (operands) => {
    const [a, b] = operands.x;
    if (operands.dtype === "f32" && a === b) return `!${operands.use("isNan")}(${a})`;
    return written("(a == b)")(operands);
  },
  less: numbers("(a < b)"),
  lessEqual: numbers("(a <= b)"),
  and: written("(a & b)"),
  or: written("(a | b)"),
  where: written("select(c, b, a)"),
};

/** The operands of an operation. */
export interface TextOperand {
  readonly text: string;
  readonly dtype: ComputedDType;
}

/** An operation with the element type of its result, applied to operands. */
export function applied(
  { op, dtype: result }: { readonly op: ScalarOperation; readonly dtype: ComputedDType },
  operands: readonly TextOperand[],
  use: Use,
): string {
  const dtype = operands[0]?.dtype ?? result;
  const x = operands.map(({ text }) => text);
  const resolved = resolve(op, dtype);
  return resolved.kind === "function"
    ? `${use(resolved.op)}(${x.join(", ")})`
    : natives[resolved.op]({ x, dtype, result, use });
}
