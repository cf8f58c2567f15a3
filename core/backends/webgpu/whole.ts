/** Parts of kernels: the kernel that a part is of decides on what its bits depend. */
import type { KernelOf } from "../../lowering/kernels.ts";
import type { KernelContext } from "./dispatch.ts";

/** The product that a product is a part of, itself if it is none. */
export function wholeOf(
  kernel: KernelOf<"matmul">,
  { whole }: KernelContext,
): KernelOf<"matmul"> {
  return whole?.kind === "matmul" ? whole : kernel;
}
