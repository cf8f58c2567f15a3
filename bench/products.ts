/** The rate of the product of two square matrices. */
import { type Device, graphOf, matmul, tensor } from "@unitune/core";
import { gigaflops } from "./arithmetic.ts";
import { interleaved, type Measuring, type Spread } from "./measure.ts";

/** The measurements of a product. */
export interface ProductReport {
  /** Rows and columns of both matrices. */
  readonly size: number;
  /** Milliseconds of a product. */
  readonly milliseconds: Spread;
  /** Operations a nanosecond at the median, `2 size^3` of them. */
  readonly gigaflops: number;
}

/**
 * Measures `[size, size] x [size, size]` on a device that runs a program before it returns.
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
  const run = () => {
    for (const result of program.run(operands)) result.dispose();
    return Promise.resolve();
  };
  try {
    const [measured] = await interleaved([{ run }], measuring);
    if (measured === undefined) throw new Error("nothing was measured");
    const { time } = measured;
    return { size, milliseconds: time, gigaflops: gigaflops(2 * size ** 3, time.median) };
  } finally {
    for (const buffer of buffers) buffer.dispose();
    program.dispose();
  }
}
