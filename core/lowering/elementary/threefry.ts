/** Threefry-2x32 in steps: see `core/threefry.ts` for its source and its constants. */
import { GROUPS, PARITY, ROTATIONS } from "../../threefry.ts";
import {
  add,
  and,
  define,
  equal,
  or,
  parameter,
  type Scalar,
  type ScalarFunction,
  shiftLeft,
  shiftRight,
  where,
  xor,
} from "./scalar.ts";

type Word = Scalar<"u32">;

function rotateLeft(x: Word, bits: number): Word {
  return or(shiftLeft(x, bits), shiftRight(x, 32 - bits));
}

/** The words at positions, which count words of blocks: see `randomBits` in the primitives. */
function wordAt(
  position: Word,
  [key0, key1]: readonly [Word, Word],
  [counter0, counter1]: readonly [Word, Word],
): Word {
  const last = xor(xor(key0, key1), PARITY);
  const subkey = (index: number): Word => [key0, key1, last][index % 3] ?? last;
  let x = add(add(shiftRight(position, 1), counter0), key0);
  let y = add(counter1, key1);
  for (let group = 0; group < GROUPS; group++) {
    for (const rotation of ROTATIONS[group % 2] ?? []) {
      x = add(x, y);
      y = xor(rotateLeft(y, rotation), x);
    }
    x = add(x, subkey(group + 1));
    y = add(add(y, subkey(group + 2)), group + 1);
  }
  return where(equal(and(position, 1), 1), y, x);
}

const word = (): Word => parameter("u32");
const [position, key0, key1, counter0, counter1] = [word(), word(), word(), word(), word()];

/** The functions of this file. */
export const generators = {
  threefry: define(
    [position, key0, key1, counter0, counter1],
    wordAt(position, [key0, key1], [counter0, counter1]),
  ),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
