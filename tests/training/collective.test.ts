/** Processes that train together: their sums, what they tell each other, and their shares of a step. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { cast, leafPaths, outline, reference, tensor, zeros } from "@unitune/core";
import {
  allGatherTree,
  allReduceTree,
  alone,
  type Collective,
  collectiveOf,
  collectivesInMemory,
  type Floats,
  gatherTree,
  type MicroBatch,
  ownersOf,
  rangeOf,
  shareOf,
} from "@unitune/training";
// Not public: what processes tell each other, and how their sums are cut.
import { gatherArrays } from "../../training/collective/arrays.ts";
import { gatherValues } from "../../training/collective/plain.ts";
import { isAsked } from "../../training/collective/requests.ts";
import { sumInOrder, vectorOf } from "../../training/collective/vector.ts";

/** What a function gives in each of some processes. */
async function inAll<T>(
  collectives: readonly Collective[],
  run: (collective: Collective) => Promise<T>,
): Promise<readonly T[]> {
  return await Promise.all(collectives.map(run));
}

/** Arrays of each process, of the same types and lengths. */
const givenArrays = fc.record({
  size: fc.integer({ min: 1, max: 5 }),
  bucketBytes: fc.constantFrom(8, 12, 64, 2 ** 24),
  shapes: fc.array(fc.tuple(fc.constantFrom("f32", "f64"), fc.nat(9)), { maxLength: 6 }),
}).chain(({ size, bucketBytes, shapes }) => {
  const numbers = fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 });
  const arrays = fc.tuple(
    ...shapes.map(([dtype, length]) =>
      fc.array(numbers, { minLength: length, maxLength: length }).map((values): Floats =>
        dtype === "f32" ? new Float32Array(values) : new Float64Array(values)
      )
    ),
  );
  const processes = fc.array(arrays, { minLength: size, maxLength: size });
  return processes.map((given): { given: Floats[][]; bucketBytes: number } => ({
    given,
    bucketBytes,
  }));
});

Deno.test("sums are those in f64 in the order of ranks, rounded once, in every process", async () => {
  await fc.assert(fc.asyncProperty(givenArrays, async ({ given, bucketBytes }) => {
    const wanted = (given[0] ?? []).map((array, index) => {
      const sums = new Float64Array(array.length);
      for (const own of given) {
        own[index]?.forEach((value, i) => sums[i] = (sums[i] ?? NaN) + value);
      }
      return array instanceof Float32Array ? new Float32Array(sums) : sums;
    });
    const got = await inAll(
      collectivesInMemory(given.length, { bucketBytes }),
      async ({ rank, allReduce }) => {
        const own = (given[rank] ?? []).map((array) => array.slice());
        await allReduce(own);
        return own;
      },
    );
    for (const own of got) assertEquals(own, wanted);
  }));
});

Deno.test("a sum is added up in more digits than it has", async () => {
  const parts = [2 ** 24, 1, 1];
  const got = await inAll(collectivesInMemory(3), async ({ rank, allReduce }) => {
    const own = new Float32Array(parts.slice(rank, rank + 1));
    await allReduce([own]);
    return own[0];
  });
  assertEquals(got, new Array(3).fill(2 ** 24 + 2));
});

Deno.test("every process hears what one says, and what all say", async () => {
  for (const size of [1, 2, 3]) {
    const heard = await inAll(collectivesInMemory(size), async (collective) => {
      const own = new Uint8Array(collective.rank + 1).fill(collective.rank);
      const [all, first, last] = [
        await collective.allGather(own),
        await collective.broadcast(own),
        await collective.broadcast(own, size - 1),
      ];
      const gathered = await collective.gather(own);
      await collective.barrier();
      return { all, first, last, gathered };
    });
    const words = Array.from({ length: size }, (_, rank) => new Uint8Array(rank + 1).fill(rank));
    for (const [rank, { all, first, last, gathered }] of heard.entries()) {
      assertEquals(all, words);
      assertEquals([first, last], [words[0], words[size - 1]]);
      assertEquals(gathered, rank === 0 ? words : words.map(() => new Uint8Array()));
    }
  }
});

