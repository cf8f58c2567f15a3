/** Instructions of several results: from tensors to programs and back. */
import {
  add,
  apply,
  applyAll,
  compile,
  type CustomRule,
  type Device,
  evaluate,
  graphOf,
  mul,
  reference,
  showGraph,
  sum,
  type Tensor,
  tensor,
  traceGraph,
  wasm,
} from "@unitune/core";
import { assertEquals, assertThrows } from "@std/assert";

const rule: CustomRule = { name: "none" };

/** Two values as the results of one instruction. */
function together(x: Tensor, y: Tensor): readonly [Tensor, Tensor] {
  const [a, b] = applyAll("customVjp", [x, y], { rule, values: 2 });
  if (b === undefined) throw new Error("one result is missing");
  return [a, b];
}

const devices: Readonly<Record<string, () => Device>> = {
  reference,
  wasm: () => wasm({ threads: 1 }),
};

for (const [name, makeDevice] of Object.entries(devices)) {
  Deno.test(`results are read one by one, in any order, and together (${name})`, async () => {
    using device = makeDevice();
    const read = async (order: (results: readonly [Tensor, Tensor]) => readonly Tensor[]) => {
      const results = order(together(mul(tensor([1, 2]), 3), add(tensor([[4]]), 1)));
      return await Promise.all(results.map(async (x) => {
        const [, data] = [evaluate(x, device), await x.data()];
        return [...data];
      }));
    };
    assertEquals(await read(([a, b]) => [a, b]), [[3, 6], [5]]);
    assertEquals(await read(([a, b]) => [b, a]), [[5], [3, 6]]);
    assertEquals(await read(([, b]) => [b]), [[5]]);
    const [a, b] = evaluate(together(mul(tensor([1, 2]), 3), tensor([[4]])), device);
    assertEquals([[...await a.data()], [...await b.data()]], [[3, 6], [4]]);
  });

  Deno.test(`results are those of a program, once or twice, and used inside (${name})`, async () => {
    using device = makeDevice();
    using f = compile((x: Tensor, y: Tensor) => {
      const [a, b] = together(mul(x, 2), mul(y, 3));
      return [b, a, b, add(sum(a), sum(b))];
    }, { device });
    const numbers = f(tensor([1, 2]), tensor([[3]])).map(async (x) => [...await x.data()]);
    assertEquals(await Promise.all(numbers), [[9], [2, 4], [9], [15]]);
  });
}

Deno.test("a graph has an instruction of several results once, its results behind it", () => {
  const [x, y] = [tensor([1, 2]), tensor([[3]])];
  const [a, b] = together(x, y);
  const { graph } = traceGraph([x, y], [b, a, b]);
  assertEquals(
    showGraph(graph),
    [
      "%0: f32[2] = input 0",
      "%1: f32[1, 1] = input 1",
      `%2: f32[2] = customVjp %0 %1 {rule={"name":"none"} values=2}`,
      "%3: f32[1, 1] = result 1 of %2",
      "return %3 %2 %3",
    ].join("\n"),
  );
});

Deno.test("what gives several results simplifies to what each of them is", () => {
  const graph = graphOf((x: Tensor, y: Tensor) => together(mul(x, 1), add(y, y)), [
    tensor([1, 2]),
    tensor([3]),
  ]);
  assertEquals(
    showGraph(graph),
    "%0: f32[2] = input 0\n%1: f32[1] = input 1\n%2: f32[1] = add %1 %1\nreturn %0 %2",
  );
});

Deno.test("apply refuses what gives several results", () => {
  const x = tensor([1]);
  assertThrows(
    () => apply("customVjp", [x, x], { rule, values: 2 }),
    TypeError,
    "customVjp gives 2 results: use applyAll",
  );
});
