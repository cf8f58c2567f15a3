/** Loops that became part of a product's kernel give what they gave by themselves. */
import { assert } from "@std/assert";
import {
  add,
  cast,
  compile,
  type Device,
  evaluate,
  gelu,
  greater,
  key,
  matmul,
  mul,
  normal,
  reference,
  type Shape,
  sub,
  sum,
  type Tensor,
  tensor,
  wasm,
  where,
} from "@unitune/core";
import { device as software, hardware } from "../webgpu/adapter.ts";

type Layer = (x: Tensor, w: Tensor, b: Tensor, y: Tensor) => Tensor | Tensor[];

const layers: Readonly<Record<string, Layer>> = {
  "a bias and an activation": (x, w, b) => gelu(add(matmul(x, w), b)),
  "a residual": (x, w, b, y) => add(y, add(matmul(x, w), b)),
  "a product that is a result too": (x, w, b) => {
    const product = matmul(x, w);
    return [product, mul(product, b)];
  },
  "a product that is reduced later": (x, w, b) => {
    const product = matmul(x, w);
    return [sub(product, b), sum(product, { axes: [1] })];
  },
  "a result of another type": (x, w, b) => cast(greater(matmul(x, w), b), "i32"),
  "several results, a mask among them": (x, w, b, y) => {
    const product = matmul(x, w);
    const mask = greater(product, b);
    return [mask, where(mask, product, y), mul(product, 3)];
  },
};

const sizes: readonly (readonly [rows: number, depth: number, columns: number])[] = [
  [1, 40, 70],
  [1, 40, 1],
  [100, 40, 70],
  [8, 30, 300],
  // Blocks, tiles and sums that workgroups share, with whole fours and without.
  [132, 130, 68],
  [130, 132, 70],
  [40, 520, 36],
  [3, 1100, 10],
  [5, 0, 7],
];

async function results(
  layer: Layer,
  [rows, depth, columns]: (typeof sizes)[number],
  device: Device,
): Promise<number[]> {
  const shapes: Shape[] = [[rows, depth], [depth, columns], [columns], [rows, columns]];
  const inputs = evaluate(shapes.map((shape, i) => normal(key(i), shape)), wasm({ threads: 1 }));
  const [x, w, b, y] = await Promise.all(
    inputs.map(async (input) => tensor(await input.data(), { shape: input.shape })),
  );
  assert(x && w && b && y);
  using program = compile(layer, { device });
  const made = [program(x, w, b, y)].flat();
  return (await Promise.all(made.map(async (result) => [...await result.data()]))).flat();
}

const backends: readonly (readonly [name: string, device: Device | undefined])[] = [
  ["wasm", wasm({ threads: 2 })],
  ["webgpu", software],
  ["webgpu for hardware", hardware],
];

for (const [backend, device] of backends) {
  for (const [name, layer] of Object.entries(layers)) {
    Deno.test({
      name: `epilogue on ${backend}: ${name}`,
      ignore: device === undefined,
      async fn() {
        assert(device !== undefined);
        for (const size of sizes) {
          const [ours, expected] = [
            await results(layer, size, device),
            await results(layer, size, reference()),
          ];
          assert(ours.length === expected.length && ours.length > 0);
          // Up to 1,100 terms of size 1 in f32, half a unit of 6e-8 lost at each; sums of 300 of these.
          const scale = Math.max(1, ...expected.map(Math.abs));
          for (const [i, value] of ours.entries()) {
            assert(Math.abs(value - (expected[i] ?? NaN)) < 1e-5 * scale, `${size}: element ${i}`);
          }
        }
      },
    });
  }
}
