/**
 * The product of one row and a matrix that is not read along the depth, as in a step of generation:
 * no panel is packed, since every element of the matrix is used once.
 */
import { at } from "../../shape.ts";
import {
  branch,
  type Code,
  countTo,
  f32x4,
  int,
  least,
  local,
  types,
  v128,
  whileLoop,
} from "./instructions.ts";
import { readerOf, routineScope } from "./elements.ts";
import type { FactorTypes } from "./frame.ts";
import { defineFunction, type WasmFunction } from "./module.ts";

/** Columns that are summed at once where they are consecutive. */
export const BLOCK = 32;

/** Terms of a slice of the depth, whose sum is added to those before. */
const SLICE = 512;

const get = local.get;

/** Adds to a local. */
function increase(index: number, by: Code): Code {
  return local.set(index, int.add(get(index), by));
}

/**
 * `c[j] = sum_k a[k] b[k, j]` for columns j from `firstColumn` to `endColumn` (excluded): addresses
 * of a, b and c, the depth, the steps in bytes along a and along b's rows and columns, and the
 * columns. Each sum has the same order whichever columns are computed with it, and runs in slices
 * of the depth.
 *
 * @param fused Whether to multiply and add with one rounding.
 * @param operands The element types of a and b.
 */
export function vectorMatrixFunction(fused: boolean, operands: FactorTypes): WasmFunction {
  return defineFunction(
    new Array<typeof types.int>(9).fill(types.int),
    [],
    (locals) => {
      const [a, b, c, depth, aStep, bRow, bColumn, j, end] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
      const [pa, pb, k] = [locals.add(types.int), locals.add(types.int), locals.add(types.int)];
      const scope = routineScope(locals, fused);
      const { madd } = scope;
      const [readA, readB] = [readerOf(operands.a, scope), readerOf(operands.b, scope)];
      const splat = locals.add(types.v128);
      const out = int.add(get(c), int.shl(get(j), int.const(2)));
      const start: Code = [
        local.set(pa, get(a)),
        local.set(pb, int.add(get(b), int.mul(get(j), get(bColumn)))),
        local.set(k, int.const(0)),
      ];
      const next: Code = [increase(pa, get(aStep)), increase(pb, get(bRow))];
      const stop = locals.add(types.int);
      /** A slice of the depth after the other; `slice` ends with its totals in `sums`. */
      const inSlices = (sums: readonly number[], slice: Code): Code => {
        const totals = sums.map(() => locals.add(types.v128));
        return [
          start,
          totals.map((total) => local.set(total, f32x4.const(0))),
          whileLoop(int.ltS(get(k), get(depth)), [
            local.set(stop, least(int.add(get(k), int.const(SLICE)), get(depth))),
            sums.map((sum) => local.set(sum, f32x4.const(0))),
            slice,
            totals.map((total, i) => local.set(total, f32x4.add(get(total), get(at(sums, i))))),
          ]),
          totals.map((total, i) => local.set(at(sums, i), get(total))),
        ];
      };

      /** Columns j.. as vectors: each row of the matrix is read along. */
      const alongRows = (vectors: number): Code => {
        const sums = Array.from({ length: vectors }, () => locals.add(types.v128));
        const slice = countTo(k, get(stop), 1, [
          local.set(splat, readA.splat(get(pa))),
          sums.map((sum, i) =>
            local.set(
              sum,
              madd(get(splat), readB.four(get(pb), 4 * readB.bytes * i), get(sum)),
            )
          ),
          next,
        ]);
        return [
          inSlices(sums, slice),
          sums.map((sum, i) => v128.store(out, get(sum), 16 * i)),
        ];
      };
      /** One column, term by term, in the first lane; the others multiply zeros. */
      const single = locals.add(types.v128);
      const down = countTo(k, get(stop), 1, [
        local.set(single, madd(readA.one(get(pa)), readB.one(get(pb)), get(single))),
        next,
      ]);
      const isAlong = int.eq(get(bColumn), int.const(readB.bytes));
      const room = (columns: number) => int.sub(get(end), int.const(columns - 1));
      return [
        branch(isAlong, [
          countTo(j, room(BLOCK), BLOCK, alongRows(BLOCK / 4)),
          countTo(j, room(4), 4, alongRows(1)),
        ]),
        countTo(j, get(end), 1, [
          inSlices([single], down),
          v128.store32Lane(out, get(single), 0),
        ]),
      ];
    },
  );
}
