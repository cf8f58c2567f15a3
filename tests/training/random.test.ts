/** Random numbers by seed: rows of data follow from them, so they are the same for ever. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { randomStream, shuffled, shuffledNumbers } from "@unitune/training";
// Not public: whole numbers and seeds from a stream.
import { integerFrom, seedFrom } from "../../training/random.ts";

const word = (value: bigint) => BigInt.asUintN(32, value);

/** Murmur3's finalizer of 32 bits, in integers of any length. */
function mixed(bits: bigint): bigint {
  let h = word(bits);
  h = word((h ^ (h >> 16n)) * 0x85ebca6bn);
  h = word((h ^ (h >> 13n)) * 0xc2b2ae35n);
  return h ^ (h >> 16n);
}

/** The first numbers of splitmix32 from a counter, as whole numbers of 32 bits. */
function numbersFrom(counter: bigint, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, i) => mixed(counter + BigInt(i + 1) * 0x9e3779b9n));
}

/** An integer of any size in 32 bits, its high half mixed in. */
const folded = (integer: bigint) => mixed(integer) ^ mixed((integer >> 32n) + 1n);

Deno.test("the finalizer of this test is Murmur3's", () => {
  // From the reference implementation, MurmurHash3.cpp of Austin Appleby.
  assertEquals([0n, 1n, 0xffffffffn].map(mixed), [0n, 0x514e28b7n, 0x81f16f39n]);
});

Deno.test("a stream is splitmix32 from a counter that its seed and its branches mix", () => {
  const integer = fc.maxSafeInteger();
  fc.assert(
    fc.property(integer, fc.array(integer, { maxLength: 3 }), (seed, branch) => {
      const counter = branch.reduce(
        (state, number) => mixed(state + 0x9e3779b9n) ^ folded(BigInt(number)),
        folded(BigInt(seed)),
      );
      const random = randomStream(seed, ...branch);
      assertEquals(
        [random(), random(), random()],
        numbersFrom(counter, 3).map((number) => Number(number) / 2 ** 32),
      );
    }),
  );
});

Deno.test("whole numbers are drawn from all of a range, its ends included", () => {
  const draw = (share: number) => integerFrom(() => share, 3, 5);
  assertEquals([0, 0.333, 0.334, 0.666, 0.667, 0.999].map(draw), [3, 3, 4, 4, 5, 5]);
});

Deno.test("seeds from a stream are all integers of 32 bits", () => {
  const shares = [0, 2 ** -32, 0.5, 1 - 2 ** -32];
  assertEquals(shares.map((share) => seedFrom(() => share)), [0, 1, 2 ** 31, 2 ** 32 - 1]);
});

Deno.test("numbers are in the order of their keys, equal ones in their own", () => {
  const keys = [0.5, 0.25, 0.5, 0.75, 0.25];
  const streamOf = () => {
    const left = [...keys];
    return () => left.shift() ?? NaN;
  };
  assertEquals([...shuffledNumbers(streamOf(), 5)], [1, 4, 0, 2, 3]);
  assertEquals(shuffled(streamOf(), "abcde"), ["b", "e", "a", "c", "d"]);
});
