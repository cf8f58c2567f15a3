/** Losses that are written once: over tensors, numbers and formulas. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type Tensor, tensor } from "@unitune/core";
import fc from "fast-check";
import {
  type Arithmetic,
  type Constant,
  letter,
  onFormulas,
  onNumbers,
  onTensors,
} from "../../objectives/arithmetic.ts";

const b: Constant = { constant: 0.3, name: "b" };
const zero: Constant = { constant: 0, name: "eps" };
const one: Constant = { constant: 1, name: "(1-eps)" };

/** Every operation, with what its formula reads like. */
const cases: Readonly<Record<string, <X>(on: Arithmetic<X>, x: X, y: X) => X>> = {
  "-x": (on, x) => on.neg(x),
  "x + y": (on, x, y) => on.add(x, y),
  "x + b": (on, x) => on.add(x, b),
  "x - y": (on, x, y) => on.sub(x, y),
  "x - b": (on, x) => on.sub(x, b),
  "b - x": (on, x) => on.sub(b, x),
  "x - (y - b)": (on, x, y) => on.sub(x, on.sub(y, b)),
  "x y": (on, x, y) => on.mul(x, y),
  "b x": (on, x) => on.mul(b, x),
  "b (x + y)": (on, x, y) => on.mul(b, on.add(x, y)),
  "sigmoid(x) log sigmoid(y)": (on, x, y) => on.mul(on.sigmoid(x), on.logSigmoid(y)),
  "(x + y)/b": (on, x, y) => on.div(on.add(x, y), b),
  "x^2": (on, x) => on.square(x),
  "(x - y)^2": (on, x, y) => on.square(on.sub(x, y)),
  "relu(x)": (on, x) => on.relu(x),
  "e^(-b x)": (on, x) => on.exp(on.neg(on.mul(b, x))),
  "e^(x - y) - 1": (on, x, y) => on.expm1(on.sub(x, y)),
  "sort(x)": (on, x) => on.sort(x),
  // By 0 and 1 nothing is multiplied.
  "y": (on, x, y) => on.add(on.mul(zero, x), on.mul(one, y)),
  "x": (on, x, y) => on.add(x, on.mul(zero, y)),
  "-y": (on, x, y) => on.sub(on.mul(zero, x), y),
};

Deno.test("an operation is the same on tensors and numbers, and reads as it does in formulas", async () => {
  for (const [text, of] of Object.entries(cases)) {
    assertEquals(of(onFormulas, letter("x"), letter("y")).text, text);
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: -9, max: 9, noNaN: true }),
        fc.double({ min: -9, max: 9, noNaN: true }),
        async (x, y) => {
          const value = (x: number): Tensor => tensor([x], { dtype: "f64" });
          const expected = of(onNumbers, x, y);
          const actual = await of(onTensors, value(x), value(y)).item();
          assertAlmostEquals(actual, expected, 1e-12 * (1 + Math.abs(expected)), text);
        },
      ),
      { numRuns: 20 },
    );
  }
});
