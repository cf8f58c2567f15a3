/**
 * The operations of loop bodies: operations that every emitter has an instruction for, and
 * functions that `elementary/` takes apart into them.
 */

/** Operations that every emitter has, on one element at a time. */
export type NativeOperation =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "sqrt"
  | "cast"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "maximum"
  | "minimum"
  | "equal"
  | "less"
  | "lessEqual"
  /** Of truth values. */
  | "not"
  /** Of truth values, and of the bits of integers. */
  | "and"
  | "or"
  | "where"
  /** The remainder of integers; the remainder of floats is the function `remainder`. */
  | "rem"
  /** `a b + c`, rounded once or twice. */
  | "multiplyAdd"
  /** `low < x ? x : low` of x and low; NaN stays. One instruction where `maximum` is several. */
  | "atLeast"
  /** `x < high ? x : high` of x and high; NaN stays. */
  | "atMost"
  /** The same 32 bits as another element type: f32, i32 or u32. */
  | "bitcast"
  /** Bits that differ, of integers. */
  | "xor"
  /** Bits moved up by a u32 below 32. */
  | "shiftLeft"
  /** Bits moved down by a u32 below 32, with copies of the sign of an i32, with zeros in a u32. */
  | "shiftRight"
  /** The number of zero bits before the first 1 of a u32; 32 of 0. */
  | "leadingZeros";

/** Functions that are taken apart where an emitter has nothing better. */
export type ElementaryFunction =
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "geluDecay"
  | "normalTail"
  | "pow"
  /** The f32 that the 16 bits of a u32 are, as a bfloat16 or as a half. */
  | "bfloatToFloat"
  | "halfToFloat"
  /** The 16 bits of the bfloat16, or of the half, that is nearest to an f32, as a u32. */
  | "floatToBfloat"
  | "floatToHalf"
  /** The operation `rem` of floats. */
  | "remainder"
  /** Parts of the functions above. */
  | "expSum"
  | "geluFar"
  | "nearest"
  | "quarterRest"
  | "farTurns"
  | "binaryPower"
  | "multiplyHigh"
  | "takeOff"
  /** `2^x` for x <= 0, as attention needs it. */
  | "exp2OfNegative"
  /** The step `random`: of a position, two words of a key and two of a counter. */
  | "threefry";

/** The operations that a step of a body may apply. */
export type ScalarOperation = NativeOperation | ElementaryFunction;
