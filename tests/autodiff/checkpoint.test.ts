/** Checkpoints: the same gradients from values that are computed twice. */
import { checkGradients, checkpoint, grad, valueAndGrad } from "@unitune/autodiff";
import {
  compile,
  exp,
  type Graph,
  graphOf,
  matmul,
  mul,
  sin,
  square,
  stopGradient,
  sum,
  tanh,
  type Tensor,
  tensor,
} from "@unitune/core";
import { assertAlmostEquals, assertEquals } from "@std/assert";

const f64 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: "f64" });
const numbers = async (x: Tensor) => [...await x.data()];
const count = ({ nodes }: Graph, op: string) => nodes.filter((node) => node.op === op).length;

const block = (x: Tensor, w: Tensor) => tanh(matmul(sin(x), w));

Deno.test("the same value and gradients, to second order", async () => {
  const [x, w] = [f64([[0.3, -0.5], [1, 2]]), f64([[0.2, 0.7], [-0.4, 0.1]])];
  const both = (f: typeof block) =>
    valueAndGrad(({ x, w }: { x: Tensor; w: Tensor }) => sum(square(f(f(x, w), w))))({ x, w });
  const [plain, kept] = [both(block), both(checkpoint(block))];
  assertEquals(await kept.value.item(), await plain.value.item());
  assertEquals(await numbers(kept.gradient.x), await numbers(plain.gradient.x));
  assertEquals(await numbers(kept.gradient.w), await numbers(plain.gradient.w));
  await checkGradients(
    ([x, w]: Tensor[]) => {
      return x === undefined || w === undefined ? [] : checkpoint(block)(x, w);
    },
    [x, w],
    { order: 2 },
  );
});

Deno.test("gradients reach what the function closes over", async () => {
  const f = (wrap: (g: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => (w: Tensor) =>
    sum(wrap((x) => mul(sin(mul(x, w)), stopGradient(w)))(mul(w, 2)));
  const w = f64([0.3, 0.8]);
  assertEquals(
    await numbers(grad(f((g) => checkpoint(g)))(w)),
    await numbers(grad(f((g) => g))(w)),
  );
  await checkGradients((x: Tensor) => checkpoint((y: Tensor) => sin(mul(x, y)))(x), w, {
    order: 2,
  });
});

Deno.test("trees of several results", async () => {
  const f = (x: Tensor) => ({ a: sin(x), b: [exp(sum(x))] });
  await checkGradients(checkpoint(f), f64([0.5, -1]), { order: 2 });
});

Deno.test("the way back computes the block anew", () => {
  const chain = (x: Tensor) => sin(sin(sin(x)));
  const plain = graphOf(valueAndGrad((x: Tensor) => sum(chain(x))), [tensor([1, 2])]);
  const kept = graphOf(valueAndGrad((x: Tensor) => sum(checkpoint(chain)(x))), [tensor([1, 2])]);
  assertEquals([count(plain, "sin"), count(plain, "barrier")], [3, 0]);
  // The derivatives need the first two values again, not the third.
  assertEquals([count(kept, "sin"), count(kept, "barrier")], [5, 1]);
});

Deno.test("the same on the way through compile", async () => {
  const [x, w] = [tensor([[0.3, -0.5], [1, 2]]), tensor([[0.2, 0.7], [-0.4, 0.1]])];
  const f = (w: Tensor, x: Tensor) => sum(checkpoint(block)(x, w));
  const inside = await numbers(compile(grad(f))(w, x));
  const outside = await numbers(grad((w: Tensor) => sum(block(x, w)))(w));
  // f32 programs that are fused differently.
  inside.forEach((element, i) => assertAlmostEquals(element, outside[i] ?? NaN, 1e-6));
});
