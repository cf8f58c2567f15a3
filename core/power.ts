/**
 * `a^b` of numbers by IEEE 754, where 1 to any power is 1, and -1 to an infinite one. JavaScript says NaN
 * of these.
 */
export function power(a: number, b: number): number {
  return a === 1 || a === -1 && (b === Infinity || b === -Infinity) ? 1 : Math.pow(a, b);
}
