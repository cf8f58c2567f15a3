/** The order of kernels, and the places of their buffers, for kernels made by hand. */
import { assertEquals } from "@std/assert";
import type { DType } from "@unitune/core";
import type { BufferPlan, Kernel, Lowered } from "../../core/lowering/kernels.ts";
import { planMemory } from "../../core/lowering/plan.ts";
import { scheduleKernels } from "../../core/lowering/schedule.ts";

/** Elements of an f32 buffer that takes one unit of storage. */
const UNIT = 16;

/** Where a buffer comes from and goes to. */
type Role = "input" | "output" | "temporary";

/** Buffers by their names: their units of storage and their roles. */
type Named = Readonly<Record<string, readonly [units: number, role: Role, dtype?: DType]>>;

/** What a kernel reads, what it writes, and by how many elements its reads are shifted. */
type Work = readonly [reads: string, writes: string, shift?: number];

/** Kernels over named buffers, as lowering would give them; names of buffers are single letters. */
function lowered(named: Named, work: readonly Work[]): Lowered {
  const names = Object.keys(named);
  const count = { input: 0, output: 0 };
  const buffers = Object.values(named).map(([units, role, dtype = "f32"]): BufferPlan => ({
    dtype,
    size: UNIT * units,
    role: role === "temporary" ? { kind: role } : { kind: role, index: count[role]++ },
  }));
  const place = (offset: number) => ({ offset, strides: [1] });
  const kernels = work.map(([reads, writes, shift = 0]): Kernel => ({
    kind: "map",
    domain: [UNIT],
    steps: [...reads].map((name) => ({
      kind: "load",
      dtype: "f32",
      buffer: names.indexOf(name),
      at: place(shift),
    })),
    stores: [...writes].map((name) => ({
      buffer: names.indexOf(name),
      at: place(0),
      value: 0,
    })),
  }));
  const of = (kind: Role) =>
    buffers.flatMap(({ role }, buffer) => role.kind === kind ? [buffer] : []);
  return { buffers, kernels, inputs: of("input"), outputs: of("output") };
}

