/**
 * Threefry-2x32 with 20 rounds: the counter-based generator behind every random number.
 *
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
import { at } from "./shape.ts";

/** Left rotations of the second word in rounds 4k to 4k + 3, for even and for odd k. */
export const ROTATIONS: readonly (readonly [number, number, number, number])[] = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];

/** The parity word of the key schedule. */
export const PARITY = 0x1bd11bda;

/** Groups of four rounds; a subkey is added after each. */
export const GROUPS = 5;

/** The two 32-bit words of the block that a counter names under a key. */
export function threefry2x32(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const subkeys = [key[0], key[1], key[0] ^ key[1] ^ PARITY] as const;
  let x = (counter[0] + subkeys[0]) >>> 0;
  let y = (counter[1] + subkeys[1]) >>> 0;
  for (let group = 0; group < GROUPS; group++) {
    for (const rotation of at(ROTATIONS, group % 2)) {
      x = (x + y) >>> 0;
      y = (((y << rotation) | (y >>> (32 - rotation))) ^ x) >>> 0;
    }
    x = (x + at(subkeys, (group + 1) % 3)) >>> 0;
    y = (y + at(subkeys, (group + 2) % 3) + group + 1) >>> 0;
  }
  return [x, y];
}
