/**
 * Causal attention, a head of a sequence at a time. A block of queries has its scores in scratch
 * memory, where they become weights; products leave out what lies above the diagonal. So a thread
 * needs memory for one block, and of the weights nothing is stored for the gradient: they are
 * computed again.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import { CHAIN } from "../../lowering/levels.ts";
import type { Emitter, Frame } from "./frame.ts";
import {
  addressTo,
  type Code,
  countFromZero,
  countTo,
  f32x4,
  i32,
  least,
  local,
  select,
  types,
  v128,
  whileLoop,
} from "./instructions.ts";
import {
  callMatmul,
  COLUMNS,
  DEPTH,
  type MatmulArguments,
  matmulScratch,
  ROWS,
  triangles,
} from "./matmul.ts";
import { callFunction } from "./operations.ts";

/** Queries of a block: a multiple of a tile's rows, and one slice along the depth. */
const BLOCK = 16 * ROWS;

/** Elements from a row of scores to the next; beyond the last score there is room for two vectors. */
function pitchOf(length: number): number {
  return Math.ceil(length / COLUMNS) * COLUMNS + 8;
}

/** Bytes of the scores of a block. */
function blockBytes(length: number): number {
  return 4 * Math.min(BLOCK, length) * pitchOf(length);
}

/** Bytes of scratch memory that a head needs: the scores, their gradient, and those of products. */
export function attentionScratch({ length, width }: AttentionSizes, blocks: number): number {
  const products = Math.max(matmulScratch(length, width), matmulScratch(width, DEPTH));
  return blocks * blockBytes(length) + products;
}

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => i32.add(sum, x), a);
const times = (a: Code, bytes: number): Code => i32.mul(a, i32.const(bytes));

/** What the steps of a head work with. */
interface Head {
  readonly frame: Frame;
  readonly sizes: AttentionSizes;
  /** First query of the block, queries in it, and the position after its last. */
  readonly first: number;
  readonly rows: number;
  readonly end: number;
  /** Bytes from position to position: in queries, keys and values, in results, in scores. */
  readonly packedStep: number;
  readonly resultStep: number;
  readonly scoreStep: number;
}

/** A product whose operands are of this head; what is not told is the usual. */
function product(
  { frame }: Head,
  blocks: number,
  args:
    & Pick<MatmulArguments, "a" | "b" | "c" | "rows" | "columns" | "depth" | "diagonal">
    & {
      readonly aSteps: readonly [number, number];
      readonly bSteps: readonly [number, number];
      readonly cStep: number;
      readonly triangle: keyof typeof triangles;
      readonly adds?: Code;
    },
): Code {
  const { aSteps, bSteps, cStep, triangle, adds = i32.const(0), ...rest } = args;
  return callMatmul(frame.routine("matmul"), {
    ...rest,
    scratch: plus(frame.scratchAddress, i32.const(blocks)),
    aRow: i32.const(aSteps[0]),
    aColumn: i32.const(aSteps[1]),
    bRow: i32.const(bSteps[0]),
    bColumn: i32.const(bSteps[1]),
    cRow: i32.const(cStep),
    firstRow: i32.const(0),
    endRow: args.rows,
    firstColumn: i32.const(0),
    endColumn: args.columns,
    triangle: i32.const(triangles[triangle]),
    adds,
  });
}

/** Combines the four lanes of a vector, each of which then has the result. */
function acrossLanes(x: number, combine: (a: Code, b: Code) => Code): Code {
  const moved = (...lanes: number[]) =>
    v128.shuffle(get(x), get(x), lanes.flatMap((lane) => [0, 1, 2, 3].map((b) => 4 * lane + b)));
  return [
    local.set(x, combine(get(x), moved(2, 3, 0, 1))),
    local.set(x, combine(get(x), moved(1, 0, 3, 2))),
  ];
}

