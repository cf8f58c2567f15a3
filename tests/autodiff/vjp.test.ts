/** Differentiation as a transformation: structure, sharing, nesting, and what it refuses. */
import { grad, valueAndGrad, valueAndGradAux, vjp } from "@unitune/autodiff";
import {
  add,
  apply,
  argmax,
  cast,
  compile,
  cos,
  evaluate,
  exp,
  gather,
  isNumber,
  matmul,
  max,
  maximum,
  minimum,
  mul,
  pow,
  ShapeError,
  sin,
  square,
  stopGradient,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { checkGradients } from "@unitune/autodiff";

const f64 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: "f64" });
const numbers = async (x: Tensor) => [...await x.data()];

Deno.test("a tensor used several times has the sum of its gradients", async () => {
  const f = (x: Tensor, y: Tensor) => sum(mul(x, y));
  const x = f64([1, 2, 3]);
  assertEquals(await numbers(grad((x: Tensor) => f(x, x))(x)), [2, 4, 6]);
  // The same tensor as a constant is another operand.
  assertEquals(await numbers(grad(f)(x, x)), [1, 2, 3]);
});

Deno.test("one tensor at two places of a tree is two variables", async () => {
  const x = f64(3);
  const gradient = grad(({ a, b }: { a: Tensor; b: Tensor }) => mul(square(a), b))({ a: x, b: x });
  assertEquals([await gradient.a.item(), await gradient.b.item()], [18, 9]);
});

Deno.test("the gradient has the tree of the parameters; unused ones have zeros", async () => {
  const params = {
    name: "layer",
    blocks: [{ w: tensor([[1, 2]]), b: tensor([1]) }],
    unused: f64([1, 2]),
    depth: 1,
  };
  const gradient = grad((p: typeof params) => sum(mul(p.blocks[0]?.w ?? p.unused, p.depth + 2)))(
    params,
  );
  assertEquals(gradient.name, "layer");
  assertEquals(gradient.depth, 1);
  assertEquals(await gradient.blocks[0]?.w.data(), new Float32Array([3, 3]));
  assertEquals(gradient.blocks[0]?.w.shape, [1, 2]);
  assertEquals(await gradient.blocks[0]?.b.data(), new Float32Array([0]));
  assertEquals(await gradient.unused.data(), new Float64Array([0, 0]));
});

Deno.test("the value of a variable itself has gradient 1", async () => {
  const { value, gradient } = valueAndGrad((x: Tensor) => x)(f64(5));
  assertEquals([await value.item(), await gradient.item()], [5, 1]);
});

Deno.test("a constant function has gradient 0", async () => {
  assertEquals(await grad((_: Tensor) => f64(1))(f64([1, 2])).data(), new Float64Array(2));
});

Deno.test("gradients of gradients: the derivatives of sine in turn", async () => {
  let f = (x: Tensor) => sin(x);
  for (const expected of [Math.cos, (x: number) => -Math.sin(x), (x: number) => -Math.cos(x)]) {
    f = grad(f);
    // Rounding alone: the derivatives are products of sine and cosine with 1 and -1.
    assertAlmostEquals(await f(f64(0.7)).item(), expected(0.7), 1e-15);
  }
});

Deno.test("an inner gradient does not take the outer variable for its own", async () => {
  // d/dx (x d/dy (x y)) = d/dx x^2 = 2 x, where x and y have one value and one cell.
  const f = (x: Tensor) => mul(x, grad((y: Tensor) => mul(x, y))(x));
  assertEquals(await grad(f)(f64(3)).item(), 6);
  // d/dx (d/dy (x y^2) at y = x) = d/dx 2 x^2 = 4 x.
  const g = (x: Tensor) => grad((y: Tensor) => mul(x, square(y)))(x);
  assertEquals(await grad(g)(f64(3)).item(), 12);
});

Deno.test("a Hessian-vector product is the gradient of a product", async () => {
  // f = x0^2 x1 has the Hessian [[2 x1, 2 x0], [2 x0, 0]].
  const f = (x: Tensor) => mul(square(sum(mul(x, f64([1, 0])))), sum(mul(x, f64([0, 1]))));
  const product = (x: Tensor, v: Tensor) => sum(mul(grad(f)(x), v));
  assertEquals(await numbers(grad(product)(f64([3, 5]), f64([1, 10]))), [70, 6]);
});

Deno.test("vjp takes cotangents of trees, and leaves results that are no floats", async () => {
  const f = ({ x, y }: { x: Tensor; y: Tensor }) => ({
    product: mul(x, y),
    parts: [add(x, 1), argmax(x)],
  });
  const { value, pullback } = vjp(f, { x: f64([1, 2]), y: f64([3, 4]) });
  assertEquals(await numbers(value.product), [3, 8]);
  assertEquals(await value.parts[1]?.item(), 1);
  const cotangent = { product: f64([1, 10]), parts: [f64([5, 7]), tensor(0, { dtype: "i32" })] };
  const gradient = pullback(cotangent);
  assertEquals(await numbers(gradient.x), [3 + 5, 40 + 7]);
  assertEquals(await numbers(gradient.y), [1, 20]);
});

