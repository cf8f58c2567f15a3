/** Names of kernels, for messages and profiles. */
import type { Kernel } from "./kernels.ts";

/**
 * A kernel's kind and sizes; kernels of one name do like work.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, matmul, zeros } from "@unitune/core";
 * import { describeKernel, lower } from "@unitune/core/backend";
 *
 * const { kernels } = lower(graphOf(matmul, [zeros([2, 3]), zeros([3, 4])]));
 * assertEquals(kernels.map(describeKernel), ["matmul [2,3] x [3,4]"]);
 * ```
 *
 * @param kernel The kernel.
 * @returns Its name, for messages and profiles.
 */
export function describeKernel(kernel: Kernel): string {
  switch (kernel.kind) {
    case "map": {
      const { domain, steps, stores } = kernel;
      return `map [${domain}], ${steps.length} steps, ${stores.length} stored`;
    }
    case "reduce":
      return `${kernel.reduction} [${kernel.kept}] over [${kernel.reduced}]`;
    case "matmul": {
      const { batch, rows, columns, depth, epilogue } = kernel;
      const sizes = `[${[...batch, rows, depth]}] x [${[...batch, depth, columns]}]`;
      return `matmul ${sizes}${epilogue === undefined ? "" : `, ${epilogue.steps.length} steps`}`;
    }
    case "attention":
    case "attentionGradient": {
      const { batch, queries, keys, heads, keyHeads, width } = kernel;
      const [ofQueries, ofKeys] = [[batch, queries, heads, width], [batch, keys, keyHeads, width]];
      return `${kernel.kind} [${ofQueries}] x [${ofKeys}]`;
    }
    case "gather":
      return `gather [${kernel.count}, ${kernel.width}]`;
    case "scatterAdd":
      return `scatterAdd [${kernel.count}, ${kernel.width}] to ${kernel.rows}`;
    case "argsort":
      return `argsort [${kernel.outer}, ${kernel.size}]`;
    case "dynamicSlice":
    case "dynamicUpdate":
      return `${kernel.kind} [${kernel.outer}, ${kernel.length}, ${kernel.inner}]`;
    default:
      return kernel satisfies never;
  }
}