const orders: readonly (readonly [name: string, named: Named, work: readonly Work[], string])[] = [
  [
    "what frees as much as it takes comes at once",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [8, "temporary"] },
    [["x", "a"], ["x", "b"], ["a", "c"]],
    "0 2 1",
  ],
  [
    "so does what follows from it",
    {
      x: [8, "input"],
      a: [8, "temporary"],
      b: [8, "temporary"],
      c: [8, "temporary"],
      d: [8, "temporary"],
    },
    [["x", "a"], ["x", "b"], ["a", "c"], ["c", "d"]],
    "0 2 3 1",
  ],
  [
    "what takes a quarter more than it frees does not wait",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [10, "temporary"] },
    [["x", "a"], ["x", "b"], ["a", "c"]],
    "0 2 1",
  ],
  [
    "what takes still more waits for its turn",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [11, "temporary"] },
    [["x", "a"], ["x", "b"], ["a", "c"]],
    "0 1 2",
  ],
  [
    "memory is counted in bytes, of which numbers in f64 take twice as many",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [5, "temporary", "f64"] },
    [["x", "a"], ["x", "b"], ["a", "c"]],
    "0 2 1",
  ],
  [
    "so that half as many and one more are more",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [6, "temporary", "f64"] },
    [["x", "a"], ["x", "b"], ["a", "c"]],
    "0 1 2",
  ],
  [
    "what others still read is not freed",
    {
      x: [8, "input"],
      a: [8, "temporary"],
      b: [8, "temporary"],
      c: [8, "temporary"],
      d: [8, "temporary"],
    },
    [["x", "a"], ["x", "b"], ["a", "c"], ["a", "d"]],
    "0 1 2 3",
  ],
  [
    "the last of several readers frees",
    {
      x: [8, "input"],
      a: [8, "temporary"],
      b: [8, "temporary"],
      c: [1, "temporary"],
      d: [8, "temporary"],
    },
    [["x", "a"], ["x", "b"], ["a", "c"], ["a", "d"]],
    "0 2 3 1",
  ],
  [
    "an eighth of what is read is little",
    {
      x: [1, "input"],
      a: [16, "temporary"],
      b: [8, "temporary"],
      c: [2, "temporary"],
      d: [21, "temporary"],
    },
    [["x", "a"], ["x", "b"], ["a", "c"], ["a", "d"]],
    "0 2 1 3",
  ],
  [
    "more than an eighth is not",
    {
      x: [1, "input"],
      a: [15, "temporary"],
      b: [8, "temporary"],
      c: [2, "temporary"],
      d: [20, "temporary"],
    },
    [["x", "a"], ["x", "b"], ["a", "c"], ["a", "d"]],
    "0 1 2 3",
  ],
  [
    "an operand of the program is no work just done, however large",
    { x: [90, "input"], a: [8, "temporary"], b: [8, "temporary"], c: [11, "temporary"] },
    [["x", "a"], ["x", "b"], ["xa", "c"]],
    "0 1 2",
  ],
  [
    "a result takes no memory of the program's own",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], y: [90, "output"] },
    [["x", "a"], ["x", "b"], ["a", "y"], ["a", "y"]],
    "0 2 3 1",
  ],
  [
    "a few numbers that wait for nothing come first, and numbers that follow from them",
    {
      x: [8, "input"],
      a: [8, "temporary"],
      s: [0.5, "temporary"],
      t: [0.5, "temporary"],
      y: [8, "output"],
    },
    [["x", "a"], ["x", "s"], ["s", "t"], ["at", "y"]],
    "1 2 0 3",
  ],
  [
    "more than a few come in their turn",
    {
      x: [8, "input"],
      a: [8, "temporary"],
      s: [0.75, "temporary"],
      t: [0.5, "temporary"],
      y: [8, "output"],
    },
    [["x", "a"], ["x", "s"], ["s", "t"], ["at", "y"]],
    "0 1 2 3",
  ],
  [
    "a result that may be written over an operand waits for the operand's other readers",
    {
      w: [8, "input"],
      x: [8, "input"],
      g: [8, "temporary"],
      d: [4, "temporary"],
      y: [8, "output"],
      z: [4, "output"],
    },
    [["x", "g"], ["w", "d"], ["wg", "y"], ["d", "z"]],
    "0 1 2 3",
  ],
  [
    "one of another size does not",
    {
      w: [4, "input"],
      x: [8, "input"],
      g: [8, "temporary"],
      d: [4, "temporary"],
      y: [8, "output"],
      z: [4, "output"],
    },
    [["x", "g"], ["w", "d"], ["wg", "y"], ["d", "z"]],
    "0 2 1 3",
  ],
  [
    "a kernel comes after all that write what it reads",
    { x: [8, "input"], a: [8, "temporary"], b: [8, "temporary"], y: [8, "output"] },
    [["x", "a"], ["x", "b"], ["x", "a"], ["a", "y"], ["b", "y"]],
    "0 1 4 2 3",
  ],
];

for (const [name, named, work, expected] of orders) {
  Deno.test(`the order of kernels: ${name}`, () => {
    const { kernels, buffers } = lowered(named, work);
    const order = scheduleKernels(kernels, buffers).map((kernel) => kernels.indexOf(kernel));
    assertEquals(order.join(" "), expected);
  });
}

/** Where buffers are: a donated operand, allocated storage, or a unit of the program's memory. */
function placesOf(
  named: Named,
  work: readonly Work[],
  donated: readonly number[] = [],
  alignment = 64,
  pageBytes = Infinity,
): string {
  const { places } = planMemory(lowered(named, work), donated, alignment, pageBytes);
  return Object.keys(named).map((name, i) => {
    const place = places[i];
    if (place === undefined) return `${name} nowhere`;
    return place.kind === "own"
      ? `${name} at ${place.offset / alignment}`
      : `${name} ${place.kind} ${place.index}`;
  }).join(", ");
}

