/** What simplification makes of graphs, as text. */
import { assertEquals } from "@std/assert";
import {
  abs,
  add,
  apply,
  cast,
  concat,
  div,
  exp,
  full,
  graphOf,
  key,
  log,
  mul,
  neg,
  not,
  ones,
  pow,
  reference,
  reshape,
  showGraph,
  slice,
  sqrt,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tensor,
  traceGraph,
  transpose,
  uniform,
  where,
  zeros,
} from "@unitune/core";
import fc from "fast-check";
import { simplify } from "../../core/simplify.ts";
import { arbitraryProgram, inputsOf, runProgram } from "./programs.ts";

const x = zeros([2, 3]);

/** A graph's text, indented like the templates below. */
function text<A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A): string {
  return "\n" + showGraph(graphOf(f, args)).replaceAll(/^/gm, "    ") + "\n  ";
}

Deno.test("constants are folded, and neutral elements go away", () => {
  const f = (x: Tensor) => {
    const one = exp(log(sqrt(1)));
    const y = div(sub(add(mul(x, one), -0), 0), 1);
    return add(pow(y, 1), mul(sum(full([4], 0.5)), add(one, 2)));
  };
  assertEquals(
    text(f, [x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = fill {shape=[2,3] dtype="f32" value=6}
    %2: f32[2, 3] = add %0 %1
    return %2
  `,
  );
});

Deno.test("elements of the host that are one number are constants", () => {
  const [scale, shift] = [tensor(2), tensor([[[3]]])];
  assertEquals(
    text((x) => mul(x, mul(scale, reshape(shift, []))), [x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = fill {shape=[2,3] dtype="f32" value=6}
    %2: f32[2, 3] = mul %0 %1
    return %2
  `,
  );
});

Deno.test("equal expressions are computed once", () => {
  assertEquals(
    text((x) => [add(exp(mul(x, 2)), exp(mul(x, 2))), exp(mul(x, 2))], [x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = fill {shape=[2,3] dtype="f32" value=2}
    %2: f32[2, 3] = mul %0 %1
    %3: f32[2, 3] = exp %2
    %4: f32[2, 3] = add %3 %3
    return %4 %3
  `,
  );
});

Deno.test("what undoes itself goes away", () => {
  const f = (x: Tensor, truth: Tensor) => [
    neg(neg(x)),
    transpose(transpose(x, [1, 0]), [1, 0]),
    reshape(reshape(x, [6]), [2, 3]),
    slice(concat([x], 0), 0, 0, 2),
    stopGradient(cast(x, "f32")),
    where(truth, x, x),
    add(abs(x), 0),
    not(not(truth)),
  ];
  assertEquals(
    text(f, [x, zeros([2, 3], "bool")]),
    `
    %0: f32[2, 3] = input 0
    %1: bool[2, 3] = input 1
    %2: f32[2, 3] = abs %0
    return %0 %0 %0 %0 %0 %0 %2 %1
  `,
  );
});

Deno.test("movements of movements become one", () => {
  const y = zeros([4, 6, 5]);
  const f = (y: Tensor) => [
    slice(slice(slice(y, 1, 1, 6), 1, 2, 4), 0, 1),
    transpose(transpose(y, [1, 2, 0]), [2, 1, 0]),
    reshape(reshape(y, [24, 5]), [4, 30]),
  ];
  assertEquals(
    text(f, [y]),
    `
    %0: f32[4, 6, 5] = input 0
    %1: f32[3, 2, 5] = slice %0 {start=[1,3,0] end=[4,5,5]}
    %2: f32[4, 5, 6] = transpose %0 {permutation=[0,2,1]}
    %3: f32[4, 30] = reshape %0 {shape=[4,30]}
    return %1 %2 %3
  `,
  );
});

Deno.test("sums of slices' gradients, padded with zeros, become one concatenation", () => {
  const padded = (piece: Tensor, before: number, after: number) =>
    concat([zeros([2, before]), piece, zeros([2, after])], 1);
  assertEquals(
    text((q, k, v) => add(add(padded(q, 0, 8), padded(v, 8, 0)), padded(k, 4, 4)), [x, x, x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = input 1
    %2: f32[2, 3] = input 2
    %3: f32[2, 3] = fill {shape=[2,3] dtype="f32" value=0}
    %4: f32[2, 3] = add %0 %3
    %5: f32[2, 3] = add %2 %3
    %6: f32[2, 1] = fill {shape=[2,1] dtype="f32" value=0}
    %7: f32[2, 3] = add %1 %3
    %8: f32[2, 11] = concat %4 %6 %7 %6 %5 {axis=1}
    return %8
  `,
  );
});

Deno.test("pieces that overlap are added after all", () => {
  const padded = (piece: Tensor, before: number, after: number) =>
    concat([zeros([2, before]), piece, zeros([2, after])], 1);
  assertEquals(
    text((a, b) => add(padded(a, 0, 2), padded(b, 2, 0)), [x, x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = input 1
    %2: f32[2, 2] = fill {shape=[2,2] dtype="f32" value=0}
    %3: f32[2, 5] = concat %0 %2 {axis=1}
    %4: f32[2, 5] = concat %2 %1 {axis=1}
    %5: f32[2, 5] = add %3 %4
    return %5
  `,
  );
});

Deno.test("powers of 2 are products; other powers stay", () => {
  assertEquals(
    text((x) => [pow(x, 2), pow(x, 3)], [x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = mul %0 %0
    %2: f32[2, 3] = fill {shape=[2,3] dtype="f32" value=3}
    %3: f32[2, 3] = pow %0 %2
    return %1 %3
  `,
  );
});

/** Values of x, of shape [2, 3], and what is left of each: `x`, a number, or instructions. */
const values: Readonly<Record<string, readonly [(x: Tensor) => Tensor, left: string]>> = {
  "1 x": [(x) => mul(1, x), "x"],
  "x 1": [(x) => mul(x, 1), "x"],
  "2 x": [(x) => mul(2, x), "fill mul"],
  "x / 1": [(x) => div(x, 1), "x"],
  "1 / x": [(x) => div(1, x), "fill div"],
  "x + -0": [(x) => add(x, -0), "x"],
  "-0 + x": [(x) => add(-0, x), "x"],
  "x + 0, which may be -0": [(x) => add(x, 0), "fill add"],
  "0 + |x|": [(x) => add(0, abs(x)), "abs"],
  "x - 0": [(x) => sub(x, 0), "x"],
  "x - -0, which may be -0": [(x) => sub(x, -0), "fill sub"],
  "0 - x": [(x) => sub(0, x), "fill sub"],
  "x^1": [(x) => pow(x, 1), "x"],
  "1^x": [(x) => pow(1, x), "fill pow"],
  "x^0": [(x) => pow(x, 0), "fill pow"],
  "x where true": [(x) => where(full([2, 3], 1, "bool"), x, 2), "x"],
  "x where false": [(x) => where(full([2, 3], 0, "bool"), 2, x), "x"],
  "2 where false": [(x) => where(full([2, 3], 0, "bool"), x, 2), "2"],
  "2^24 - 1 as an integer": [() => cast(full([2, 3], 2 ** 24 - 1), "i32"), "16777215"],
  "2^24 as an integer": [() => cast(full([2, 3], 2 ** 24), "i32"), "fill cast"],
  "0 as an integer": [() => cast(full([2, 3], 0), "i32"), "0"],
  "-1 as an integer": [() => cast(full([2, 3], -1), "u32"), "fill cast"],
  "a half as an integer": [() => cast(full([2, 3], 0.5), "i32"), "fill cast"],
  "1 as a truth value": [() => cast(full([2, 3], 1), "bool"), "fill cast"],
  "a sum over one": [(x) => sum(reshape(x, [2, 1, 3]), { axes: [1] }), "fill add"],
  "a sum over none": [() => sum(zeros([0, 3]), { axes: [0] }), "0"],
  "a sum of a number": [() => sum(full([4, 2, 3], 0.5), { axes: [0, 1] }), "4"],
  "a sum of an integer": [() => sum(full([4, 3], 5, "i32"), { axes: [0] }), "fill sum"],
  "a number moved": [
    () => slice(transpose(reshape(full([6], 7), [3, 2]), [1, 0]), 1, 1, 3),
    "7",
  ],
  "a row for all": [(x) => add(x, sum(x, { axes: [0], keepDims: true })), "sum reshape expand add"],
  "no rows and all rows": [(x) => concat([slice(x, 0, 0, 0), x], 0), "x"],
  "rows, no rows, and rows": [
    (x) => concat([slice(x, 0, 0, 1), slice(x, 0, 1, 1), slice(x, 0, 1, 2)], 0),
    "slice slice concat",
  ],
  "what may overflow": [() => mul(full([2], 3e38), 10), "Infinity"],
  "a constant of f64 in f32": [() => full([2], 0.1), `${Math.fround(0.1)}`],
};

for (const [name, [f, left]] of Object.entries(values)) {
  Deno.test(`simplified: ${name} is ${left}`, () => {
    const { nodes, outputs: [output = -1] } = graphOf(f, [x]);
    const found = nodes[output];
    const isNumber = found?.op === "fill";
    assertEquals(
      found?.op === "input"
        ? "x"
        : isNumber
        ? `${found.parameters.value}`
        : nodes.filter(({ op }) => op !== "input").map(({ op }) => op).join(" "),
      left,
    );
  });
}

Deno.test("random bits of one key are the same expression, those of another are not", () => {
  const [a, b] = [key(1), key(2)];
  const graph = graphOf((x: Tensor) => {
    return [a, a, b].reduce((y, key) => add(y, uniform(key, [2, 3])), x);
  }, [x]);
  assertEquals(graph.nodes.filter(({ op }) => op === "randomBits").length, 2);
});

Deno.test("constants of odd values are told apart", () => {
  const values = [0, -0, NaN, Infinity, -Infinity];
  const graph = graphOf(() => values.map((value) => full([2], value)), []);
  assertEquals(graph.nodes.length, values.length);
});

Deno.test("arguments stay, used or not; what no result needs goes", () => {
  assertEquals(
    text((x, _) => {
      apply("exp", [x], {});
      return ones([1]);
    }, [x, x]),
    `
    %0: f32[2, 3] = input 0
    %1: f32[2, 3] = input 1
    %2: f32[1] = fill {shape=[1] dtype="f32" value=1}
    return %2
  `,
  );
});

Deno.test("simplification changes no result, and twice is once", async () => {
  using device = reference();
  await fc.assert(fc.asyncProperty(arbitraryProgram, async (program) => {
    const inputs = inputsOf(program);
    const { graph, captured } = traceGraph(inputs, runProgram(program, inputs));
    const simpler = simplify(graph);
    assertEquals(showGraph(simplify(simpler)), showGraph(simpler));
    const operands = await Promise.all(
      [...inputs, ...captured].map(async (x) => ({ kind: "host", data: await x.data() } as const)),
    );
    const [expected, actual] = await Promise.all([graph, simpler].map((graph) => {
      const buffers = device.compile(graph, { donated: [] }).run(operands);
      return Promise.all(buffers.map((buffer) => buffer.read()));
    }));
    assertEquals(actual, expected);
  }));
});