Deno.test("what is longer than a bucket is told in pieces, of which no process is given more", async () => {
  const lengths = [0, 7, 23];
  const given: number[] = [];
  const heard = await inAll(collectivesInMemory(3, { bucketBytes: 12 }), async (collective) => {
    const { rank, allGather, gather } = collective;
    const own = Uint8Array.from({ length: lengths[rank] ?? 0 }, (_, i) => 10 * rank + i);
    return [await allGather(own), await gather(own)];
  });
  const words = lengths.map((length, rank) => Uint8Array.from({ length }, (_, i) => 10 * rank + i));
  for (const [all] of heard) assertEquals(all, words);
  assertEquals(heard[0]?.[1], words);
  const { allGather } = collectiveOf({
    rank: 0,
    size: 1,
    exchange: (parts) => {
      given.push(parts[0]?.length ?? NaN);
      return Promise.resolve(parts);
    },
  }, { bucketBytes: 8 });
  for (const length of [20, 16, 0]) await allGather(new Uint8Array(length));
  // Each time their number, and then they.
  assertEquals(given, [...[8, 8, 8, 4], ...[8, 8, 8], 8]);
});

Deno.test("the pieces of all processes are a bucket together, and a byte each at least", async () => {
  for (const [size, pieces] of [[3, [2, 2, 1]], [9, [1, 1, 1, 1, 1]]] as const) {
    const lengths: number[] = [];
    const { allGather } = collectiveOf({
      rank: 0,
      size,
      exchange: ([part = new Uint8Array()]) => {
        lengths.push(part.length);
        return Promise.resolve(Array.from({ length: size }, () => part));
      },
    }, { bucketBytes: 8 });
    await allGather(new Uint8Array(5));
    assertEquals(lengths, [8, ...pieces]);
  }
});

Deno.test("arrays are summed in buckets that are full but for the last of a type", () => {
  fc.assert(fc.property(givenArrays, ({ given: [arrays = []], bucketBytes }) => {
    const { count, bucket } = vectorOf(arrays, bucketBytes);
    const buckets = Array.from({ length: count }, (_, index) => bucket(index));
    for (const [index, { dtype, length }] of buckets.entries()) {
      const most = Math.floor(bucketBytes / (dtype === "f32" ? 4 : 8));
      const next = buckets[index + 1]?.dtype;
      if (next === dtype) assertEquals(length, most);
      else assert(0 < length && length <= most, `${length} of ${most}`);
    }
  }));
});

Deno.test("every process hears the values of all, and one alone its own as it is", async () => {
  const own = { number: NaN, none: undefined };
  const [heard] = await gatherValues(alone, own);
  assertEquals(heard === own, true);
  const values = (rank: number) => [rank, { name: `p${rank}`, ends: rank > 0 ? null : [true] }];
  const all = await inAll(
    collectivesInMemory(3),
    (collective) => gatherValues(collective, values(collective.rank)),
  );
  for (const told of all) assertEquals(told, [0, 1, 2].map(values));
  const asked = (asking: readonly number[]) =>
    inAll(
      collectivesInMemory(2),
      (collective) => isAsked(collective, asking.includes(collective.rank)),
    );
  assertEquals([await asked([]), await asked([1]), await asked([0, 1])], [
    [false, false],
    [true, true],
    [true, true],
  ]);
  assertEquals([await isAsked(alone, false), await isAsked(alone, true)], [false, true]);
});

Deno.test("every process has the arrays of all, in their order", async () => {
  const arrays = (rank: number) =>
    Array.from(
      { length: rank },
      (_, i) => Float32Array.from({ length: 2 - i }, () => rank + i / 2),
    );
  for (const size of [1, 2, 4]) {
    const expected = Array.from({ length: size }, (_, rank) => arrays(rank)).flat();
    const all = await inAll(
      collectivesInMemory(size),
      (collective) => gatherArrays(collective, arrays(collective.rank)),
    );
    for (const own of all) assertEquals(own, expected);
  }
});

Deno.test("nobody leaves a barrier before the last has come", async () => {
  const came: number[] = [];
  await inAll(collectivesInMemory(3), async ({ rank, barrier }) => {
    for (let turn = 0; turn < rank; turn++) await Promise.resolve();
    came.push(rank);
    await barrier();
    assertEquals(came.length, 3);
  });
});

Deno.test("processes that make different calls are told so", async () => {
  // The calls differ in their first bucket, or in the second, which is given while the first is summed.
  for (const [own, other, bucketBytes, gave] of [[4, 8, 64, 16], [8, 6, 16, 4]] as const) {
    const [a, b] = collectivesInMemory(2, { bucketBytes });
    assert(a !== undefined && b !== undefined);
    const calls = [a.allReduce([new Float32Array(own)]), b.allReduce([new Float32Array(other)])];
    const [first] = calls;
    assert(first !== undefined);
    await assertRejects(() => first, RangeError, `process 1 gave ${gave} bytes to process 0`);
    await Promise.allSettled(calls);
  }
});