Deno.test("temporary buffers share memory when they do not live at the same time", () => {
  // The longest go first; others stand in the first gap that is wide enough.
  assertEquals(
    placesOf({
      x: [1, "input"],
      a: [3, "temporary"],
      b: [1, "temporary"],
      c: [2, "temporary"],
      y: [80, "output"],
    }, [["x", "a"], ["a", "b"], ["b", "c"], ["c", "y"]]),
    "x operand 0, a at 0, b at 3, c at 0, y allocated 0",
  );
  /** c lives with d, which begins the memory, and with b, which stands behind a. */
  const around = (units: number) =>
    placesOf({
      x: [1, "input"],
      a: [units, "temporary"],
      b: [3, "temporary"],
      c: [2, "temporary"],
      d: [3, "temporary", "i32"],
      y: [80, "output"],
      u: [1, "temporary"],
    }, [["x", "ab"], ["b", "c"], ["bc", "d"], ["cd", "y"]]);
  assertEquals(
    around(5),
    "x operand 0, a at 0, b at 5, c at 3, d at 0, y allocated 0, u nowhere",
  );
  assertEquals(
    around(4),
    "x operand 0, a at 0, b at 4, c at 7, d at 0, y allocated 0, u nowhere",
  );
});

Deno.test("a buffer is written over the one of its size that is read for the last time there", () => {
  const sizes: Named = {
    x: [1, "input"],
    a: [3, "temporary"],
    b: [3, "temporary"],
    c: [3, "temporary"],
    y: [80, "output"],
  };
  const chain: readonly Work[] = [["x", "a"], ["a", "b"], ["b", "c"], ["c", "y"]];
  assertEquals(placesOf(sizes, chain), "x operand 0, a at 0, b at 0, c at 0, y allocated 0");
  // One that is read later, or of another size or type, keeps its place.
  assertEquals(
    placesOf(sizes, [["x", "a"], ["a", "b"], ["ab", "c"], ["c", "y"]]),
    "x operand 0, a at 0, b at 3, c at 0, y allocated 0",
  );
  const other = (b: Named[string]) => placesOf({ ...sizes, b }, chain);
  assertEquals(
    other([2, "temporary"]),
    "x operand 0, a at 0, b at 3, c at 0, y allocated 0",
  );
  assertEquals(
    other([3, "temporary", "i32"]),
    "x operand 0, a at 0, b at 3, c at 0, y allocated 0",
  );
  // Of two that a kernel writes, one takes the place.
  assertEquals(
    placesOf(sizes, [["x", "a"], ["a", "bc"], ["bc", "y"]]),
    "x operand 0, a at 0, b at 0, c at 3, y allocated 0",
  );
});

Deno.test("no buffer lies in two pages, except that a larger one begins with a page", () => {
  const all: Named = {
    x: [1, "input"],
    a: [3, "temporary"],
    b: [2, "temporary"],
    c: [2, "temporary"],
    d: [9, "temporary"],
    y: [1, "output"],
    z: [4, "output"],
  };
  const work: readonly Work[] = [["x", "abcd"], ["abcd", "yz"]];
  const inPages = (units: number) => placesOf(all, work, [], 64, 64 * units);
  assertEquals(
    placesOf(all, work),
    "x operand 0, a at 9, b at 12, c at 14, d at 0, y at 16, z at 17",
  );
  // Behind the last piece of d there is room for a, but not for b beside it.
  assertEquals(inPages(4), "x operand 0, a at 9, b at 12, c at 14, d at 0, y at 16, z at 20");
  assertEquals(inPages(5), "x operand 0, a at 10, b at 13, c at 15, d at 0, y at 17, z at 20");
  assertEquals(inPages(9), "x operand 0, a at 9, b at 12, c at 14, d at 0, y at 16, z at 18");
  // A result that is larger than a page is allocated.
  assertEquals(
    inPages(3),
    "x operand 0, a at 9, b at 12, c at 15, d at 0, y at 17, z allocated 0",
  );
  const { ownBytes, small } = planMemory(lowered(all, work), [], 64, 64 * 5);
  assertEquals(ownBytes, 64 * 24);
  assertEquals(small.map(({ offset }) => offset / 64), [17, 20]);
});

