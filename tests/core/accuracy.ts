/**
 * How near functions are to their exact values, tails included: relative errors wherever the exact
 * value is a normal number of f32, absolute ones of sine and cosine. All backends are held to it.
 */
import {
  compile,
  cos,
  type Device,
  erf,
  exp,
  expm1,
  gaussian,
  gelu,
  logSigmoid,
  pow,
  reference,
  rem,
  sigmoid,
  sin,
  softplus,
  sum,
  tanh,
  type Tensor,
  tensor,
} from "@unitune/core";
import { grad } from "@unitune/autodiff";

/** A function of one tensor, and where it is looked at. */
interface Accurate {
  readonly f: (x: Tensor) => Tensor;
  /** The largest relative error. */
  readonly within: number;
  /** The same of its gradient. */
  readonly slopeWithin: number;
  /** Where not told: everywhere that f32 has normal results of. */
  readonly isIn?: (x: number) => boolean;
}

const within = 1e-6;
const slopeWithin = 1e-6;
/** Away from the root of the derivative of gelu, where no relative error is small. */
const notNearRoot = (x: number) => x < -1.2 || x > -0.4;
/** Before `e^(-x^2 / 2)` is subnormal, and so short of digits, while its product with x is not. */
const beforeSubnormal = (x: number) => x > -13 && x < 13;

/** The functions; 1e-6 is eight to sixteen units in the last place. */
export const accurate: Readonly<Record<string, Accurate>> = {
  exp: { f: exp, within, slopeWithin },
  expm1: { f: expm1, within, slopeWithin },
  sigmoid: { f: sigmoid, within, slopeWithin },
  softplus: { f: softplus, within, slopeWithin },
  logSigmoid: { f: logSigmoid, within, slopeWithin },
  tanh: { f: tanh, within, slopeWithin },
  erf: { f: erf, within, slopeWithin },
  gaussian: { f: gaussian, within, slopeWithin, isIn: beforeSubnormal },
  "gelu by tanh": { f: (x) => gelu(x), within, slopeWithin, isIn: notNearRoot },
  "gelu by erf": {
    f: (x) => gelu(x, "erf"),
    within,
    slopeWithin,
    isIn: (x) => notNearRoot(x) && beforeSubnormal(x),
  },
};

/** Numbers between -104 and 104, and more of them near 0. */
function ladder(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => {
    const u = (i + 0.37) / size * 2 - 1;
    return [104 * u, 14 * u, 4 * u ** 3][i % 3] ?? u;
  });
}

const LEAST_NORMAL = 2 ** -126;
const LARGEST = 3.4e38;
const exact = reference();

/** The worst relative error where the exact value is a normal number, and where it is. */
async function worstError(
  device: Device,
  f: (x: Tensor) => Tensor,
  x: Float32Array,
): Promise<{ readonly error: number; readonly at: number }> {
  using program = compile(f, { device });
  using oracle = compile(f, { device: exact });
  const actual = await program(tensor(x)).data();
  const expected = await oracle(tensor(x, { dtype: "f64" })).data();
  let worst = { error: 0, at: NaN };
  x.forEach((at, i) => {
    const [value, truth] = [actual[i] ?? NaN, expected[i] ?? NaN];
    const isNormal = Math.abs(truth) > LEAST_NORMAL && Math.abs(truth) < LARGEST;
    const error = isNormal ? Math.abs(value / truth - 1) : Number.isNaN(value) ? NaN : 0;
    if (!(error <= worst.error)) worst = { error, at };
  });
  return worst;
}

/** What a device misses of a function's bounds, as sentences. */
export async function misses(device: Device, name: string, size: number): Promise<string[]> {
  const { f, within, slopeWithin, isIn = () => true } = accurate[name] ?? none(name);
  const x = ladder(size);
  const value = await worstError(device, f, x);
  const slope = await worstError(device, grad((x: Tensor) => sum(f(x))), x.filter(isIn));
  const says = (what: string, { error, at }: { error: number; at: number }, bound: number) =>
    error <= bound ? [] : [`${what} at ${at} is off by ${error}, more than ${bound}`];
  return [...says(name, value, within), ...says(`the slope of ${name}`, slope, slopeWithin)];
}

