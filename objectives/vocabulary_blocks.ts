/**
 * Log-probabilities, entropies and arg max of a linear head in blocks of its vocabulary, whose logits
 * `[N, V]` are never held at once. A block's logits are computed on the way forward and again on the
 * way back, so a gradient holds those of one block, and hidden states and sums of exponentials
 * between the two ways (as cut cross-entropy does by a kernel of its own, arXiv 2411.09009).
 *
 * Blocks of the vocabulary read each weight once on either way, and write each weight's gradient once.
 * Blocks of rows would do both once for each block.
 */
import { customVjp, vjp } from "@unitune/autodiff";
import {
  abs,
  add,
  and,
  apply,
  arange,
  argmax,
  broadcastTo,
  cast,
  checkRange,
  concat,
  dims,
  div,
  equal,
  exp,
  gumbelRows,
  less,
  lessEqual,
  type LinearHead,
  log,
  logitsOfProduct,
  logSumExp,
  matmul,
  max,
  mul,
  neg,
  ranges,
  sizeOf,
  slice,
  stack,
  stopGradient,
  sub,
  sum,
  takeAlongAxis,
  type Tensor,
  transposeLast,
  unsqueeze,
  where,
  zeros,
} from "@unitune/core";
import { weighedByExp } from "./log_probs.ts";

/** The tensors that logits are computed from. */
export interface Operands {
  /** Hidden states, `[N, D]`. */
  readonly hidden: Tensor;
  /** The weight of the head, `[V, D]`. */
  readonly weight: Tensor;
  /** The bias of the head, `[V]`. */
  readonly bias?: Tensor;
}

/** The names of operands that gradients reach. */
export type Learned = { readonly [K in keyof Operands]?: Tensor };

/** A range of tokens. */
export interface Block {
  readonly start: number;
  readonly end: number;
}

/** What log-probabilities and entropies are made of, each `[N]`. */
interface Statistics {
  /** The logit of the given token; 0 for an id that is no token. */
  readonly chosen: Tensor;
  /** `ln sum_a e^(logits[a])`; NaN where it is infinite, since such logits are no prediction. */
  readonly logSumExp: Tensor;
  /** The entropy. */
  readonly entropy: Tensor;
}

/** Predictions at positions in any order, `[...]`, of which nobody needs the logits. */
export interface TokenPrediction {
  /** The log-probabilities of given tokens `[...]` (i32); NaN for an id that is no token. */
  readonly logProbs: (ids: Tensor) => Tensor;
  /** The entropies. */
  readonly entropy: () => Tensor;
  /** The most likely tokens, the first of equal ones (i32). */
  readonly argmax: () => Tensor;
  /**
   * Tokens that are drawn (i32): at each position by the key (u32 `[2]`), used for nothing else, and the
   * position's number `[...]` (u32).
   */
  readonly draw: (key: Tensor, numbers: Tensor) => Tensor;
}

/** The noise of a draw at N positions, `[N, V]`: the largest of logits and noise is drawn. */
export function noiseOf(key: Tensor, numbers: Tensor, vocabulary: number): Tensor {
  return gumbelRows(broadcastTo(key, [sizeOf(numbers.shape), 2]), numbers, vocabulary);
}

/** The fewest tokens of a block that is chosen by sizes: narrower products take longer. */
const NARROWEST = 1024;

/** The most blocks that are chosen by sizes: each has kernels of its own, which have to be compiled. */
const MOST_BLOCKS = 16;

/** Logits of a block, 4 MiB in f32: so many stay in the cache between the sums over them. */
const BLOCK_LOGITS = 2 ** 20;

/**
 * Logits from which on there are blocks: 8 MiB in f32. With as many, a gradient takes about as long in
 * blocks as without, and less memory; with more, it takes less time as well
 * (`deno task bench --growth`, by vocabulary).
 */
const MANY_LOGITS = 2 ** 21;

/** Sizes of blocks are multiples of this, which no tile of a product has to be cut for. */
const TILE = 64;

/** Whether the logits of positions are so many that they are not computed at once. */
export function isManyLogits(positions: number, vocabulary: number): boolean {
  return positions * vocabulary >= MANY_LOGITS && vocabulary >= 2 * NARROWEST;
}