/** Runs `body` for the rows of the block, with the address of each, and of its end on the diagonal. */
function eachRow(
  { frame: { locals }, first, rows, scoreStep }: Head,
  scores: Code,
  body: (row: number, diagonal: number) => Code,
): Code {
  const [i, row, diagonal] = [types.i32, types.i32, types.i32].map((type) => locals.add(type));
  if (i === undefined || row === undefined || diagonal === undefined) return [];
  return countFromZero(i, get(rows), [
    local.set(row, plus(scores, times(get(i), scoreStep))),
    local.set(diagonal, plus(get(row), times(plus(get(first), get(i), i32.const(1)), 4))),
    body(row, diagonal),
  ]);
}

/** Runs `body` for every four elements from an address to another one, the last beyond it. */
function fours(frame: Frame, from: number, end: Code, body: (at: Code) => Code): Code {
  const at = frame.locals.add(types.i32);
  return [local.set(at, get(from)), addressTo(at, end, 16, body(get(at)))];
}

/**
 * Adds up a vector for every four elements from an address to another one, in runs of `CHAIN`
 * whose totals are added up; `term` adds its own to the local that it is given.
 */
function sumOfFours(
  { frame, sizes }: Head,
  total: number,
  from: number,
  end: Code,
  term: (at: Code, sum: number) => Code,
): Code {
  const clear = local.set(total, f32x4.const(0));
  if (sizes.length <= 4 * CHAIN) {
    return [clear, fours(frame, from, end, (at) => term(at, total))];
  }
  const { locals } = frame;
  const [at, until] = [locals.add(types.i32), locals.add(types.i32)];
  const sum = locals.add(types.v128);
  const next = plus(get(at), i32.const(16 * CHAIN));
  return [
    clear,
    local.set(at, get(from)),
    whileLoop(i32.ltU(get(at), end), [
      local.set(until, select(next, end, i32.ltU(next, end))),
      local.set(sum, f32x4.const(0)),
      whileLoop(i32.ltU(get(at), get(until)), [
        term(get(at), sum),
        local.set(at, plus(get(at), i32.const(16))),
      ]),
      local.set(total, f32x4.add(get(total), get(sum))),
    ]),
  ];
}

/**
 * Scores of the block's rows as weights: `softmax(scale s)` up to the diagonal, and zeros in the rest
 * of its tile.
 */
function toWeights(head: Head, scores: Code): Code {
  const { frame, sizes } = head;
  const { locals, scope } = frame;
  const [largest, total, x] = [types.v128, types.v128, types.v128].map((type) => locals.add(type));
  if (largest === undefined || total === undefined || x === undefined) return [];
  const masked = f32x4.const(-Infinity);
  return eachRow(head, scores, (row, diagonal) => {
    const end = plus(get(diagonal), i32.const(4 * (ROWS - 1)));
    return [
      v128.store(get(diagonal), masked),
      v128.store(get(diagonal), masked, 16),
      local.set(largest, masked),
      fours(
        frame,
        row,
        get(diagonal),
        (at) => local.set(largest, f32x4.pmax(get(largest), v128.load(at))),
      ),
      acrossLanes(largest, f32x4.pmax),
      sumOfFours(head, total, row, end, (at, sum) => [
        local.set(
          x,
          callFunction("exp2OfNegative", scope, [
            f32x4.mul(
              f32x4.sub(v128.load(at), get(largest)),
              scope.float(sizes.scale * Math.LOG2E),
            ),
          ]),
        ),
        local.set(sum, f32x4.add(get(sum), get(x))),
        v128.store(at, get(x)),
      ]),
      acrossLanes(total, f32x4.add),
      local.set(total, f32x4.div(f32x4.const(1), get(total))),
      fours(
        frame,
        row,
        end,
        (at) => v128.store(at, f32x4.mul(v128.load(at), get(total))),
      ),
    ];
  });
}

/**
 * Gradients `u` of the block's weights `p` as gradients of the products of queries and keys:
 * `scale p (u - sum(p u))`, and zeros in the rest of the diagonal's tile.
 */
