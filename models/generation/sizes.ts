/** The sizes of programs: few, so that calls of about one size share theirs. */

/**
 * A power of two, or half as much again, that is at least 8 and not below `count`: 8, 16, 24, 32, 48,
 * 64, 96.
 */
export function sizeAbove(count: number): number {
  let power = 8;
  while (2 * power <= count) power *= 2;
  const between = 1.5 * power;
  if (count <= power) return power;
  return power > 8 && count <= between ? between : 2 * power;
}

/** The least power of two that is not below `count`. */
export function powerAbove(count: number): number {
  let power = 1;
  while (power < count) power *= 2;
  return power;
}
