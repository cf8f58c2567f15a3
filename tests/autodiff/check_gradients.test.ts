/** The check of gradients: it must find what is wrong. */
import { checkGradients, customVjp } from "@unitune/autodiff";
import { mul, square, stopGradient, type Tensor, tensor } from "@unitune/core";
import { assertRejects } from "@std/assert";

const f64 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: "f64" });

Deno.test("finds a wrong gradient, of the second order only too", async () => {
  const wrong = customVjp((x: Tensor) => square(x), ({ x }, g) => mul(g, mul(x, 2.001)));
  await assertRejects(() => checkGradients(wrong, f64([1, 3])), Error, "element 1 of x");
  // The right slope, held constant where it should not be.
  const flat = customVjp(
    (x: Tensor) => square(x),
    ({ x }, g) => mul(g, mul(stopGradient(x), 2)),
  );
  await checkGradients(flat, f64([1, 3]));
  await assertRejects(() => checkGradients(flat, f64([1, 3]), { order: 2 }), Error, "differences");
});

Deno.test("NaN does not pass, and paths are named", async () => {
  const f = ({ w }: { w: Tensor }) => mul(w, NaN);
  await assertRejects(() => checkGradients(f, { w: f64([1]) }), Error, "element 0 of w");
  await assertRejects(() => checkGradients(() => ({}), f64(1)), TypeError, "no float");
});
