/**
 * Functions that four floats have a better way for than the steps that all backends share, and
 * operations on integers that have no vector form.
 */
import { at } from "../../shape.ts";
import { GELU_CUBIC, GELU_LINEAR } from "../../primitives.ts";
import { EXP2, GELU_NEAR } from "../../lowering/elementary/polynomials.ts";
import type { ElementaryFunction } from "../../lowering/operations.ts";
import { DECAYED, pow, reduceDecay, remainder } from "./doubles.ts";
import { branch, type Code, f32x4, i32, i32x4, local, types, v128 } from "./instructions.ts";
import { keep, type Scope } from "./scope.ts";

/** Code that leaves one vector, from operands that are cheap to repeat. */
type MathCode = (scope: Scope, ...x: Code[]) => Code;

function operand(x: readonly Code[], index: number): Code {
  const code = x[index];
  if (code === undefined) throw new RangeError(`operand ${index} is missing`);
  return code;
}

/** A function of one vector. */
function unary(body: (scope: Scope, x: Code) => Code): MathCode {
  return (scope, ...x) => body(scope, operand(x, 0));
}

/** A function of two vectors. */
function binary(body: (scope: Scope, a: Code, b: Code) => Code): MathCode {
  return (scope, ...x) => body(scope, operand(x, 0), operand(x, 1));
}

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
function polynomial({ float, madd }: Scope, x: Code, coefficients: readonly number[]): Code {
  const first = float(at(coefficients, 0));
  return coefficients.slice(1).reduce<Code>((sum, next) => madd(sum, x, float(next)), first);
}

/** Added to a number below 2^22, this leaves the nearest integer in the lowest bits. */
const ROUNDER = 1.5 * 2 ** 23;

/** `e^-|u|` as a power of 2; below 2^-126.5 it is 0. */
const geluDecay = unary((scope, x) => {
  const { float, madd, locals } = scope;
  const size = keep(scope, f32x4.abs(x));
  const factor = madd(
    f32x4.mul(size.get, size.get),
    float(GELU_CUBIC * Math.LOG2E),
    float(GELU_LINEAR * Math.LOG2E),
  );
  const w = keep(scope, f32x4.mul(size.get, factor));
  // With the bias of exponents, so that the lowest bits are the bits of the scale.
  const rounder = float(ROUNDER + DECAYED);
  const [rounded, rest] = [locals.add(types.v128), locals.add(types.v128)];
  const scale = i32x4.shl(local.get(rounded), i32.const(23));
  return [
    size.set,
    w.set,
    local.set(rounded, f32x4.sub(rounder, w.get)),
    local.set(rest, f32x4.sub(f32x4.sub(rounder, local.get(rounded)), w.get)),
    branch(
      v128.anyTrue(f32x4.gt(size.get, float(GELU_NEAR))),
      [
        reduceDecay(scope, size.get, rounded, rest),
        local.set(rounded, f32x4.sub(rounder, local.get(rounded))),
      ],
    ),
    f32x4.mul(polynomial(scope, local.get(rest), EXP2), scale),
  ];
});

/** One integer or the other by a condition. */
function choose(condition: Code, then: Code, otherwise: Code): Code {
  return [condition, 0x04, types.i32, then, 0x05, otherwise, 0x0b];
}

/** An integer operation without a vector form, lane by lane. */
function byLanes(operation: (a: Code, b: Code, scope: Scope) => Code): MathCode {
  return binary((scope, a, b) => {
    const [left, right, result] = [keep(scope, a), keep(scope, b), keep(scope, scope.word(0))];
    const lane = (index: number): Code => {
      const [x, y] = [i32x4.extractLane(left.get, index), i32x4.extractLane(right.get, index)];
      return result.reset(i32x4.replaceLane(result.get, index, operation(x, y, scope)));
    };
    return [left.set, right.set, result.set, [0, 1, 2, 3].map(lane), result.get];
  });
}

/** A quotient or a remainder; a divisor of 0 gives 0. */
function divided(operation: (a: Code, b: Code) => Code): MathCode {
  return byLanes((a, b, { locals }) => {
    const divisor = locals.add(types.i32);
    const quotient = operation(a, local.get(divisor));
    return [local.set(divisor, b), choose(local.get(divisor), quotient, i32.const(0))];
  });
}

/** `-2^31 / -1` overflows in the machine's division; as everywhere, it wraps. */
function divideSigned(a: Code, b: Code): Code {
  return choose(i32.eq(b, i32.const(-1)), i32.sub(i32.const(0), a), i32.divS(a, b));
}

/** Operations on integers that are carried out lane by lane. */
export const lanes = {
  divS: divided(divideSigned),
  divU: divided(i32.divU),
  remS: divided(i32.remS),
  remU: divided(i32.remU),
  shl: byLanes(i32.shl),
  shrS: byLanes(i32.shrS),
  shrU: byLanes(i32.shrU),
  clz: unary((scope, x) => byLanes((a) => i32.clz(a))(scope, x, x)),
} as const satisfies Readonly<Record<string, MathCode>>;

/** Functions that go another way here. */
export const overrides: { readonly [F in ElementaryFunction]?: MathCode } = {
  // An exponential of 2 takes half the steps, and f64, where that is needed, a third of theirs: GELU
  // is in the epilogue of every second product.
  geluDecay,
  // One instruction.
  nearest: unary((_, x) => f32x4.nearest(x)),
  // In f64 a power is rounded once, and a remainder takes a division for 26 bits.
  pow: binary(pow),
  remainder: binary(remainder),
};
