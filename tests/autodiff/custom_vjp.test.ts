/** Functions with gradients of their own. */
import { checkGradients, customVjp, grad, valueAndGrad, vjp } from "@unitune/autodiff";
import {
  add,
  argmax,
  equal,
  exp,
  floor,
  gather,
  iota,
  less,
  log1p,
  mul,
  ShapeError,
  sum,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import { assertEquals, assertThrows } from "@std/assert";

const f64 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: "f64" });
const numbers = async (x: Tensor) => [...await x.data()];

Deno.test("customVjp: the value of f, the gradient of backward", async () => {
  const straightThrough = customVjp((x: Tensor) => floor(x), (_, cotangent) => cotangent);
  const f = (x: Tensor) => sum(mul(straightThrough(x), x));
  const { value, gradient } = valueAndGrad(f)(f64([1.5, -0.5]));
  assertEquals(await value.item(), 1.5 + 0.5);
  assertEquals(await numbers(gradient), [1 + 1.5, -1 - 0.5]);
});

Deno.test("customVjp: backward sees argument and value, and has gradients itself", async () => {
  // ln(1 + e^x) with the derivative written by value and argument: e^x e^-value.
  const softplus = customVjp(
    (x: Tensor) => log1p(exp(x)),
    ({ x, value }, cotangent) => mul(cotangent, exp(add(x, mul(value, -1)))),
  );
  await checkGradients(softplus, f64([-1, 0.5, 2]), { order: 2 });
});

Deno.test("customVjp: trees of several results, integers among the arguments", async () => {
  interface Rows {
    readonly table: Tensor;
    readonly ids: Tensor;
  }
  const rows = customVjp(
    ({ table, ids }: Rows) => ({ found: gather(table, ids), doubled: [mul(table, 2)] }),
    ({ x }, { found, doubled: [doubled] }) => ({
      table: add(mul(doubled ?? found, 2), sum(found)),
      ids: x.ids,
    }),
  );
  const ids = tensor([1, 1], { dtype: "i32" });
  const f = (table: Tensor) => {
    const { found, doubled: [doubled] } = rows({ table, ids });
    return add(sum(mul(found, 10)), sum(doubled ?? found));
  };
  // Twice 1 by the doubled table, and 10 for each row found, which goes to all.
  assertEquals(await numbers(grad(f)(f64([1, 2, 3]))), [22, 22, 22]);
});

Deno.test("customVjp: may close over ids and masks that were found of what is differentiated", async () => {
  const f = (w: Tensor) => {
    const [id, isLarge] = [argmax(w), less(1, w)];
    const chosen = customVjp(
      (x: Tensor) => where(isLarge, mul(x, 10), where(equal(id, iota(x.shape, 0)), x, 0)),
      (_, cotangent) => mul(cotangent, 3),
    );
    return sum(chosen(w));
  };
  assertEquals(await numbers(grad(f)(f64([2, 0.5]))), [3, 3]);
});

Deno.test("customVjp: refuses what it could not differentiate", () => {
  const closing = (w: Tensor) =>
    customVjp((x: Tensor) => mul(x, w), (_, cotangent) => cotangent)(f64(1));
  assertThrows(() => grad(closing)(f64(2)), Error, "closes over");

  const misshapen = customVjp((x: Tensor) => exp(x), (_, cotangent) => sum(cotangent));
  assertThrows(() => grad((x: Tensor) => sum(misshapen(x)))(f64([1, 2])), ShapeError, "f64[2]");

  const whole = customVjp((x: Tensor) => x, (_, cotangent) => cotangent);
  assertThrows(() => whole(tensor([1], { dtype: "i32" })), ShapeError, "expected floats");
});

Deno.test("results of several dtypes and shapes, those without a cotangent at 0", async () => {
  const seen: string[][] = [];
  const both = customVjp(
    ({ x, y }: { x: Tensor; y: Tensor }) => ({ x: mul(x, 2), y: mul(y, 3) }),
    (_, cotangent) => {
      seen.push([cotangent.x.dtype, cotangent.y.dtype]);
      return { x: mul(cotangent.x, 20), y: mul(cotangent.y, 30) };
    },
  );
  const inputs = { x: tensor([1, 2]), y: tensor([[3]], { dtype: "f64" }) };
  const { value, pullback } = vjp(both, inputs);
  const gradient = pullback({ x: tensor([1, 10]), y: tensor([[100]], { dtype: "f64" }) });
  assertEquals([...await value.x.data(), ...await value.y.data()], [2, 4, 9]);
  assertEquals(await gradient.x.data(), new Float32Array([20, 200]));
  assertEquals(await gradient.y.data(), new Float64Array([3000]));
  const one = grad((given: typeof inputs) => sum(both(given).x))(inputs);
  assertEquals(await one.y.data(), new Float64Array([0]));
  assertEquals(seen, [["f32", "f64"], ["f32", "f64"]]);
});
