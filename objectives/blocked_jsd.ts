/**
 * The generalised Jensen-Shannon divergence of two linear heads in blocks of their vocabulary. The first
 * passes give the log-sum-exps of both heads, the next one the divergence; the way back computes the
 * logits of a block once more.
 */
import { customVjp } from "@unitune/autodiff";
import {
  abs,
  add,
  concat,
  dims,
  equal,
  exp,
  greaterEqual,
  less,
  type LinearHead,
  log,
  mapTree,
  max,
  mul,
  not,
  ShapeError,
  slice,
  sort,
  squeeze,
  stack,
  stopGradient,
  sub,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import {
  type ComparedLogProbs,
  divergenceOf,
  type FromMixture,
  fromMixture,
  type JsdConstants,
  mixtureOf,
} from "./jsd.ts";
import { bounded, logAddExp, weighedByExp } from "./log_probs.ts";
import {
  after,
  type Block,
  blocksOf,
  cotangentsOf,
  forward,
  type Learned,
  learnedOf,
  logitsOf,
  type Operands,
  operandsOf,
  totalOf,
} from "./vocabulary_blocks.ts";

/** A linear head at hidden states `[N, D]`. */
export interface HeadAt {
  readonly head: LinearHead;
  readonly hidden: Tensor;
}

/** The mixture, and the tokens that are compared. */
export type BlockedJsdOptions = Omit<JsdConstants, "temperature">;

/** A head and the tensors of its logits. */
interface Side {
  readonly head: LinearHead;
  readonly operands: Operands;
}

/** Something of the student and of the teacher. */
interface Sides<T> {
  readonly student: T;
  readonly teacher: T;
}

function onSides<A, B>({ student, teacher }: Sides<A>, f: (own: A) => B): Sides<B> {
  return { student: f(student), teacher: f(teacher) };
}

/** What the log-probabilities of a block follow from, each `[N]`. */
interface Totals {
  /** The log-sum-exp of the logits that are compared. */
  readonly normalizers: ComparedLogProbs;
  /** The least of the student's logits that is compared (default: all are). */
  readonly least?: Tensor;
  /** The log-sum-exp of the other logits, where they count as one token. */
  readonly others?: ComparedLogProbs;
}

/** Both sides' logits of a block, computed after tensors. */
function logitsAt(sides: Sides<Side>, block: Block, waiting: readonly Tensor[]): Sides<Tensor> {
  return onSides(sides, ({ head, operands }) => {
    const hidden = after(operands.hidden, waiting);
    return logitsOf(head, { ...operands, hidden }, block);
  });
}

/** The K-th largest logit of each position, `[N]`, of more than K. */
function leastOfLikeliest(
  { head, operands }: Side,
  blocks: readonly Block[],
  topK: number,
): Tensor {
  let waiting: readonly Tensor[] = [];
  // No other logit of a block is among the largest of all.
  const likeliest = blocks.map((block) => {
    const hidden = after(operands.hidden, waiting);
    const logits = stopGradient(logitsOf(head, { ...operands, hidden }, block));
    const width = block.end - block.start;
    const own = slice(sort(logits), -1, Math.max(0, width - topK));
    waiting = [own];
    return own;
  });
  const sorted = slice(sort(concat(likeliest, -1)), -1, -topK); // [N, topK]
  return squeeze(slice(sorted, -1, 0, 1), -1);
}

/** A log-sum-exp in parts, each `[N]`: `shift + ln sum`; the sum of no logits is 0. */
interface Part {
  readonly shift: Tensor;
  readonly sum: Tensor;
}

/** The log-sum-exp of some logits of a block. */
function partOf(logits: Tensor, isIn: Tensor): Part {
  const own = where(isIn, logits, -Infinity);
  const largest = stopGradient(max(own, { axes: [-1] }));
  const shift = where(less(abs(largest), Infinity), largest, 0);
  return { shift, sum: sum(exp(sub(own, unsqueeze(shift, -1))), { axes: [-1] }) };
}

/** The log-sum-exp of all parts, `[N]`; NaN where it is infinite, and of no logits what is given. */
function joined(parts: readonly Part[], ofNone: number): Tensor {
  const all = (of: (part: Part) => Tensor) => stack(parts.map(of), -1); // [N, blocks]
  const [shifts, sums] = [all(({ shift }) => shift), all(({ sum }) => sum)];
  const isNone = equal(sums, 0);
  const largest = max(where(isNone, -Infinity, shifts), { axes: [-1] });
  const shift = where(less(abs(largest), Infinity), largest, 0);
  const scales = exp(where(isNone, 0, sub(shifts, unsqueeze(shift, -1))));
  const total = sum(mul(sums, scales), { axes: [-1] });
  // The logarithm of 0 has no derivative, not even behind a choice.
  const isEmpty = equal(total, 0);
  const whole = add(log(where(isEmpty, 1, total)), shift);
  return where(isEmpty, ofNone, where(less(whole, Infinity), whole, NaN));
}

/** The totals of all tokens, or of the student's likeliest ones and of the others. */
function totalsOf(
  sides: Sides<Side>,
  blocks: readonly Block[],
  { topK, tail }: BlockedJsdOptions,
): Totals {
  if (topK === undefined) {
    return {
      normalizers: onSides(sides, ({ head, operands }) => totalOf(forward(head, operands, blocks))),
    };
  }
  const least = leastOfLikeliest(sides.student, blocks, topK);
  let waiting: readonly Tensor[] = [least];
  const parts = blocks.map((block) => {
    const logits = logitsAt(sides, block, waiting);
    const isCompared = isAmong(logits.student, least);
    const part = onSides(logits, (own) => ({
      compared: partOf(own, isCompared),
      others: partOf(own, not(isCompared)),
    }));
    waiting = [part.student, part.teacher].flatMap(({ compared, others }) =>
      tail ? [compared.sum, others.sum] : [compared.sum]
    );
    return part;
  });
  const all = (which: "compared" | "others", ofNone: number): ComparedLogProbs => ({
    student: joined(parts.map(({ student }) => student[which]), ofNone),
    teacher: joined(parts.map(({ teacher }) => teacher[which]), ofNone),
  });
  // Only of logits that are NaN is none among the likeliest.
  const compared = all("compared", NaN);
  if (!tail) return { normalizers: compared, least };
  const others = all("others", -Infinity);
  const whole = (side: keyof ComparedLogProbs) => logAddExp(compared[side], bounded(others[side]));
  return { normalizers: { student: whole("student"), teacher: whole("teacher") }, least, others };
}

/** Whether each of the student's logits of a block is among the likeliest, `[N, block]`. */
function isAmong(logits: Tensor, least: Tensor): Tensor {
  return greaterEqual(logits, unsqueeze(least, -1));
}

/** Log-probabilities of a block, `[N, block]`; tokens that are not compared are impossible. */
function logProbsOf(logits: Sides<Tensor>, { normalizers, least }: Totals): ComparedLogProbs {
  const of = (side: keyof ComparedLogProbs) => {
    const own = sub(logits[side], unsqueeze(normalizers[side], -1));
    return bounded(
      least === undefined ? own : where(isAmong(logits.student, least), own, -Infinity),
    );
  };
  return { student: of("student"), teacher: of("teacher") };
}

/** The log-probabilities of the tokens that count as one, `[N, 1]`. */
function othersLogProbs(others: ComparedLogProbs, { normalizers }: Totals): ComparedLogProbs {
  const of = (side: keyof ComparedLogProbs) =>
    unsqueeze(bounded(sub(others[side], normalizers[side])), -1);
  return { student: of("student"), teacher: of("teacher") };
}

/** The divergences from the mixture, block by block. */
function divergences(
  sides: Sides<Side>,
  totals: Totals,
  blocks: readonly Block[],
  { beta }: BlockedJsdOptions,
): FromMixture {
  let waiting: readonly Tensor[] = Object.values(totals.normalizers);
  const parts = blocks.map((block) => {
    const part = fromMixture(logProbsOf(logitsAt(sides, block, waiting), totals), beta);
    // At the ends, one of the two is 0 and not computed.
    waiting = [beta === 1 ? part.ofStudent : part.ofTeacher];
    return part;
  });
  const { others } = totals;
  const all = others === undefined
    ? parts
    : [...parts, fromMixture(othersLogProbs(others, totals), beta)];
  const total = (of: (part: FromMixture) => Tensor) => sum(stack(all.map(of), -1), { axes: [-1] });
  return {
    ofTeacher: total(({ ofTeacher }) => ofTeacher),
    ofStudent: total(({ ofStudent }) => ofStudent),
  };
}

/**
 * The cotangent of the student's logits of some tokens, with `D = b KL(P, M) + (1-b) KL(Q, M)`: at b = 0
 * `Q - P`, else `w Q (ln(Q / M) - KL(Q, M))` with w = 1 at b = 1 and `1 - b` below.
 */
function studentCotangent(
  logProbs: ComparedLogProbs,
  { ofStudent }: FromMixture,
  g: Tensor,
  { beta }: BlockedJsdOptions,
): Tensor {
  const { student, teacher } = logProbs;
  if (beta === 0) return mul(sub(exp(student), exp(teacher)), unsqueeze(g, -1));
  const excess = sub(sub(student, mixtureOf(logProbs, beta)), unsqueeze(ofStudent, -1));
  return mul(weighedByExp(student, excess), unsqueeze(mul(g, beta === 1 ? 1 : 1 - beta), -1));
}

/**
 * The divergence of a student from a teacher, `[N]`; see {@linkcode generalizedJsd}. The teacher is a
 * constant.
 *
 * @param student The head that learns, at its hidden states.
 * @param teacher The head of the teacher, of as many tokens, at its own.
 * @param size The tokens of a block.
 * @param options The mixture, and the tokens that are compared.
 * @throws {ShapeError} If the heads have different numbers of tokens.
 */
export function jsdInBlocks(
  student: HeadAt,
  teacher: HeadAt,
  size: number,
  { topK = Infinity, ...given }: BlockedJsdOptions,
): Tensor {
  const { V } = dims(student.head.weight, "V D");
  const { V: others } = dims(teacher.head.weight, "V D");
  if (V !== others) {
    throw new ShapeError(
      `generalizedJsd: got a student of ${V} and a teacher of ${others} tokens; expected as many`,
    );
  }
  // Of as many tokens as there are, all are compared.
  const options = { ...given, topK: topK < V ? topK : undefined };
  const blocks = blocksOf(V, size);
  const operands = operandsOf(student.head, student.hidden);
  const fixed: Side = {
    head: teacher.head,
    operands: mapTree(operandsOf(teacher.head, teacher.hidden), stopGradient),
  };
  const sidesOf = (x: Learned): Sides<Side> => ({
    student: { head: student.head, operands: { ...operands, ...x } },
    teacher: fixed,
  });
  const sumsOf = (sides: Sides<Side>) => {
    const totals = totalsOf(sides, blocks, options);
    return { totals, sums: divergences(sides, totals, blocks, options) };
  };
  const divergence = (x: Learned) => divergenceOf(sumsOf(sidesOf(x)).sums, options.beta);
  const learned = learnedOf(operands);
  if (Object.keys(learned).length === 0) return divergence({});
  return customVjp(divergence, ({ x }, g: Tensor) => {
    const sides = sidesOf(x);
    // The same expressions as on the way forward, which are computed once.
    const { totals, sums } = sumsOf(sides);
    const { least, others } = totals;
    const cotangentOf = (logits: Tensor, block: Block, waiting: readonly Tensor[]) => {
      const both = { student: logits, teacher: logitsAt(sides, block, waiting).teacher };
      const own = studentCotangent(logProbsOf(both, totals), sums, g, options);
      if (least === undefined || others === undefined) return own;
      // A token has its share of the cotangent of the token that it is counted in.
      const shared = studentCotangent(othersLogProbs(others, totals), sums, g, options);
      const [isCompared, whole] = [isAmong(logits, least), unsqueeze(bounded(others.student), -1)];
      const share = exp(sub(where(isCompared, whole, logits), whole));
      return where(isCompared, own, mul(share, shared));
    };
    return cotangentsOf(
      sides.student.head,
      sides.student.operands,
      learned,
      blocks,
      [g],
      cotangentOf,
    );
  })(learned);
}