Deno.test("a gap in the memory is taken where it is wide enough within a page", () => {
  // c lives longer than b, and so comes before it, and d stands where b stood. In pages of five units,
  // one is left behind a, and d stands behind c.
  const named: Named = {
    x: [1, "input"],
    a: [4, "temporary"],
    b: [3, "temporary"],
    c: [3, "temporary"],
    d: [2, "temporary"],
    y: [80, "output"],
  };
  const work: readonly Work[] = [["x", "abc"], ["bc", "a"], ["ac", "d"], ["cd", "y"]];
  const wide = placesOf(named, work, [], 64, 64 * 8);
  const narrow = placesOf(named, work, [], 64, 64 * 5);
  assertEquals(wide, "x operand 0, a at 0, b at 8, c at 4, d at 8, y allocated 0");
  assertEquals(narrow, "x operand 0, a at 0, b at 10, c at 5, d at 8, y allocated 0");
});

Deno.test("results up to 4 KiB stand after the arena, larger ones are allocated", () => {
  const { small, ...sizes } = planMemory(
    lowered({
      x: [1, "input"],
      a: [2, "temporary"],
      y: [64, "output"],
      z: [65, "output"],
      u: [1, "output"],
      v: [66, "output"],
    }, [["x", "a"], ["a", "yzuv"]]),
    [],
  );
  assertEquals(small, [
    { dtype: "f32", size: 1024, offset: 128 },
    { dtype: "f32", size: 16, offset: 128 + 4096 },
  ]);
  const { places: _, ...bytes } = sizes;
  assertEquals(bytes, {
    arenaBytes: 128,
    unplannedBytes: 128,
    ownBytes: 128 + 4096 + 64,
    allocatedBytes: 64 * (65 + 66),
  });
});

Deno.test("a result takes a donated operand's storage where nobody needs that any more", () => {
  const pair: Named = { x: [65, "input"], y: [65, "output"] };
  const taken = "x operand 0, y operand 0";
  const apart = "x operand 0, y allocated 0";
  assertEquals(placesOf(pair, [["x", "y"]], [0]), taken);
  assertEquals(placesOf(pair, [["x", "y"]]), apart);
  // An element is read after another one was written in its place.
  assertEquals(placesOf(pair, [["x", "y", 1]], [0]), apart);
  // The operand is read again later; or not at all by the kernel that writes the result.
  assertEquals(placesOf(pair, [["x", "y"], ["x", ""]], [0]), apart);
  assertEquals(
    placesOf({ ...pair, a: [1, "temporary"] }, [["x", "a"], ["a", "y"]], [0]),
    `${taken}, a at 0`,
  );
  assertEquals(placesOf({ x: [65, "input"], y: [66, "output"] }, [["x", "y"]], [0]), apart);
  assertEquals(placesOf({ x: [65, "input"], y: [65, "output", "i32"] }, [["x", "y"]], [0]), apart);
  // One operand for one result, and the first that fits.
  assertEquals(
    placesOf({ ...pair, z: [65, "output"], w: [65, "input"] }, [["xw", "yz"]], [1, 0]),
    "x operand 0, y operand 1, z operand 0, w operand 1",
  );
  assertEquals(
    placesOf({ ...pair, z: [65, "output"] }, [["x", "yz"]], [0]),
    "x operand 0, y operand 0, z allocated 0",
  );
});

Deno.test("a window is written in place where its buffer is read for nothing else", () => {
  const kernel = (input: number, update: number, start: number): Kernel => ({
    kind: "dynamicUpdate",
    input,
    update,
    start,
    starts: 1,
    output: 3,
    outer: 1,
    size: 65 * UNIT,
    length: UNIT,
    inner: 1,
  });
  const named: Named = {
    x: [65, "input"],
    u: [65, "input"],
    s: [65, "input"],
    y: [65, "output"],
  };
  const placeOf = (only: Kernel) =>
    planMemory({ ...lowered(named, []), kernels: [only] }, [0]).places[3]?.kind;
  assertEquals(placeOf(kernel(0, 1, 2)), "operand");
  assertEquals(placeOf(kernel(0, 0, 2)), "allocated");
  assertEquals(placeOf(kernel(0, 1, 0)), "allocated");
  assertEquals(placeOf(kernel(1, 0, 2)), "allocated");
  const gather: Kernel = {
    kind: "gather",
    missing: NaN,
    table: 0,
    ids: 1,
    output: 3,
    rows: 1,
    count: 1,
    width: 65 * UNIT,
  };
  assertEquals(placeOf(gather), "allocated");
  assertEquals(placeOf({ ...gather, table: 1, ids: 2 }), "operand");
});
