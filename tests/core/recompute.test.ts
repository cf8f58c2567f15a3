/** Values that are computed again, so that a program takes less memory at once. */
import { assert, assertEquals, assertLess } from "@std/assert";
import {
  compile,
  graphOf,
  leafPaths,
  matmul,
  mul,
  sigmoid,
  sum,
  type Tensor,
  tensor,
  transposeLast,
} from "@unitune/core";
import { grad } from "@unitune/autodiff";
import { type Lowered, planMemory } from "@unitune/core/backend";
import fc from "fast-check";
import { type Kernel, usedBuffers } from "../../core/lowering/kernels.ts";
import { lower } from "../../core/lowering/lower.ts";
import { recompute } from "../../core/lowering/recompute.ts";
import { peakOf } from "../../core/lowering/work.ts";
import { emitProgram, javascript } from "../backend/javascript.ts";
import { arbitraryProgram, inputsOf, runProgram } from "./programs.ts";

/** As many values as can be are computed again. */
const eager = { free: 0, least: 0 } as const;

/** The size of the layers below. */
const SIZE = 16;

const matrix = (seed: number) =>
  tensor(
    Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(seed + i * i)),
    { shape: [SIZE, SIZE] },
  );

/** The gradients of gated layers, as Llama's: each multiplies two products, one of them by its gate. */
function gatedGradients(weights: readonly Tensor[]): readonly Tensor[] {
  return grad((own: readonly Tensor[]) => {
    const last = own.reduce((x, weight) => {
      const [gate, up] = [matmul(x, weight), matmul(x, transposeLast(weight))];
      return matmul(mul(mul(gate, sigmoid(gate)), up), weight);
    });
    return sum(mul(last, last));
  })(weights);
}

const weights = [1, 2, 3, 4, 5].map(matrix);

const gated = lower(graphOf((...own) => gatedGradients(own), weights));

const bytesOf = (lowered: Lowered) => {
  const { gradientBytes, activationBytes } = peakOf(lowered, planMemory(lowered, []));
  return gradientBytes + activationBytes;
};

/** The elements that a function gives, by a device that emits programs after they were changed. */
async function elementsOf(
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
  change: (lowered: Lowered) => Lowered,
): Promise<readonly number[][]> {
  const device = javascript((lowered) => {
    const changed = change(lowered);
    return emitProgram(changed, planMemory(changed, []));
  });
  using program = compile(f, { device });
  const results = [...leafPaths(program(inputs)).values()];
  return await Promise.all(results.map(async (result) => [...await result.data()]));
}

Deno.test("a gate that a gradient reads late is computed again, and less memory is taken", () => {
  const less = recompute(gated, eager);
  const loops = (kernels: readonly Kernel[]) => kernels.filter(({ kind }) => kind === "map").length;
  assertLess(loops(gated.kernels), loops(less.kernels));
  assertEquals(
    less.kernels.length - gated.kernels.length,
    less.buffers.length - gated.buffers.length,
  );
  assertLess(bytesOf(less), bytesOf(gated));
});

Deno.test("nothing is computed again where little memory is taken, or values are small", () => {
  const most = bytesOf(gated);
  assertEquals(recompute(gated), gated);
  assertEquals(recompute(gated, { ...eager, free: most }), gated);
  assertEquals(recompute(gated, { ...eager, least: 4 * SIZE * SIZE + 1 }), gated);
  assert(recompute(gated, { free: most - 1, least: 4 * SIZE * SIZE }) !== gated);
});

Deno.test("the elements are the same, and every buffer is written before it is read", async () => {
  const kept = await elementsOf(gatedGradients, weights, (lowered) => lowered);
  const again = await elementsOf(gatedGradients, weights, (lowered) => recompute(lowered, eager));
  assertEquals(again, kept);
  await fc.assert(
    fc.asyncProperty(arbitraryProgram, async (program) => {
      const f = (inputs: readonly Tensor[]) => {
        const results = runProgram(program, [...inputs]);
        const total = results.map((result) => sum(mul(result, result)));
        return [...results, ...total];
      };
      const inputs = inputsOf(program);
      const changed = (lowered: Lowered) => {
        const less = recompute(lowered, eager);
        const written = new Set(less.inputs);
        for (const { reads, writes } of less.kernels.map(usedBuffers)) {
          assertEquals(reads.filter((buffer) => !written.has(buffer)), []);
          for (const buffer of writes) written.add(buffer);
        }
        return less;
      };
      assertEquals(
        await elementsOf(f, inputs, changed),
        await elementsOf(f, inputs, (lowered) => lowered),
      );
    }),
    { numRuns: 50 },
  );
});
