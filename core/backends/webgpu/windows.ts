/** Windows of elements whose place is known only when they are copied. */
import type { KernelOf } from "../../lowering/kernels.ts";
import { at } from "../../shape.ts";
import { copier, copyInto } from "./copier.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  type KernelContext,
  overElements,
} from "./dispatch.ts";
import {
  countOf,
  elementOf,
  extentsOf,
  isWithin,
  roomBeside,
  type Touched,
  touching,
  when,
  wholeExtent,
} from "./pieces.ts";
import type { Shader } from "./shader.ts";

/** The elements of a window of each outer block: where they are in the whole. */
function windowLines(
  { start, starts, outer, size, length, inner }:
    | KernelOf<"dynamicSlice">
    | KernelOf<"dynamicUpdate">,
  shader: Shader,
  unit: number,
  element: string,
): string[] {
  const [part, whole] = [length * inner / unit, size * inner / unit];
  const row = starts === 1 ? "0u" : `block / ${outer / Math.max(starts, 1)}u`;
  return [
    `let block = ${element} / ${part}u;`,
    `let start = u32(clamp(i32(${shader.word(start, row)}), 0, ${size - length}));`,
    `let inWhole = block * ${whole}u + start * ${inner / unit}u + ${element} % ${part}u;`,
  ];
}

/**
 * Copies between the windows and the whole, from some elements of the one to some of the other: what
 * is in the window is known, and where it is in the whole only when it is run.
 */
function overWindows(
  kernel: KernelOf<"dynamicSlice"> | KernelOf<"dynamicUpdate">,
  context: KernelContext,
  { window, whole, isRead }: {
    readonly window: number;
    readonly whole: number;
    /** Whether the whole is read, not written. */
    readonly isRead: boolean;
  },
): Dispatch[] {
  if (at(context.buffers, window).size === 0) return [];
  const start: Touched = [kernel.start, wholeExtent(context, kernel.start)];
  return extentsOf(context, window, 1).flatMap((own) => {
    const touched = [start, [window, own]] as const;
    return extentsOf(context, whole, roomBeside(context, touched)).flatMap((part) => {
      const { shader, unit, get, set } = copier(
        touching(context, [...touched, [whole, part]]),
        kernel.inner,
        [window, whole],
      );
      const element = elementOf(own, unit);
      const copy = isRead
        ? set(window, element, get(whole, "inWhole"))
        : set(whole, "inWhole", get(window, element));
      return overElements(shader, countOf(own, unit), context.tuning, [
        ...windowLines(kernel, shader, unit, element),
        when(isWithin(context, "inWhole", [whole, part], unit), copy),
      ]);
    });
  });
}

/** A window of the elements. */
export const dynamicSlice: DispatchEmitter<"dynamicSlice"> = (kernel, context) =>
  overWindows(kernel, context, { window: kernel.output, whole: kernel.input, isRead: true });

/** The elements with a window written over. */
export const dynamicUpdate: DispatchEmitter<"dynamicUpdate"> = (kernel, context) => {
  const { input, update, output, inner } = kernel;
  return [
    ...copyInto(context, output, input, inner),
    ...overWindows(kernel, context, { window: update, whole: output, isRead: false }),
  ];
};
