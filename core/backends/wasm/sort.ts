/** Sorting. */
import { type CodeEmitter, dtypeOf } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  f32,
  i32,
  least,
  local,
  memory,
  types,
} from "./instructions.ts";

/** Bottom-up merge sort of indices, between the output and scratch memory. */
export const argsort: CodeEmitter<"argsort"> = ({ input, output, outer, size }, frame) => {
  const { locals, base, scratchAddress } = frame;
  const dtype = dtypeOf(frame, input);
  const integer = () => locals.add(types.i32);
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
    i32.add(get(pointer), i32.shl(index, i32.const(2)));
  const keyAt = (position: Code) => word(keys, i32.load(word(from, position)));
  const float = (position: number) => f32.load(keyAt(get(position)));
  // NaN comes after everything: an element on its left goes first.
  const takesLeft = dtype === "f32"
    ? i32.or(f32.le(float(left), float(right)), f32.ne(float(right), float(right)))
    : dtype === "u32"
    ? i32.eqz(i32.gtU(i32.load(keyAt(get(left))), i32.load(keyAt(get(right)))))
    : i32.leS(i32.load(keyAt(get(left))), i32.load(keyAt(get(right))));
  const advance = (index: number) => local.set(index, i32.add(get(index), i32.const(1)));
  const take = (index: number): Code => [
    i32.store(word(to, get(out)), i32.load(word(from, get(index)))),
    advance(index),
  ];
  const merge: Code = [
    local.set(middle, least(i32.add(get(start), get(width)), i32.const(size))),
    local.set(end, least(i32.add(get(middle), get(width)), i32.const(size))),
    local.set(left, get(start)),
    local.set(right, get(middle)),
    local.set(out, get(start)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(out), get(end))), 0x0d, 1],
    branch(
      i32.ltS(get(left), get(middle)),
      branch(
        i32.ltS(get(right), get(end)),
        branch(takesLeft, take(left), take(right)),
        take(left),
      ),
      take(right),
    ),
    advance(out),
    [0x0c, 0, 0x0b, 0x0b],
    local.set(start, get(end)),
  ];
  return countFromZero(row, i32.const(outer), [
    local.set(keys, i32.add(get(base(input)), i32.mul(get(row), i32.const(4 * size)))),
    local.set(from, i32.add(get(base(output)), i32.mul(get(row), i32.const(4 * size)))),
    local.set(to, scratchAddress),
    countFromZero(out, i32.const(size), i32.store(word(from, get(out)), get(out))),
    local.set(width, i32.const(1)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(width), i32.const(size))), 0x0d, 1],
    local.set(start, i32.const(0)),
    [0x02, 0x40, 0x03, 0x40, i32.eqz(i32.ltS(get(start), i32.const(size))), 0x0d, 1],
    merge,
    [0x0c, 0, 0x0b, 0x0b],
    local.set(swap, get(from)),
    local.set(from, get(to)),
    local.set(to, get(swap)),
    local.set(width, i32.shl(get(width), i32.const(1))),
    [0x0c, 0, 0x0b, 0x0b],
    branch(
      i32.eq(get(from), scratchAddress),
      memory.copy(get(to), get(from), i32.const(4 * size)),
    ),
  ]);
};
