import { assertEquals, assertThrows } from "@std/assert";
import { allocate, compile, OutOfMemoryError, type Tensor, wasm, zeros } from "@unitune/core";

Deno.test("more elements than there is memory for are refused by a sentence of their own", () => {
  const error = assertThrows(() => allocate("f32", 2 ** 45), OutOfMemoryError);
  assertEquals(
    error.message,
    `${2 ** 45} elements of f32 take ${
      2 ** 47
    } bytes, more than there are: make the model or the ` +
      `batch smaller`,
  );
});

Deno.test("a wasm memory that is full says so as an error of memory", () => {
  using device = wasm({ threads: 1, memory: 2 ** 25 });
  using big = compile((x: Tensor) => [x, zeros([2 ** 22]), zeros([2 ** 22]), zeros([2 ** 22])], {
    device,
  });
  assertThrows(() => big(zeros([1])), OutOfMemoryError, "out of memory");
});
