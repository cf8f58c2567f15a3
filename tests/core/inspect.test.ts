import { assertEquals } from "@std/assert";
import { add, compile, evaluate, type Tensor, tensor, wasm, zeros } from "@unitune/core";
import { inspect } from "node:util";

/** What a console shows, by Deno and by Node's `util.inspect`. */
function shown(value: unknown): string {
  const text = Deno.inspect(value);
  assertEquals(inspect(value), text);
  return text;
}

Deno.test("console.log shows a tensor in one line, with the elements that are at hand", () => {
  assertEquals(shown(tensor([[1, 2.1], [3, -0]])), "Tensor f32[2, 2] [[1, 2.1], [3, -0]]");
  assertEquals(shown(tensor(7, { dtype: "i32" })), "Tensor i32[] 7");
  assertEquals(shown(tensor([1, 0], { dtype: "bool" })), "Tensor bool[2] [true, false]");
  assertEquals(shown(tensor([NaN, 1e39])), "Tensor f32[2] [NaN, Infinity]");
  assertEquals(
    shown(tensor([-0, 0, 0.1 + 0.2], { dtype: "f64" })),
    "Tensor f64[3] [-0, 0, 0.30000000000000004]",
  );
  assertEquals(shown(tensor([[], []])), "Tensor f32[2, 0] no elements");
  assertEquals(
    shown(tensor(new Float32Array(100).fill(0.1))),
    `Tensor f32[100] [${"0.1, ".repeat(16)}... 84 more]`,
  );
  assertEquals(shown({ w: tensor([1]) }), "{ w: Tensor f32[1] [1] }");
});

Deno.test("console.log of a tensor computes nothing and reads nothing", () => {
  using device = wasm({ threads: 1 });
  const x = add(zeros([2, 3]), 1);
  assertEquals(shown(x), "Tensor f32[2, 3] (not computed yet; read it with `await x.data()`)");
  assertEquals(x.cell.value.kind, "expression");
  evaluate(x, device);
  assertEquals(shown(x), "Tensor f32[2, 3] (on wasm; read it with `await x.data()`)");
  x[Symbol.dispose]();
  assertEquals(shown(x), "Tensor f32[2, 3] (gone: it was disposed of)");
  compile((y: Tensor) => {
    assertEquals(shown(y), "Tensor f32[1] (an argument of a function that is being traced)");
    return y;
  }, { device })(tensor([1]));
});