function none(name: string): never {
  throw new RangeError(`there is no function ${name}`);
}

/** Numbers uniform on [0, 1), the same every time. */
function uniforms(): () => number {
  let state = 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** Floats of random bits: all exponents are as likely. */
export function randomFloats(size: number, seed: number): Float32Array {
  const uniform = uniforms();
  for (let i = 0; i < seed * size; i++) uniform();
  const bits = Uint32Array.from({ length: size }, () => Math.floor(uniform() * 2 ** 32));
  return new Float32Array(bits.buffer).map((x) => Number.isFinite(x) ? x : 1);
}

/** The worst relative error of `a^b` for random bases and powers with normal results. */
export async function worstPower(device: Device, size: number): Promise<number> {
  using program = compile((a: Tensor, b: Tensor) => pow(a, b), { device });
  const uniform = uniforms();
  const a = Float32Array.from({ length: size }, (_, i) => {
    // Bases of any size, near 1, and nearer.
    const spread = [170, 1, 0.01, 1e-5][i % 4] ?? 1;
    return Math.exp((uniform() - 0.5) * spread);
  });
  // Powers that give all sizes of results, and small ones.
  const b = a.map((base, i) =>
    i % 8 < 4 ? (uniform() - 0.5) * 170 / Math.log(base) : 8 * (uniform() - 0.5)
  );
  const actual = await program(tensor(a), tensor(b)).data();
  return a.reduce((worst, base, i) => {
    const truth = Math.pow(base, b[i] ?? NaN);
    if (!(truth > LEAST_NORMAL && truth < LARGEST)) return worst;
    return Math.max(worst, Math.abs((actual[i] ?? NaN) / truth - 1));
  }, 0);
}

/** Remainders of floats of random bits that are not exact, as sentences. */
export async function wrongRemainders(device: Device, size: number): Promise<string[]> {
  using program = compile((a: Tensor, b: Tensor) => rem(a, b), { device });
  // Without subnormal numbers, which a graphics processor may take for 0.
  const normal = (x: number) => Math.abs(x) < 2 ** -100 ? x * 2 ** 60 : x;
  const [a, b] = [randomFloats(size, 1).map(normal), randomFloats(size, 2).map(normal)];
  const actual = await program(tensor(a), tensor(b)).data();
  return [...a].flatMap((x, i) => {
    const [y, value] = [b[i] ?? NaN, actual[i] ?? NaN];
    return Object.is(value, x % y) || Math.abs(x % y) < LEAST_NORMAL
      ? []
      : [`${x} rem ${y} is ${value}, not ${x % y}`];
  });
}

/** The largest absolute error of sine and cosine, and their largest size. */
export async function worstCircular(
  device: Device,
  x: Float32Array,
): Promise<{ readonly error: number; readonly size: number }> {
  using program = compile((x: Tensor) => [sin(x), cos(x)], { device });
  const [sines, cosines] = await Promise.all(program(tensor(x)).map((y) => y.data()));
  let [error, size] = [0, 0];
  x.forEach((angle, i) => {
    const [s, c] = [sines?.[i] ?? NaN, cosines?.[i] ?? NaN];
    const off = Math.max(Math.abs(s - Math.sin(angle)), Math.abs(c - Math.cos(angle)));
    if (!(off <= error)) error = off;
    size = Math.max(size, Math.abs(s), Math.abs(c));
  });
  return { error, size };
}

/** Angles up to 1e5 in size, evenly, and floats of random bits. */
export function angles(size: number): Float32Array {
  const bits = randomFloats(size, 3);
  return bits.map((x, i) => i % 2 === 0 ? x : 2e5 * (i / size - 0.5));
}