function toScoreGradients(head: Head, weights: Code, gradients: Code): Code {
  const { frame, sizes } = head;
  const { locals, scope } = frame;
  const mean = locals.add(types.v128);
  const away = locals.add(types.i32);
  const zero = f32x4.const(0);
  const { madd } = scope;
  return [
    local.set(away, i32.sub(gradients, weights)),
    eachRow(head, weights, (row, diagonal) => {
      const of = (at: Code) => plus(at, get(away));
      return [
        v128.store(of(get(diagonal)), zero),
        sumOfFours(
          head,
          mean,
          row,
          get(diagonal),
          (at, sum) => local.set(sum, madd(v128.load(at), v128.load(of(at)), get(sum))),
        ),
        acrossLanes(mean, f32x4.add),
        fours(frame, row, get(diagonal), (at) =>
          v128.store(
            of(at),
            f32x4.mul(
              f32x4.mul(v128.load(at), scope.float(sizes.scale)),
              f32x4.sub(v128.load(of(at)), get(mean)),
            ),
          )),
        v128.store(of(get(diagonal)), zero),
        v128.store(of(get(diagonal)), zero, 16),
      ];
    }),
  ];
}

/** Runs `body` for this thread's heads of all sequences, with the sequence and the head. */
function eachHead(
  { batch, heads }: AttentionSizes,
  frame: Frame,
  body: (sequence: Code, head: Code) => Code,
): Code {
  const unit = frame.locals.add(types.i32);
  const share = frame.shareOf(batch * heads, 1);
  const begin = share === undefined ? i32.const(0) : get(share.begin);
  const end = share === undefined ? i32.const(batch * heads) : get(share.end);
  return [
    local.set(unit, begin),
    countTo(
      unit,
      end,
      1,
      body(i32.divU(get(unit), i32.const(heads)), i32.remU(get(unit), i32.const(heads))),
    ),
  ];
}

function makeHead(sizes: AttentionSizes, frame: Frame): Head {
  const { heads, width, length } = sizes;
  const [first, rows, end] = [types.i32, types.i32, types.i32].map((type) =>
    frame.locals.add(type)
  );
  return {
    frame,
    sizes,
    first: first ?? 0,
    rows: rows ?? 0,
    end: end ?? 0,
    packedStep: 4 * 3 * heads * width,
    resultStep: 4 * heads * width,
    scoreStep: 4 * pitchOf(length),
  };
}

/** Sets the block that begins at `first`. */
function setBlock({ first, rows, end, sizes: { length } }: Head): Code {
  return [
    local.set(rows, least(i32.sub(i32.const(length), get(first)), i32.const(BLOCK))),
    local.set(end, plus(get(first), get(rows))),
  ];
}

/** The addresses of a head's queries, keys and values in `[B, T, 3, H, D]` at `base`. */
function partsAt(
  { sizes: { length, heads, width }, packedStep }: Head,
  base: Code,
  sequence: Code,
  head: Code,
): readonly [Code, Code, Code] {
  const part = (index: number) =>
    plus(
      base,
      times(sequence, length * packedStep),
      times(head, 4 * width),
      i32.const(4 * index * heads * width),
    );
  return [part(0), part(1), part(2)];
}

/** The address of a head's results in `[B, T, H, D]` at `base`. */
function resultsAt(
  { sizes: { length, width }, resultStep }: Head,
  base: Code,
  sequence: Code,
  head: Code,
): Code {
  return plus(base, times(sequence, length * resultStep), times(head, 4 * width));
}

/** `a b'` for the block's rows of a and all rows of b that they see. */
function scoresOf(
  head: Head,
  blocks: number,
  [a, aStep]: readonly [Code, number],
  [b, bStep]: readonly [Code, number],
  c: Code,
): Code {
  return product(head, blocks, {
    a: plus(a, times(get(head.first), aStep)),
    aSteps: [aStep, 4],
    b,
    bSteps: [4, bStep],
    c,
    cStep: head.scoreStep,
    rows: get(head.rows),
    columns: get(head.end),
    depth: i32.const(head.sizes.width),
    triangle: "result",
    diagonal: get(head.first),
  });
}

