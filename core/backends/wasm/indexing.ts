/** Rows at ids that are data. */
import type { Share } from "./body.ts";
import { dtypeOf, type Emitter, type Frame } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  i32,
  local,
  memory,
  types,
  v128,
} from "./instructions.ts";

/** Runs `inside` with the address of each id's row, and `outside` for ids that name none. */
function eachId(
  { ids, rows, count, width }: { ids: number; rows: number; count: number; width: number },
  { locals, base }: Frame,
  inside: (round: Code, rowBytes: Code) => Code,
  outside: (round: Code) => Code,
  share?: Omit<Share, "loop">,
): Code {
  const [round, id] = [locals.add(types.i32), locals.add(types.i32)];
  const idAddress = i32.add(local.get(base(ids)), i32.shl(local.get(round), i32.const(2)));
  const [begin, end] = share === undefined
    ? [i32.const(0), i32.const(count)]
    : [local.get(share.begin), local.get(share.end)];
  const body: Code = [
    local.set(id, i32.load(idAddress)),
    branch(
      // Unsigned, so that negative ids are outside too.
      i32.ltU(local.get(id), i32.const(rows)),
      inside(local.get(round), i32.mul(local.get(id), i32.const(4 * width))),
      outside(local.get(round)),
    ),
  ];
  return [local.set(round, begin), countTo(round, end, 1, body)];
}

/** Copies the row of each id. */
export const gather: Emitter<"gather"> = (kernel, frame) => {
  const { table, output, width } = kernel;
  const { locals, base } = frame;
  const missing = dtypeOf(frame, output) === "f32" ? NaN : 0;
  const column = locals.add(types.i32);
  const rowOf = (round: Code) =>
    i32.add(local.get(base(output)), i32.mul(round, i32.const(4 * width)));
  return eachId(
    kernel,
    frame,
    (round, rowBytes) =>
      memory.copy(rowOf(round), i32.add(local.get(base(table)), rowBytes), i32.const(4 * width)),
    (round) =>
      countFromZero(
        column,
        i32.const(width),
        f32.store(
          i32.add(rowOf(round), i32.shl(local.get(column), i32.const(2))),
          f32.const(missing),
        ),
      ),
    frame.shareOf(kernel.count, 1),
  );
};

/** Clears the rows, then adds each update to the row of its id, in order. */
export const scatterAdd: Emitter<"scatterAdd"> = (kernel, frame) => {
  const { updates, output, rows, width } = kernel;
  const { locals, base } = frame;
  const [to, from, column] = [locals.add(types.i32), locals.add(types.i32), locals.add(types.i32)];
  const whole = width - width % 4;
  const addressOf = (pointer: number) =>
    i32.add(local.get(pointer), i32.shl(local.get(column), i32.const(2)));
  return [
    memory.fill(local.get(base(output)), i32.const(0), i32.const(4 * rows * width)),
    eachId(kernel, frame, (round, rowBytes) => [
      local.set(to, i32.add(local.get(base(output)), rowBytes)),
      local.set(from, i32.add(local.get(base(updates)), i32.mul(round, i32.const(4 * width)))),
      countFromZero(
        column,
        i32.const(whole),
        v128.store(addressOf(to), f32x4.add(v128.load(addressOf(to)), v128.load(addressOf(from)))),
        4,
      ),
      Array.from({ length: width - whole }, (_, rest) =>
        f32.store(
          local.get(to),
          f32.add(
            f32.load(local.get(to), 4 * (whole + rest)),
            f32.load(local.get(from), 4 * (whole + rest)),
          ),
          4 * (whole + rest),
        )),
    ], () => []),
  ];
};