/**
 * The tokens of a block for so many positions and tokens; undefined where all logits are computed at
 * once.
 */
function chosenSize(positions: number, vocabulary: number): number | undefined {
  if (!isManyLogits(positions, vocabulary)) return undefined;
  const blocks = Math.min(MOST_BLOCKS, Math.ceil(positions * vocabulary / BLOCK_LOGITS));
  return Math.max(NARROWEST, Math.ceil(vocabulary / blocks / TILE) * TILE);
}

/**
 * The tokens of a block of a head at so many positions: what the head says, or a size by which
 * predictions take less memory and no more time; undefined where all logits are computed at once.
 *
 * @throws {RangeError} If the head's own size is neither an integer from 1 nor `Infinity`.
 */
export function blockSize({ weight, block }: LinearHead, positions: number): number | undefined {
  const { V } = dims(weight, "V D");
  if (block === undefined) return chosenSize(positions, V);
  checkRange("head: block", block, { ...ranges.integerFrom(1), infinite: true });
  return block < V ? block : undefined;
}

/** The ranges of `size` tokens that cover a vocabulary; the last one may be shorter. */
export function blocksOf(vocabulary: number, size: number): Block[] {
  return Array.from({ length: Math.ceil(vocabulary / size) }, (_, i) => ({
    start: i * size,
    end: Math.min(vocabulary, (i + 1) * size),
  }));
}

/** The rows of a weight, or the elements of a bias, of a block. */
function partOf(x: Tensor, { start, end }: Block): Tensor {
  return slice(x, 0, start, end);
}

/** The logits of a block, `[N, block]`. */
export function logitsOf(
  head: LinearHead,
  { hidden, weight, bias }: Operands,
  block: Block,
): Tensor {
  const product = matmul(hidden, transposeLast(partOf(weight, block)));
  return ofProduct(head, product, bias && partOf(bias, block));
}

/** Logits of a block from the product of hidden states and weight, `[N, block]`. */
function ofProduct(head: LinearHead, product: Tensor, bias: Tensor | undefined): Tensor {
  const { bias: _whole, ...others } = head;
  return logitsOfProduct(bias === undefined ? others : { ...others, bias }, product);
}

/** Whether each token of a block is the given one, `[N, block]`. */
function isChosen(ids: Tensor, { start, end }: Block): Tensor {
  return equal(unsqueeze(sub(ids, start), -1), arange(end - start));
}

/** x, behind a barrier that waits for tensors: what follows from it is computed after them. */
export function after(x: Tensor, tensors: readonly Tensor[]): Tensor {
  return tensors.reduce((waiting, other) => apply("barrier", [waiting, other], {}), x);
}

/** The logits of a block, `[N, block]`, and its sum of exponentials in parts, each `[N]`. */
export interface Forward {
  readonly block: Block;
  readonly logits: Tensor;
  /** The largest logit m, 0 where it is infinite. */
  readonly shift: Tensor;
  /** `s = sum_a e^(l_a - m)`. */
  readonly sum: Tensor;
}

/**
 * The logits of each block, one block after the other, so that the next one takes over the storage
 * of the last.
 */
export function forward(
  head: LinearHead,
  operands: Operands,
  blocks: readonly Block[],
): Forward[] {
  let waiting: readonly Tensor[] = [];
  return blocks.map((block) => {
    const hidden = after(operands.hidden, waiting);
    const logits = logitsOf(head, { ...operands, hidden }, block);
    const largest = stopGradient(max(logits, { axes: [-1] }));
    const shift = where(less(abs(largest), Infinity), largest, 0);
    const total = sum(exp(sub(logits, unsqueeze(shift, -1))), { axes: [-1] });
    waiting = [total];
    return { block, logits, shift, sum: total };
  });
}

/** The log-sum-exps of each block, `[N, blocks]`. */
function totalsOf(parts: readonly Forward[]): Tensor {
  return stack(parts.map(({ sum, shift }) => add(log(sum), shift)), -1);
}

/** The log-sum-exp of all tokens, `[N]`; NaN where it is infinite, since such logits are no prediction. */
export function totalOf(parts: readonly Forward[]): Tensor {
  const total = logSumExp(totalsOf(parts));
  return where(less(total, Infinity), total, NaN);
}