/** `p b` for the block's rows of p, at `scores`, and all rows of b that they see. */
function weighted(
  head: Head,
  blocks: number,
  scores: Code,
  [b, bStep]: readonly [Code, number],
  [c, cStep]: readonly [Code, number],
): Code {
  return product(head, blocks, {
    a: scores,
    aSteps: [head.scoreStep, 4],
    b,
    bSteps: [bStep, 4],
    c: plus(c, times(get(head.first), cStep)),
    cStep,
    rows: get(head.rows),
    columns: i32.const(head.sizes.width),
    depth: get(head.end),
    triangle: "lower",
    diagonal: get(head.first),
  });
}

/** Adds `p' b` to c for the block's rows of p and b; in the last block, which is first, sets c. */
function spread(
  head: Head,
  blocks: number,
  scores: Code,
  [b, bStep]: readonly [Code, number],
  c: Code,
): Code {
  return product(head, blocks, {
    a: scores,
    aSteps: [4, head.scoreStep],
    b: plus(b, times(get(head.first), bStep)),
    bSteps: [bStep, 4],
    c,
    cStep: head.packedStep,
    rows: get(head.end),
    columns: i32.const(head.sizes.width),
    depth: get(head.rows),
    triangle: "upper",
    diagonal: get(head.first),
    adds: i32.ltS(get(head.end), i32.const(head.sizes.length)),
  });
}

/** The softmax of scores times values, one block of queries after the other. */
export const attention: Emitter<"attention"> = (kernel, frame) => {
  const { input, output, length } = kernel;
  const head = makeHead(kernel, frame);
  const { first, packedStep, resultStep } = head;
  const scores = frame.scratchAddress;
  const blocks = blockBytes(length);
  return eachHead(kernel, frame, (sequence, number) => {
    const [q, k, v] = partsAt(head, get(frame.base(input)), sequence, number);
    const y = resultsAt(head, get(frame.base(output)), sequence, number);
    const body: Code = [
      setBlock(head),
      scoresOf(head, blocks, [q, packedStep], [k, packedStep], scores),
      toWeights(head, scores),
      weighted(head, blocks, scores, [v, packedStep], [y, resultStep]),
    ];
    return countFromZero(first, i32.const(length), body, BLOCK);
  });
};

/**
 * With weights P, cotangents G and `U = G V'`: `E = scale P (U - sum(P U))`, and the gradients
 * `E K` of the queries, `E' Q` of the keys, `P' G` of the values. The last block comes first, since
 * it reaches all keys and values: the others add to what it sets.
 */
export const attentionGradient: Emitter<"attentionGradient"> = (kernel, frame) => {
  const { input, cotangent, output, length } = kernel;
  const head = makeHead(kernel, frame);
  const { first, packedStep, resultStep } = head;
  const blocks = 2 * blockBytes(length);
  const weights = frame.scratchAddress;
  const gradients = plus(weights, i32.const(blockBytes(length)));
  const count = Math.ceil(length / BLOCK);
  const block = frame.locals.add(types.i32);
  return eachHead(kernel, frame, (sequence, number) => {
    const [q, k, v] = partsAt(head, get(frame.base(input)), sequence, number);
    const [ofQ, ofK, ofV] = partsAt(head, get(frame.base(output)), sequence, number);
    const g = resultsAt(head, get(frame.base(cotangent)), sequence, number);
    return countFromZero(block, i32.const(count), [
      local.set(first, times(i32.sub(i32.const(count - 1), get(block)), BLOCK)),
      setBlock(head),
      scoresOf(head, blocks, [q, packedStep], [k, packedStep], weights),
      toWeights(head, weights),
      scoresOf(head, blocks, [g, resultStep], [v, packedStep], gradients),
      toScoreGradients(head, weights, gradients),
      weighted(head, blocks, gradients, [k, packedStep], [ofQ, packedStep]),
      spread(head, blocks, gradients, [q, packedStep], ofK),
      spread(head, blocks, weights, [g, resultStep], ofV),
    ]);
  });
};
