/** The tensors that a traced function refers to. */
import { assertEquals } from "@std/assert";
import { add, type Tensor, tensor, traceGraph } from "@unitune/core";

const capturedBy = (constants: readonly Tensor[]) => {
  const x = tensor([1, 2]);
  return traceGraph([x], [constants.reduce(add, x)]).captured;
};

Deno.test("small tensors of the host that are the same are captured once", () => {
  const first = tensor([3, 4]);
  assertEquals(capturedBy([first, tensor([3, 4]), first]), [first]);
  const { nodes } = traceGraph([], [add(first, tensor([3, 4]))]).graph;
  assertEquals(nodes.map(({ op, inputs }) => [op, inputs]), [["input", []], ["add", [0, 0]]]);
});

Deno.test("tensors that differ in an element, a bit of it or their shape are captured apart", () => {
  assertEquals(capturedBy([tensor([0, 1]), tensor([-0, 1]), tensor([0, 2])]).length, 3);
  const [one, other] = [tensor([[3, 4]]), tensor([3, 4])];
  assertEquals(traceGraph([], [add(one, one), add(other, other)]).captured, [one, other]);
  const ones = tensor([1, 1], { dtype: "i32" });
  const words = tensor([1, 1], { dtype: "u32" });
  assertEquals(traceGraph([], [add(ones, ones), add(words, words)]).captured, [ones, words]);
});

Deno.test("large tensors are not compared", () => {
  const sized = (size: number) => tensor(new Float32Array(size));
  const both = (size: number) => traceGraph([], [add(sized(size), sized(size))]).captured.length;
  assertEquals([both(1024), both(1025)], [1, 2]);
});