Deno.test("a pullback can be used after its value was read, and more than once", async () => {
  const { value, pullback } = vjp((x: Tensor) => exp(sin(x)), f64([0.5]));
  const [y = NaN] = await numbers(value);
  // Rounding alone.
  assertAlmostEquals(await pullback(f64([1])).item(), y * Math.cos(0.5), 1e-15);
  assertAlmostEquals(await pullback(f64([2])).item(), 2 * y * Math.cos(0.5), 1e-15);
});

Deno.test("aux is returned and not differentiated", async () => {
  const f = (x: Tensor, scale: Tensor) => {
    const scaled = mul(x, scale);
    return { value: sum(scaled), aux: { scaled, loss: sum(scaled), best: argmax(scaled), k: 3 } };
  };
  const { value, aux, gradient } = valueAndGradAux(f)(f64([1, 2]), f64(5));
  assertEquals(await value.item(), 15);
  assertEquals(await numbers(aux.scaled), [5, 10]);
  assertEquals([await aux.best.item(), aux.k], [1, 3]);
  assertEquals(await numbers(gradient), [5, 5]);
});

Deno.test("aux may hold the value itself without counting it twice", async () => {
  const f = (x: Tensor) => ({ value: x, aux: x });
  assertEquals(await valueAndGradAux(f)(f64(2)).gradient.item(), 1);
});

Deno.test("integers pass beside the parameters", async () => {
  const ids = tensor([2, 0, 2], { dtype: "i32" });
  const f = (table: Tensor, ids: Tensor) => sum(gather(table, ids));
  assertEquals(await numbers(grad(f)(f64([10, 20, 30]), ids)), [1, 0, 2]);
});

Deno.test("no gradient passes stopGradient, comparisons, or integers", async () => {
  const f = (x: Tensor) =>
    sum(add(mul(stopGradient(x), x), cast(cast(isNumber(x), "i32"), x.dtype)));
  assertEquals(await numbers(grad(f)(f64([2, 3]))), [2, 3]);
});

Deno.test("gradients cross a change of precision in the dtype of each side", async () => {
  const gradient = grad((x: Tensor) => sum(square(cast(x, "f64"))))(tensor([1.5, 2]));
  assertEquals(gradient.dtype, "f32");
  assertEquals(await gradient.data(), new Float32Array([3, 4]));
});

Deno.test("a chain deeper than the call stack", async () => {
  const depth = 10_000;
  const chain = (x: Tensor) => {
    let y = x;
    for (let i = 0; i < depth; i++) y = add(y, x);
    return y;
  };
  assertEquals(await grad(chain)(f64(1)).item(), depth + 1);
});

Deno.test("ties: halves for maximum and minimum, equal parts for the maximum of a tensor", async () => {
  const both = { a: f64([1, 2, 3]), b: f64([2, 2, 2]) };
  const largest = grad(({ a, b }: typeof both) => sum(maximum(a, b)))(both);
  assertEquals(await numbers(largest.a), [0, 0.5, 1]);
  assertEquals(await numbers(largest.b), [1, 0.5, 0]);
  const smallest = grad(({ a, b }: typeof both) => sum(minimum(a, b)))(both);
  assertEquals(await numbers(smallest.a), [1, 0.5, 0]);
  assertEquals(await numbers(smallest.b), [0, 0.5, 1]);
  const rows = grad((x: Tensor) => sum(max(x, { axes: [1] })))(f64([[4, 1, 4], [1, 2, 3]]));
  assertEquals(await numbers(rows), [0.5, 0, 0.5, 0, 0, 1]);
});

Deno.test("powers at 0: no NaN, and the limits from above where they exist", async () => {
  const power = ({ a, b }: { a: Tensor; b: Tensor }) => sum(pow(a, b));
  const at = (a: number, b: number) => grad(power)({ a: f64(a), b: f64(b) });
  const pairs = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 2, 0, 0], [0, 0.5, Infinity, 0], [
    3,
    0,
    0,
    Math.log(3),
  ]];
  for (const [a = NaN, b = NaN, byBase = NaN, byExponent = NaN] of pairs) {
    const gradient = at(a, b);
    assertEquals(await gradient.a.item(), byBase, `d/da ${a}^${b}`);
    assertEquals(await gradient.b.item(), byExponent, `d/db ${a}^${b}`);
  }
  // d/db d/da a^b at b = 0 is 1 / a.
  const mixed = grad((b: Tensor) => grad((a: Tensor) => pow(a, b))(f64(4)));
  assertEquals(await mixed(f64(0)).item(), 0.25);
});

