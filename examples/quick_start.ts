/**
 * A function, its gradient, and its program: the first things to know of Unitune.
 *
 *     deno run examples/quick_start.ts
 *
 * It needs no permission, reads no file, and ends in about a second.
 */
import {
  add,
  compile,
  graphOf,
  mean,
  mul,
  showGraph,
  square,
  sub,
  type Tensor,
  tensor,
} from "@unitune/core";
import { grad, valueAndGrad } from "@unitune/autodiff";

// A tensor is an immutable value. Operations take tensors or numbers, and broadcast.
const x = tensor([1, 2, 3, 4]);
const y = add(mul(x, 3), -2);

// Nothing was computed yet: y is an expression, evaluated when its elements are read.
console.log("y =", await y.data());

// A function of parameters is any function of a tree of tensors: here, the error of the line
// `slope x + offset` on the points (x, y).
interface Line {
  readonly slope: Tensor;
  readonly offset: Tensor;
}
const error = ({ slope, offset }: Line, x: Tensor, y: Tensor): Tensor =>
  mean(square(sub(add(mul(x, slope), offset), y)));

// `grad` turns it into the function that computes its gradient, in the same tree.
const start: Line = { slope: tensor(0), offset: tensor(0) };
const gradient = grad(error)(start, x, y);
console.log("gradient =", await gradient.slope.item(), await gradient.offset.item());

// A gradient is an expression as well, so it has a gradient: d²/dx² x³ = 6x.
const cube = (x: Tensor) => mul(x, mul(x, x));
console.log("second derivative of x^3 at 2 =", await grad(grad(cube))(tensor(2)).item());

// A step of gradient descent is a pure function: old parameters in, new ones out.
const descend = (line: Line, x: Tensor, y: Tensor): { line: Line; error: Tensor } => {
  const { value, gradient } = valueAndGrad(error)(line, x, y);
  return {
    line: {
      slope: sub(line.slope, mul(gradient.slope, 0.1)),
      offset: sub(line.offset, mul(gradient.offset, 0.1)),
    },
    error: value,
  };
};

// `compile` makes one program of it, gradient included. `donate` gives the program the storage of
// its first argument, which the loop replaces anyway.
const step = compile(descend, { donate: [0] });
let line = start;
for (let i = 1; i <= 200; i++) {
  const result = step(line, x, y);
  line = result.line;
  // The loop reads a number when it wants to show one; a step itself reads nothing back.
  if (i === 1 || i % 50 === 0) console.log(`step ${i}: error`, await result.error.item());
}
console.log(
  `y = ${(await line.slope.item()).toFixed(3)} x + ${(await line.offset.item()).toFixed(3)}`,
);

// The compiled program can be inspected: its simplified graph, and its statistics.
console.log("\nthe graph of the error:");
console.log(showGraph(graphOf(error, [line, x, y])));
for (const { kernels, arenaBytes } of step.statistics()) {
  console.log(`\na step: ${kernels} kernels over an arena of ${arenaBytes} bytes`);
}