Deno.test("a number of processes and a size of buckets are checked", () => {
  for (const size of [0, 1.5, NaN]) {
    assertThrows(() => collectivesInMemory(size), RangeError, "size is an integer from 1");
  }
  const transport = {
    rank: 0,
    size: 1,
    exchange: (parts: readonly Uint8Array[]) => Promise.resolve(parts),
  };
  assertThrows(() => collectiveOf(transport, { bucketBytes: 7 }), RangeError, "at least 8, not 7");
  assertEquals(collectivesInMemory(1), [alone]);
});

Deno.test("a tree's numbers are summed, and what counts stays as it is", async () => {
  const device = reference();
  const sums = await inAll(collectivesInMemory(2), async (collective) => {
    const own = collective.rank + 1;
    const tree = {
      loss: tensor(own, { dtype: "f64" }),
      terms: [tensor([[own], [10 * own]])],
      count: tensor(own, { dtype: "i32" }),
    };
    const { loss, terms: [term], count } = await allReduceTree(collective, tree, device);
    const kinds = [tree.loss, ...tree.terms, tree.count].map(({ cell }) => cell.value.kind);
    assertEquals(kinds, ["gone", "gone", "host"]);
    return [
      await loss.item(),
      Array.from(await term?.data() ?? []),
      await count.item(),
      term?.shape,
    ];
  });
  assertEquals(sums, [[3, [3, 30], 1, [2, 1]], [3, [3, 30], 2, [2, 1]]]);
});

Deno.test("each process has the tensors of their owners, bit by bit", async () => {
  const device = reference();
  const owners = new Map([["narrow", 1], ["wide.x", 0]]);
  const trees = await inAll(collectivesInMemory(3), async (collective) => {
    const own = collective.rank;
    const narrow = cast(tensor([own, -0]), "bf16");
    const wide = { x: tensor([[own + 0.5]], { dtype: "f64" }) };
    const tree = await allGatherTree(collective, { narrow, wide }, owners, device);
    assertEquals(narrow.cell.value.kind, own === 1 ? "device" : "gone");
    return [await tree.narrow.data(), tree.narrow.dtype, await tree.wide.x.data()];
  });
  const narrow = await cast(tensor([1, -0]), "bf16").data();
  for (const tree of trees) assertEquals(tree, [narrow, "bf16", new Float64Array([0.5])]);
});

Deno.test("a tree that nobody has the whole of is whole in the first process", async () => {
  const like = { moments: [outline(tensor([0, 0])), outline(tensor(0, { dtype: "u32" }))] };
  const parts = [{}, { moments: [tensor([1, 2])] }];
  const last = { moments: [tensor([1, 2]), tensor(7, { dtype: "u32" })] };
  const whole = await inAll(
    collectivesInMemory(3),
    (collective) => gatherTree(collective, parts[collective.rank] ?? last, like),
  );
  const [first, ...others] = whole;
  const read = await Promise.all(first?.moments.map((leaf) => leaf.data()) ?? []);
  assertEquals(read, [new Float32Array([1, 2]), new Uint32Array([7])]);
  for (const other of others) assertEquals(other === like, true);
  const [missing] = collectivesInMemory(1);
  assert(missing !== undefined);
  await assertRejects(() => gatherTree(missing, {}, like), RangeError, "has the tensor moments[0]");
});

Deno.test("tensors are shared out whole, and about evenly", () => {
  const trees = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(trees, fc.integer({ min: 1, max: 5 }), (lengths, size) => {
    const tree = lengths.map((length) => zeros([length]));
    const owners = ownersOf(tree, size);
    assertEquals([...owners.keys()].toSorted(), [...leafPaths(tree).keys()].toSorted());
    const kept = new Array<number>(size).fill(0);
    lengths.forEach((length, i) => {
      const owner = owners.get(`[${i}]`) ?? NaN;
      kept[owner] = (kept[owner] ?? NaN) + length;
    });
    const total = lengths.reduce((sum, length) => sum + length, 0);
    assertEquals(kept.reduce((sum, own) => sum + own, 0), total);
    // Whoever got a tensor last had the fewest elements by then, so no more than the mean.
    assert(Math.max(...kept) <= total / size + Math.max(...lengths));
    assert(Math.max(...kept) - Math.min(...kept) <= Math.max(...lengths));
  }));
  const alike = { a: zeros([2]), b: zeros([2]), c: zeros([2]) };
  assertEquals([...ownersOf(alike, 2)], [["a", 0], ["b", 1], ["c", 0]]);
  // The largest first.
  const other = { a: zeros([1]), b: zeros([1]), c: zeros([2]) };
  assertEquals([...ownersOf(other, 2)], [["c", 0], ["a", 1], ["b", 1]]);
});

