import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  add,
  isTensor,
  leafPaths,
  leavesOf,
  mapTree,
  neg,
  replaceLeaves,
  tensor,
  type TensorTree,
  zipTrees,
} from "@unitune/core";
import fc from "fast-check";

const [a, b, c] = [tensor(1), tensor(2), tensor(3)];

const { tree: arbitraryTree } = fc.letrec<{ tree: TensorTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    fc.integer().map((value) => tensor(value)),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie("tree"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

Deno.test("leaves come in the order of sorted keys, whatever the order of insertion", () => {
  assertEquals(leavesOf({ z: a, m: [b, { q: c }] }), [b, c, a]);
  assertEquals(leavesOf({ m: [b, { q: c }], z: a }), [b, c, a]);
});

Deno.test("paths read like the expressions that reach their leaves", () => {
  const paths = leafPaths({ blocks: [{ weight: a }, { weight: b }], head: c });
  assertEquals([...paths], [["blocks[0].weight", a], ["blocks[1].weight", b], ["head", c]]);
  assertEquals([...leafPaths(a).keys()], [""]);
});

Deno.test("static leaves stay, and are no leaves", () => {
  const tree = { w: a, name: "layer", sizes: [1, 2], bias: undefined, off: null, on: true };
  assertEquals(leavesOf(tree), [a]);
  assertEquals(mapTree(tree, () => b), { ...tree, w: b });
});

Deno.test("records of a class are leaves, not trees", () => {
  const map = new Map([["w", a]]);
  assertStrictEquals(mapTree({ map }, neg).map, map);
});

Deno.test("mapTree keeps every path", () => {
  fc.assert(fc.property(arbitraryTree, (tree) => {
    const mapped = mapTree(tree, () => tensor(0));
    assertEquals([...leafPaths(mapped).keys()], [...leafPaths(tree).keys()]);
  }));
});

Deno.test("replaceLeaves is the inverse of leavesOf", () => {
  fc.assert(fc.property(arbitraryTree, (tree) => {
    const fresh = leavesOf(tree).map((_, i) => tensor(i));
    const replaced = replaceLeaves(tree, fresh);
    leavesOf(replaced).forEach((leaf, i) => assertStrictEquals(leaf, fresh[i]));
    assertEquals([...leafPaths(replaced).keys()], [...leafPaths(tree).keys()]);
  }));
});

Deno.test("replaceLeaves takes exactly as many tensors as there are", () => {
  assertThrows(
    () => replaceLeaves({ w: a, x: b }, [c]),
    RangeError,
    "the tree has 2 tensors, the list 1",
  );
  assertThrows(() => replaceLeaves([a], [b, c]), RangeError, "the tree has 1 tensors, the list 2");
});

Deno.test("zipTrees pairs tensors by their path", async () => {
  const { w, n } = zipTrees({ w: [a, b], n: 7 }, { n: 8, w: [b, c] }, add);
  assertEquals(await Promise.all(w.map((leaf) => leaf.item())), [3, 5]);
  assertEquals(n, 7);
});

Deno.test("zipTrees names the path that one tree lacks", () => {
  assertThrows(() => zipTrees({ w: [a, b] }, { w: [a] }, add), RangeError, "has no w[1]");
  assertThrows(() => zipTrees({ w: a }, { w: a, v: b }, add), RangeError, "has no v");
});

Deno.test("only tensors of this package are tensors", () => {
  assertEquals([a, { ...a }, [], null, 1].map(isTensor), [true, false, false, false, false]);
});
