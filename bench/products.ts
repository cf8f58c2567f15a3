/** The rate of the product of two square matrices. */
import { type Device, graphOf, matmul, tensor } from "@unitune/core";
import { gigaflops } from "./arithmetic.ts";
import { interleaved, type Measuring, type Spread, spreadOf } from "./measure.ts";

/** The measurements of a product. */
export interface ProductReport {
  /** Rows and columns of both matrices. */
  readonly size: number;
  /** Milliseconds of a product. */
  readonly milliseconds: Spread;
  /** Operations a nanosecond at the median, `2 size^3` of them. */
  readonly gigaflops: number;
}

/** Products in a row on a device that returns before it has multiplied. */
const IN_A_ROW = 20;

/**
 * Measures `[size, size] x [size, size]`: several products until they are done, less the time of
 * waiting for none.
 *
 * The program is run by itself, not as a compiled function, so that its result is given back at once
 * and not when the garbage collector finds it.
 */
export async function measureProduct(
  device: Device,
  size: number,
  measuring: Measuring,
): Promise<ProductReport> {
  const matrix = (seed: number) =>
    Float32Array.from({ length: size * size }, (_, i) => ((i * 7 + seed) % 13) / 13 - 0.5);
  const [a, b] = [matrix(0), matrix(5)];
  const shaped = (data: Float32Array) => tensor(data, { shape: [size, size] });
  const program = device.compile(graphOf(matmul, [shaped(a), shaped(b)]), { donated: [] });
  const buffers = [device.upload(a, "f32"), device.upload(b, "f32")];
  const operands = buffers.map((buffer) => ({ kind: "buffer", buffer }) as const);
  const one = device.upload(new Float32Array(1), "f32");
  const runsOf = (count: number) => ({
    async run() {
      for (let i = 0; i < count; i++) {
        for (const result of program.run(operands)) result.dispose();
      }
      // Everything before is done when this is read.
      await one.read();
    },
  });
  const count = device.name === "webgpu" ? IN_A_ROW : 1;
  try {
    const [products, waiting] = await interleaved([runsOf(count), runsOf(0)], measuring);
    if (products === undefined || waiting === undefined) throw new Error("nothing was measured");
    const time = spreadOf(products.times.map((time) => (time - waiting.time.median) / count));
    return { size, milliseconds: time, gigaflops: gigaflops(2 * size ** 3, time.median) };
  } finally {
    for (const buffer of [...buffers, one]) buffer.dispose();
    program.dispose();
  }
}
