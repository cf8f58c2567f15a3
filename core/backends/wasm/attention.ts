/**
 * Attention, a block of queries of a head of a sequence at a time. A block has its scores in
 * scratch memory, where they become weights. It takes the keys from the first to the last that one
 * of its queries may see, and products skip the elements above the diagonal. So a thread needs
 * memory for one block, and no weights are stored for the gradient: they are computed again.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import { blocking, gradientBlocking, makeBlock, planScratch, setBlock } from "./attention_block.ts";
import { clear, productsOf, spread, weighted } from "./attention_products.ts";
import { copySegments, toProductGradients, toWeights } from "./attention_scores.ts";
import type { CodeEmitter, Frame } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  countTo,
  int,
  isSet,
  local,
  select,
  types,
} from "./instructions.ts";

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => int.add(sum, x), a);
const times = (a: Code, factor: number): Code => int.mul(a, int.const(factor));

/** The matrices of a block: products become weights in the first, their gradients in the second. */
const WEIGHTS = 0;
const GRADIENTS = 1;
/** Slopes of scores that are bounded. */
const SLOPES = 2;

/** Bytes of scratch memory that attention needs for each thread. */
export function attentionScratch(sizes: AttentionSizes): number {
  return planScratch(sizes, blocking(sizes)).bytes;
}

/** Bytes of scratch memory that the gradient needs for each thread. */
export function attentionGradientScratch(sizes: AttentionSizes): number {
  return planScratch(sizes, gradientBlocking(sizes)).bytes;
}

/** Runs `body` for this thread's units of work, with the number of each. */
function eachUnit(frame: Frame, units: number, body: (unit: Code) => Code): Code {
  const unit = frame.locals.add(types.int);
  const share = frame.shareOf(units, 1);
  const begin = share === undefined ? int.const(0) : get(share.begin);
  const end = share === undefined ? int.const(units) : get(share.end);
  return [local.set(unit, begin), countTo(unit, end, 1, body(get(unit)))];
}

/**
 * The softmax of scores times values. Threads share blocks. Those of a head are taken from both ends
 * in turn: under a causal mask the last ones take longest, and every share has some of them.
 */
export const attention: CodeEmitter<"attention"> = (kernel, frame) => {
  const { q, k, v, y, batch, heads, keyHeads, queries, width } = kernel;
  if (batch * heads * queries * width === 0) return [];
  const block = makeBlock(frame, kernel, blocking(kernel));
  const { size } = block.blocking;
  const count = Math.ceil(queries / size);
  const number = frame.locals.add(types.int);
  return eachUnit(frame, batch * heads * count, (unit) => {
    const half = int.shrU(get(number), int.const(1));
    const fromEnd = int.sub(int.const(count - 1), half);
    return [
      local.set(number, int.remU(unit, int.const(count))),
      local.set(
        block.first,
        times(
          select(fromEnd, half, isSet(int.and(get(number), int.const(1)))),
          size,
        ),
      ),
      local.set(number, int.divU(unit, int.const(count))),
      local.set(block.sequence, int.divU(get(number), int.const(heads))),
      local.set(block.head, int.remU(get(number), int.const(heads))),
      local.set(block.keyHead, int.divU(get(block.head), int.const(heads / keyHeads))),
      setBlock(block),
      branch(isSet(get(block.keys)), [
        copySegments(block),
        productsOf(block, q, k, WEIGHTS),
        toWeights(block, undefined),
        weighted(block, WEIGHTS, v, y),
      ], clear(block, y, get(block.first), plus(get(block.first), get(block.rows)), block.head)),
    ];
  });
};

/**
 * With weights P, cotangents G and `U = G V'`: `E = scale P (U - sum(P U))`, times the slopes of
 * bounded scores, and the gradients `E K` of the queries, `E' Q` of the keys, `P' G` of the values.
 * Threads share the heads of keys, each with the blocks of all its heads of queries. The last block
 * of the first head comes first, since it mostly reaches all keys: it sets their gradients, and the
 * others add to them.
 */
export const attentionGradient: CodeEmitter<"attentionGradient"> = (kernel, frame) => {
  const { q, k, v, g, dq, dk, dv, batch, heads, keyHeads, queries, keys, width } = kernel;
  if (batch * keyHeads * width === 0) return [];
  const slopes = kernel.softcap === null ? undefined : SLOPES;
  const block = makeBlock(frame, kernel, gradientBlocking(kernel));
  const { first, rows, firstKey, head, keyHead, blocking: { size } } = block;
  const count = Math.ceil(queries / size);
  const group = heads / keyHeads;
  const turn = frame.locals.add(types.int);
  const clearKeys = (from: Code, to: Code): Code => [
    clear(block, dk, from, to, keyHead),
    clear(block, dv, from, to, keyHead),
  ];
  const [none, all] = [int.const(0), int.const(keys)];
  return eachUnit(frame, batch * keyHeads, (unit) => [
    local.set(block.sequence, int.divU(unit, int.const(keyHeads))),
    local.set(keyHead, int.remU(unit, int.const(keyHeads))),
    count * group === 0 ? clearKeys(none, all) : countFromZero(turn, int.const(count * group), [
      local.set(head, plus(times(get(keyHead), group), int.divU(get(turn), int.const(count)))),
      local.set(
        first,
        times(
          int.sub(int.const(count - 1), int.remU(get(turn), int.const(count))),
          size,
        ),
      ),
      setBlock(block),
      branch(int.eqz(get(turn)), [
        clearKeys(none, get(firstKey)),
        clearKeys(plus(get(firstKey), get(block.keys)), all),
      ]),
      branch(isSet(get(block.keys)), [
        copySegments(block),
        productsOf(block, q, k, WEIGHTS),
        toWeights(block, slopes),
        productsOf(block, g, v, GRADIENTS),
        toProductGradients(block, slopes),
        weighted(block, GRADIENTS, k, dq),
        spread(block, GRADIENTS, q, dk, get(turn)),
        spread(block, WEIGHTS, g, dv, get(turn)),
      ], clear(block, dq, get(first), plus(get(first), get(rows)), head)),
    ]),
  ]);
};
