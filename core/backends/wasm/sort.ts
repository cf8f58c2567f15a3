/** Sorting. */
import { type CodeEmitter, dtypeOf } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  f32,
  i32,
  int,
  least,
  local,
  memory,
  types,
} from "./instructions.ts";

/** Bottom-up merge sort of indices, between the output and scratch memory. */
export const argsort: CodeEmitter<"argsort"> = ({ input, output, outer, size }, frame) => {
  const { locals, base, scratchAddress } = frame;
  const dtype = dtypeOf(frame, input);
  const integer = () => locals.add(types.int);
  const [row, width, start, middle, end, left, right, out] = [
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
  ];
  const [keys, from, to, swap] = [integer(), integer(), integer(), integer()];
  const get = local.get;
  const word = (pointer: number, index: Code) =>
    int.add(get(pointer), int.shl(index, int.const(2)));
  const keyAt = (position: Code) => word(keys, int.load(word(from, position)));
  const float = (position: number) => f32.load(keyAt(get(position)));
  // NaN comes after everything: an element on its left goes first.
  const takesLeft = dtype === "f32"
    ? i32.or(f32.le(float(left), float(right)), f32.ne(float(right), float(right)))
    : dtype === "u32"
    ? i32.eqz(int.gtU(int.load(keyAt(get(left))), int.load(keyAt(get(right)))))
    : int.leS(int.load(keyAt(get(left))), int.load(keyAt(get(right))));
  const advance = (index: number) => local.set(index, int.add(get(index), int.const(1)));
  const take = (index: number): Code => [
    int.store(word(to, get(out)), int.load(word(from, get(index)))),
    advance(index),
  ];
  const merge: Code = [
    local.set(middle, least(int.add(get(start), get(width)), int.const(size))),
    local.set(end, least(int.add(get(middle), get(width)), int.const(size))),
    local.set(left, get(start)),
    local.set(right, get(middle)),
    local.set(out, get(start)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(int.ltS(get(out), get(end))), 0x0d, 1],
    branch(
      int.ltS(get(left), get(middle)),
      branch(
        int.ltS(get(right), get(end)),
        branch(takesLeft, take(left), take(right)),
        take(left),
      ),
      take(right),
    ),
    advance(out),
    [0x0c, 0, 0x0b, 0x0b],
    local.set(start, get(end)),
  ];
  return countFromZero(row, int.const(outer), [
    local.set(keys, int.add(get(base(input)), int.mul(get(row), int.const(4 * size)))),
    local.set(from, int.add(get(base(output)), int.mul(get(row), int.const(4 * size)))),
    local.set(to, scratchAddress),
    countFromZero(out, int.const(size), int.store(word(from, get(out)), get(out))),
    local.set(width, int.const(1)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(int.ltS(get(width), int.const(size))), 0x0d, 1],
    local.set(start, int.const(0)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(int.ltS(get(start), int.const(size))), 0x0d, 1],
    merge,
    [0x0c, 0, 0x0b, 0x0b],
    local.set(swap, get(from)),
    local.set(from, get(to)),
    local.set(to, get(swap)),
    local.set(width, int.shl(get(width), int.const(1))),
    [0x0c, 0, 0x0b, 0x0b],
    branch(
      int.eq(get(from), scratchAddress),
      memory.copy(get(to), get(from), int.const(4 * size)),
    ),
  ]);
};