Deno.test("numbers that are only stored are not summed", async () => {
  for (const dtype of ["bf16", "f16"] as const) {
    const tree = { weight: cast(tensor([1, 2]), dtype) };
    await assertRejects(() => allReduceTree(alone, tree, reference()), RangeError, dtype);
  }
});

/** Micro-batches of a step, whose rows are numbered in their order. */
const steps = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }).map(
  (sizes) => {
    let first = 0;
    return sizes.map((size): MicroBatch => {
      const rows = Array.from({ length: size }, (_, i) => first + i);
      first += size;
      return { rows, length: 8 * size, size };
    });
  },
);

const sharing = fc.record({
  batches: steps,
  size: fc.integer({ min: 1, max: 6 }),
  isWhole: fc.boolean(),
});

/** The shares of all processes. */
const sharesOf = ({ batches, size, isWhole }: {
  readonly batches: readonly MicroBatch[];
  readonly size: number;
  readonly isWhole: boolean;
}) => Array.from({ length: size }, (_, rank) => shareOf(batches, { rank, size, isWhole }));

Deno.test("the shares of all processes are the step, in its order", () => {
  fc.assert(fc.property(sharing, ({ batches, size, isWhole }) => {
    const shares = sharesOf({ batches, size, isWhole });
    const rowsIn = (some: readonly MicroBatch[]) => some.flatMap(({ rows }) => rows);
    assertEquals(shares.flatMap(({ batches }) => rowsIn(batches)), rowsIn(batches));
    if (isWhole) assertEquals(shares.flatMap(({ batches }) => batches), batches);
    const counts = shares.map(({ batches: own }) => isWhole ? own.length : rowsIn(own).length);
    const all = isWhole ? batches.length : rowsIn(batches).length;
    const ranges = shares.map((_, rank) => rangeOf(all, rank, size));
    assertEquals(counts, ranges.map(({ from, to }) => to - from));
    for (const part of shares.flatMap(({ batches }) => batches)) {
      const whole = batches.find(({ rows }) => rows.includes(part.rows[0] ?? NaN));
      assertEquals(part.length, whole?.length);
      assertEquals(part.size, part.rows.length);
    }
  }));
});

Deno.test("no two parts of a step have one number, and whole micro-batches have their own", () => {
  fc.assert(fc.property(sharing, ({ batches, size, isWhole }) => {
    const numbered = sharesOf({ batches, size, isWhole }).flatMap(({ batches: own, first }) =>
      own.map((part, i) => ({ part, number: first + i }))
    );
    assertEquals(new Set(numbered.map(({ number }) => number)).size, numbered.length);
    if (numbered.some(({ part }) => !batches.includes(part))) return;
    assertEquals(numbered.map(({ number }) => number), [...batches.keys()]);
  }));
});

Deno.test("a micro-batch that was filled up stays so where it is whole", () => {
  const filled = [{ rows: [0, 1], length: 8, size: 4 }];
  assertEquals(shareOf(filled, { rank: 0, size: 1 }), { batches: filled, first: 0 });
  assertEquals(shareOf(filled, { rank: 1, size: 2 }), {
    batches: [{ rows: [1], length: 8, size: 1 }],
    first: 2,
  });
});

Deno.test("ranges of processes follow each other, and differ by one element at most", () => {
  fc.assert(fc.property(fc.nat(40), fc.integer({ min: 1, max: 9 }), (length, size) => {
    const ranges = Array.from({ length: size }, (_, rank) => rangeOf(length, rank, size));
    assertEquals([ranges[0]?.from, ranges.at(-1)?.to], [0, length]);
    ranges.slice(1).forEach(({ from }, i) => assertEquals(from, ranges[i]?.to));
    const lengths = ranges.map(({ from, to }) => to - from);
    assert(Math.max(...lengths) - Math.min(...lengths) <= 1);
  }));
  assertThrows(() => sumInOrder([]), RangeError, "there are no arrays");
});
