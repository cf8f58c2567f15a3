import { assert, assertEquals } from "@std/assert";
import { leavesOf, ones, outline, type Tensor, tensor, variable, zeros } from "@unitune/core";
import { fits, patternOf } from "../../core/pattern.ts";

/** Trees none of which is like another. */
const trees = (): readonly unknown[] => [
  tensor(1),
  tensor([1]),
  tensor([1, 2]),
  tensor([[1], [2]]),
  tensor(1, { dtype: "i32" }),
  { ...tensor(1) },
  [],
  [tensor(1)],
  [tensor(1), tensor(2)],
  [1, tensor(2)],
  {},
  { a: tensor(1) },
  { b: tensor(1) },
  { a: undefined },
  { b: undefined },
  { a: tensor(1), b: 2 },
  { b: 2, a: tensor(1) },
  { a: tensor(1), b: 2, c: null },
  { a: [{ c: 1, d: [tensor(3)] }] },
  { a: [{ c: 2, d: [tensor(3)] }] },
  ...[0, -0, NaN, 1n, "", "0", true, null, undefined],
];

Deno.test("a tree fits its own pattern with leaves in their order, and no other's", () => {
  const [those, others] = [trees(), trees()];
  those.forEach((tree, i) => {
    const pattern = patternOf(tree);
    others.forEach((other, j) => {
      const leaves: Tensor[] = [];
      // A record of a tensor's properties has functions, which are those of one tensor.
      const isLike = i === j && i !== 5;
      assertEquals(fits(pattern, other, leaves), isLike, `${i}, ${j}`);
      if (isLike) assertEquals(leaves, leavesOf(other));
    });
  });
  const [x, y, z] = [zeros([2]), ones([3]), zeros([1])];
  const leaves: Tensor[] = [];
  assert(fits(patternOf({ z: x, a: [y, { q: z }] }), { z: x, a: [y, { q: z }] }, leaves));
  assertEquals(leaves, [y, z, x]);
});

Deno.test("a tensor of the same shape fits, unless a derivative is taken of it", () => {
  const x = zeros([2, 3]);
  assert(fits(patternOf(x), ones([2, 3]), []));
  assert(fits(patternOf(x), outline(x), []));
  assert(!fits(patternOf(x), variable(x), []));
  // A record of its properties is no tensor.
  assert(!fits(patternOf({ ...x }), x, []));
  assert(!fits(patternOf(x), { ...x }, []));
});