/**
 * The statistics of a vocabulary from those of its blocks. With `L_b = m_b + ln s_b` and the share
 * `w_b = e^(L_b - L)` of a block, `L = ln sum_b e^L_b`, and the entropy is that of the shares plus the
 * mean of those within blocks:
 *
 *     H = sum_b w_b (H_b - ln w_b),   H_b = ln s_b - sum_a e^(l_a - m_b) (l_a - m_b) / s_b
 *
 * No term is negative, so no digits cancel.
 */
function statisticsOf(parts: readonly Forward[], ids: Tensor): Statistics {
  const joined = (of: (part: Forward) => Tensor) => stack(parts.map(of), -1); // [N, blocks]
  const sums = joined(({ sum }) => sum);
  const moments = joined(({ logits, shift, sum: total }) => {
    // Another shift to the compiler, so that it stores no exponentials for both sums.
    const shifted = sub(logits, unsqueeze(after(shift, [total]), -1));
    return sum(weighedByExp(shifted, shifted), { axes: [-1] });
  });
  const total = totalOf(parts);
  const logShares = sub(totalsOf(parts), unsqueeze(total, -1));
  const within = sub(log(sums), div(moments, sums));
  const chosen = parts.map(({ block, logits }) =>
    sum(where(isChosen(ids, block), logits, 0), { axes: [-1] })
  );
  return {
    chosen: chosen.reduce(add),
    logSumExp: total,
    // A block of impossible tokens has no entropy of its own.
    entropy: sum(weighedByExp(logShares, sub(within, logShares)), { axes: [-1] }),
  };
}

/** The tokens of the largest scores, the first of equal ones. */
function mostLikely(parts: readonly { readonly block: Block; readonly scores: Tensor }[]): Tensor {
  const largest = argmax(stack(parts.map(({ scores }) => max(scores, { axes: [-1] })), -1)); // [N]
  const tokens = parts.map(({ block, scores }) => add(argmax(scores), block.start));
  return takeAlongAxis(stack(tokens, -1), largest);
}

/** The logits of a block with their noise, of which only the block's is computed. */
function noised(
  { block, logits, sum }: Forward,
  key: Tensor,
  numbers: Tensor,
  vocabulary: number,
): Tensor {
  // Behind the barrier, the noise is the block's own: it is not stored for others.
  const noise = noiseOf(after(key, [sum]), numbers, vocabulary);
  return add(cast(logits, "f32"), slice(noise, -1, block.start, block.end));
}

/** Whether a cotangent is that of a value on which the loss does not depend. */
function isNone({ cell: { value } }: Tensor): boolean {
  return value.kind === "expression" && value.op === "fill" && value.parameters.value === 0;
}

/**
 * The cotangent of a block's logits. With `p_a = e^(l_a - L)`, the derivatives by `l_a` are `1[a = id]` of
 * the chosen logit, `p_a` of the log-sum-exp L, and `-p_a (ln p_a + H)` of the entropy H.
 */
function logitsCotangent(
  logits: Tensor,
  ids: Tensor,
  block: Block,
  values: Statistics,
  cotangents: Statistics,
): Tensor {
  const column = (x: Tensor) => unsqueeze(x, -1);
  const logProbs = sub(logits, column(values.logSumExp));
  const probs = exp(logProbs);
  const { chosen, logSumExp, entropy } = cotangents;
  const parts = [
    ...(isNone(chosen) ? [] : [where(isChosen(ids, block), column(chosen), 0)]),
    ...(isNone(logSumExp) ? [] : [mul(probs, column(logSumExp))]),
    ...(isNone(entropy)
      ? []
      : [mul(weighedByExp(logProbs, add(logProbs, column(values.entropy))), column(neg(entropy)))]),
  ];
  return parts.reduce(add);
}

/**
 * The cotangents of the operands that learn, block by block, from the cotangent of a block's logits, which
 * is given what the block waits for.
 */
