/** Windows whose start is data. */
import { bytesPerElement } from "../../dtype.ts";
import { type CodeEmitter, dtypeOf, type Frame, type KernelOf } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  int,
  local,
  memory,
  select,
  types,
} from "./instructions.ts";

/** A start that is data, kept within 0 to `room`: the `row`-th of several. */
function clampedStart(start: number, row: Code, room: number, { locals, base }: Frame): {
  readonly set: Code;
  readonly get: Code;
} {
  const index = locals.add(types.int);
  const raw = int.load(int.add(local.get(base(start)), int.shl(row, int.const(2))));
  return {
    set: [
      local.set(index, raw),
      local.set(
        index,
        select(int.const(0), local.get(index), int.ltS(local.get(index), int.const(0))),
      ),
      local.set(
        index,
        select(
          int.const(room),
          local.get(index),
          int.gtS(local.get(index), int.const(room)),
        ),
      ),
    ],
    get: local.get(index),
  };
}

/** Copies a window of each outer block between a whole and a part. */
function windows(
  kernel: KernelOf<"dynamicSlice"> | KernelOf<"dynamicUpdate">,
  frame: Frame,
  copy: (whole: Code, part: Code, bytes: Code) => Code,
  [whole, part]: readonly [number, number],
): Code {
  const { start, starts, outer, size, length, inner } = kernel;
  const { locals, base } = frame;
  const bytes = bytesPerElement[dtypeOf(frame, whole)];
  const block = locals.add(types.int);
  const row = starts === 1
    ? int.const(0)
    : int.divU(local.get(block), int.const(outer / Math.max(starts, 1)));
  const first = clampedStart(start, row, size - length, frame);
  const wholeAddress = int.add(
    int.add(local.get(base(whole)), int.mul(local.get(block), int.const(bytes * size * inner))),
    int.mul(first.get, int.const(bytes * inner)),
  );
  const partAddress = int.add(
    local.get(base(part)),
    int.mul(local.get(block), int.const(bytes * length * inner)),
  );
  return countFromZero(block, int.const(outer), [
    first.set,
    copy(wholeAddress, partAddress, int.const(bytes * length * inner)),
  ]);
}

/** Copies windows out of the whole. */
export const dynamicSlice: CodeEmitter<"dynamicSlice"> = (kernel, frame) =>
  windows(kernel, frame, (whole, part, bytes) => memory.copy(part, whole, bytes), [
    kernel.input,
    kernel.output,
  ]);

/** Copies the whole, unless it is written in place, and windows into it. */
export const dynamicUpdate: CodeEmitter<"dynamicUpdate"> = (kernel, frame) => {
  const { input, output, outer, size, inner } = kernel;
  const [from, to] = [local.get(frame.base(input)), local.get(frame.base(output))];
  const bytes = bytesPerElement[dtypeOf(frame, input)] * outer * size * inner;
  return [
    branch(int.ne(from, to), memory.copy(to, from, int.const(bytes))),
    windows(kernel, frame, memory.copy, [output, kernel.update]),
  ];
};
