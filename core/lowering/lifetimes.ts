/** When buffers are needed, by the positions of kernels. */
import { type Lowered, usedBuffers } from "./kernels.ts";

/** The first and the last kernel that touch a buffer. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The kernels that touch each buffer; undefined where none does. */
export function lifetimes({ buffers, kernels }: Lowered): (Span | undefined)[] {
  const spans = buffers.map((): Span | undefined => undefined);
  kernels.forEach((kernel, position) => {
    const { reads, writes } = usedBuffers(kernel);
    for (const buffer of [...reads, ...writes]) {
      spans[buffer] = { first: spans[buffer]?.first ?? position, last: position };
    }
  });
  return spans;
}