export function cotangentsOf(
  head: LinearHead,
  { hidden, weight, bias }: Operands,
  learned: Learned,
  blocks: readonly Block[],
  cotangents: readonly Tensor[],
  cotangentOf: (logits: Tensor, block: Block, waiting: readonly Tensor[]) => Tensor,
): Learned {
  let waiting = cotangents;
  let total: Tensor | undefined;
  const parts = blocks.map((block) => {
    const rows = partOf(weight, block);
    // Behind the barrier, the steps are not those of the way forward, and follow the last block's.
    const states = after(hidden, waiting);
    const { value, pullback } = vjp(
      ({ product, bias }: { readonly product: Tensor; readonly bias?: Tensor }) =>
        ofProduct(head, product, bias),
      {
        product: matmul(states, transposeLast(rows)),
        ...(bias === undefined ? {} : { bias: partOf(bias, block) }),
      },
    );
    const pulled = pullback(cotangentOf(value, block, waiting));
    const own = matmul(pulled.product, rows);
    total = total === undefined ? own : add(total, own);
    const part = {
      ...(learned.weight && { weight: matmul(transposeLast(pulled.product), states) }),
      ...(learned.bias && pulled.bias && { bias: pulled.bias }),
    };
    waiting = [...(learned.hidden ? [total] : []), ...Object.values(part)];
    return part;
  });
  const joined = (key: "weight" | "bias") =>
    concat(parts.flatMap(({ [key]: part }) => part ?? []), 0);
  return {
    ...(learned.hidden && total && { hidden: total }),
    ...(learned.weight && { weight: joined("weight") }),
    ...(learned.bias && { bias: joined("bias") }),
  };
}

/** The operands through which a derivative is being taken. */
export function learnedOf(operands: Operands): Learned {
  return Object.fromEntries(
    Object.entries(operands).filter(([, { differentiated }]) => differentiated),
  );
}

/** The statistics with a gradient that holds one block. */
function differentiable(
  head: LinearHead,
  operands: Operands,
  ids: Tensor,
  blocks: readonly Block[],
): Statistics {
  const learned = learnedOf(operands);
  const statistics = (x: Learned) =>
    statisticsOf(forward(head, { ...operands, ...x }, blocks), ids);
  // No gradient of a frozen weight is computed: it is none of the arguments.
  if (Object.keys(learned).length === 0) return statistics({});
  return customVjp(
    statistics,
    ({ x, value }, cotangents) =>
      cotangentsOf(
        head,
        { ...operands, ...x },
        learned,
        blocks,
        Object.values(cotangents),
        (logits, block) => logitsCotangent(logits, ids, block, value, cotangents),
      ),
  )(learned);
}

/**
 * The tensors that a head's logits at hidden states `[N, D]` are computed from.
 *
 * @throws {ShapeError} If the shapes do not fit.
 */
export function operandsOf({ weight, bias }: LinearHead, hidden: Tensor): Operands {
  const { D } = dims(hidden, "N D", "head: hidden states");
  const { V } = dims(weight, `V ${D}`, "head: weight");
  if (bias === undefined) return { hidden, weight };
  dims(bias, `${V}`, "head: bias");
  return { hidden, weight, bias };
}

/**
 * The predictions of a linear head, its vocabulary in blocks.
 *
 * @param head The head.
 * @param hidden Hidden states, `[N, D]`.
 * @param size The tokens of a block.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function inBlocks(head: LinearHead, hidden: Tensor, size: number): TokenPrediction {
  const operands = operandsOf(head, hidden);
  const { V } = dims(head.weight, "V D");
  const blocks = blocksOf(V, size);
  const of = (ids: Tensor) => differentiable(head, operands, ids, blocks);
  // Log-probabilities and entropies of one call share a gradient.
  let shared: Statistics | undefined;
  return {
    logProbs(ids) {
      const own = of(ids);
      shared ??= own;
      const isToken = and(lessEqual(0, ids), less(ids, V));
      return where(isToken, sub(own.chosen, own.logSumExp), NaN);
    },
    entropy() {
      shared ??= of(zeros(hidden.shape.slice(0, -1), "i32"));
      return shared.entropy;
    },
    argmax: () =>
      mostLikely(
        forward(head, operands, blocks).map(({ block, logits }) => ({ block, scores: logits })),
      ),
    draw: (key, numbers) =>
      mostLikely(
        forward(head, operands, blocks).map((part) => ({
          block: part.block,
          scores: noised(part, key, numbers, V),
        })),
      ),
  };
}