Deno.test("a compiled gradient is the gradient, in one program", async () => {
  const f = ({ w, b }: { w: Tensor; b: Tensor }, x: Tensor) =>
    sum(square(tanh(add(matmul(x, w), b))));
  const params = { w: tensor([[0.1, -0.4], [0.3, 0.2]]), b: tensor([0.1, 0]) };
  const x = tensor([[1, 2], [-1, 0.5], [0, 3]]);
  const compiled = compile(valueAndGrad(f));
  const inside = compiled(params, x);
  const outside = valueAndGrad(f)(params, x);
  // Programs may be fused differently: some units of f32 in the last place.
  assertAlmostEquals(await inside.value.item(), await outside.value.item(), 1e-6);
  const expected = await numbers(outside.gradient.w);
  for (const [i, element] of (await numbers(inside.gradient.w)).entries()) {
    assertAlmostEquals(element, expected[i] ?? NaN, 1e-6);
  }
  compiled(params, x);
  assertEquals(compiled.statistics().length, 1);
});

Deno.test("a compiled function is differentiated through", async () => {
  const f = compile((x: Tensor) => mul(x, sin(x)));
  const expected = Math.sin(2) + 2 * Math.cos(2);
  // f32.
  assertAlmostEquals(await grad(f)(tensor(2)).item(), expected, 1e-6);
  assertAlmostEquals(
    await grad(grad(compile(grad(f))))(tensor(2)).item(),
    -3 * Math.sin(2) - 2 * Math.cos(2),
    1e-5,
  );
});

Deno.test("results depend on no variable any more", () => {
  const x = f64(2);
  const { value, gradient } = valueAndGrad((x: Tensor) => exp(x))(x);
  assert(!value.differentiated && !gradient.differentiated);
  grad((outer: Tensor) => {
    const inner = valueAndGrad((x: Tensor) => exp(x));
    assert(!inner(x).gradient.differentiated);
    assert(inner(outer).gradient.differentiated);
    return outer;
  })(x);
});

Deno.test("a loss that is no scalar is refused, and its shape named", () => {
  for (const transform of [grad, valueAndGrad]) {
    const error = assertThrows(() => transform((x: Tensor) => x)(f64([[1, 2, 3]])), ShapeError);
    assertStringIncludes(error.message, "[1, 3]");
    assertStringIncludes(error.message, transform.name);
  }
  assertThrows(
    () => valueAndGradAux((x: Tensor) => ({ value: x, aux: {} }))(f64([1, 2])),
    ShapeError,
    "f64[2]",
  );
  assertThrows(() => grad((x: Tensor) => argmax(x))(f64([1, 2])), ShapeError, "i32[]");
});

Deno.test("parameters that are no floats are refused, and their path named", () => {
  const params = { w: f64([1]), table: { ids: tensor([1], { dtype: "i32" }) } };
  assertThrows(
    () => grad((p: typeof params) => sum(p.w))(params),
    TypeError,
    "table.ids is i32[1]",
  );
});

Deno.test("a cotangent of another structure is refused", () => {
  const { pullback } = vjp((x: Tensor) => ({ y: x }), f64([1, 2]));
  assertThrows(() => pullback({ y: f64([1]) }), ShapeError, "of y; expected f64[2]");
});

Deno.test("reading a value on the way is refused, since it loses the gradient", () => {
  const f = (x: Tensor) => {
    const y = square(x);
    evaluate(y);
    return sum(mul(y, x));
  };
  assertThrows(() => grad(f)(f64([1, 2])), Error, "inside the function");
});

Deno.test("gradients of random expressions agree with differences, to second order", async () => {
  type Unary = (x: Tensor) => Tensor;
  const leaf: fc.Arbitrary<Unary> = fc.constantFrom<Unary>(
    (x) => x,
    (x) => mul(x, 0.5),
    (x) => apply("transpose", [x], { permutation: [1, 0] }),
  );
  const { expression } = fc.letrec<{ expression: Unary }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.tuple(fc.constantFrom(sin, cos, tanh, (x: Tensor) => exp(tanh(x))), tie("expression"))
        .map(([f, g]): Unary => (x) => f(g(x))),
      fc.tuple(fc.constantFrom(add, sub, mul, matmul), tie("expression"), tie("expression"))
        .map(([f, g, h]): Unary => (x) => tanh(f(g(x), h(x)))),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(expression, async (f) => {
      await checkGradients(f, f64([[0.3, -0.8], [0.5, 0.1]]), { order: 2 });
    }),
    { numRuns: 40, seed: 1 },
  );
});
