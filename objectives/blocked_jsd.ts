/**
 * The generalised Jensen-Shannon divergence of two linear heads in blocks of their vocabulary. The first
 * pass gives the log-sum-exps of both heads, the second one the divergence; the way back computes the
 * logits of a block once more.
 */
import { customVjp } from "@unitune/autodiff";
import {
  abs,
  add,
  dims,
  exp,
  type LinearHead,
  log1p,
  mapTree,
  maximum,
  mul,
  neg,
  ShapeError,
  stack,
  stopGradient,
  sub,
  sum,
  type Tensor,
  unsqueeze,
} from "@unitune/core";
import { bounded } from "./log_probs.ts";
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
  weighed,
} from "./vocabulary_blocks.ts";

/** A linear head at hidden states `[N, D]`. */
export interface HeadAt {
  readonly head: LinearHead;
  readonly hidden: Tensor;
}

/** A head and the tensors of its logits. */
interface Side {
  readonly head: LinearHead;
  readonly operands: Operands;
}

/** Log-probabilities of a block, `[N, block]`. */
interface LogProbs {
  readonly student: Tensor;
  readonly teacher: Tensor;
}

/** Sums over the vocabulary, each `[N]`. */
interface Sums {
  /** The log-sum-exp of the student's logits. */
  readonly student: Tensor;
  /** The log-sum-exp of the teacher's logits. */
  readonly teacher: Tensor;
  /** `KL(P, M)` of the teacher. */
  readonly ofTeacher: Tensor;
  /** `KL(Q, M)` of the student. */
  readonly ofStudent: Tensor;
}

/** `ln(e^a + e^b)` of finite numbers. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  return add(maximum(a, b), log1p(exp(neg(abs(sub(a, b))))));
}

/** The mixture M: the student at b = 0 and the teacher at b = 1, the other's target there. */
function mixtureOf({ student, teacher }: LogProbs, beta: number): Tensor {
  if (beta === 0) return student;
  if (beta === 1) return teacher;
  return logAddExp(add(teacher, Math.log(beta)), add(student, Math.log1p(-beta)));
}

function logProbsOf({ head, operands }: Side, total: Tensor, block: Block): Tensor {
  return bounded(sub(logitsOf(head, operands, block), unsqueeze(total, -1)));
}

/** A side whose logits are computed after tensors. */
function later({ head, operands }: Side, waiting: readonly Tensor[]): Side {
  return { head, operands: { ...operands, hidden: after(operands.hidden, waiting) } };
}

/** The sums of both passes, block by block. */
function sumsOf(student: Side, teacher: Side, blocks: readonly Block[], beta: number): Sums {
  const totals = {
    student: totalOf(forward(student.head, student.operands, blocks)),
    teacher: totalOf(forward(teacher.head, teacher.operands, blocks)),
  };
  let waiting: readonly Tensor[] = [totals.student, totals.teacher];
  const parts = blocks.map((block) => {
    const logProbs = {
      student: logProbsOf(later(student, waiting), totals.student, block),
      teacher: logProbsOf(later(teacher, waiting), totals.teacher, block),
    };
    const mixture = mixtureOf(logProbs, beta);
    const to = (p: Tensor) => sum(weighed(p, sub(p, mixture)), { axes: [-1] });
    const part = { ofTeacher: to(logProbs.teacher), ofStudent: to(logProbs.student) };
    // At the ends, one of the two is 0 and not computed.
    waiting = [beta === 1 ? part.ofStudent : part.ofTeacher];
    return part;
  });
  const joined = (of: (part: typeof parts[number]) => Tensor) =>
    sum(stack(parts.map(of), -1), { axes: [-1] });
  return {
    ...totals,
    ofTeacher: joined(({ ofTeacher }) => ofTeacher),
    ofStudent: joined(({ ofStudent }) => ofStudent),
  };
}

/**
 * The cotangent of a block of the student's logits, with `D = b KL(P, M) + (1-b) KL(Q, M)`: at b = 0
 * `Q - P`, else `w Q (ln(Q / M) - KL(Q, M))` with w = 1 at b = 1 and `1 - b` below.
 */
function studentCotangent(
  logProbs: LogProbs,
  { ofStudent }: Sums,
  g: Tensor,
  beta: number,
): Tensor {
  const { student, teacher } = logProbs;
  if (beta === 0) return mul(sub(exp(student), exp(teacher)), unsqueeze(g, -1));
  const excess = sub(sub(student, mixtureOf(logProbs, beta)), unsqueeze(ofStudent, -1));
  return mul(weighed(student, excess), unsqueeze(mul(g, beta === 1 ? 1 : 1 - beta), -1));
}

/**
 * The divergence of a student from a teacher, `[N]`; see {@linkcode generalizedJsd}. The teacher is a
 * constant.
 *
 * @param student The head that learns, at its hidden states.
 * @param teacher The head of the teacher, of as many tokens, at its own.
 * @param size The tokens of a block.
 * @param beta The teacher's share in the mixture.
 * @throws {ShapeError} If the heads have different numbers of tokens.
 */
export function jsdInBlocks(student: HeadAt, teacher: HeadAt, size: number, beta: number): Tensor {
  const { V } = dims(student.head.weight, "V D");
  const { V: others } = dims(teacher.head.weight, "V D");
  if (V !== others) {
    throw new ShapeError(
      `generalizedJsd: got a student of ${V} and a teacher of ${others} tokens; expected as many`,
    );
  }
  const blocks = blocksOf(V, size);
  const operands = operandsOf(student.head, student.hidden);
  const fixed: Side = {
    head: teacher.head,
    operands: mapTree(operandsOf(teacher.head, teacher.hidden), stopGradient),
  };
  const sideOf = (x: Learned): Side => ({ head: student.head, operands: { ...operands, ...x } });
  const divergence = (x: Learned) => {
    const { ofTeacher, ofStudent } = sumsOf(sideOf(x), fixed, blocks, beta);
    if (beta === 0) return ofTeacher;
    if (beta === 1) return ofStudent;
    return add(mul(ofTeacher, beta), mul(ofStudent, 1 - beta));
  };
  const learned = learnedOf(operands);
  if (Object.keys(learned).length === 0) return divergence({});
  return customVjp(divergence, ({ x }, g: Tensor) => {
    const side = sideOf(x);
    // The same expressions as on the way forward, which are computed once.
    const sums = sumsOf(side, fixed, blocks, beta);
    return cotangentsOf(
      side.head,
      side.operands,
      learned,
      blocks,
      [g],
      (logits, block, waiting) => {
        const logProbs = {
          student: bounded(sub(logits, unsqueeze(sums.student, -1))),
          teacher: logProbsOf(later(fixed, waiting), sums.teacher, block),
        };
        return studentCotangent(logProbs, sums, g, beta);
      },
    );
  })(learned);
}
