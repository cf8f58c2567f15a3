/** The generalised Jensen-Shannon divergence between a teacher's predictions and a student's. */
import {
  add,
  checkOptions,
  concat,
  dims,
  div,
  greaterEqual,
  logSoftmax,
  logSumExp,
  mul,
  ranges,
  ShapeError,
  showShape,
  slice,
  sort,
  stopGradient,
  sub,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import { bounded, logAddExp, weighedByExp } from "./log_probs.ts";

/** The options of {@linkcode generalizedJsd}. */
export interface JsdOptions {
  /** The teacher's share in the mixture, from 0 to 1 (default 0.5). */
  readonly beta?: number;
  /** The temperature that logits are divided by, above 0 (default 1). */
  readonly temperature?: number;
  /**
   * How many of the student's most likely tokens are compared, an integer from 1 (default: all);
   * tokens as likely as the last of them are compared as well.
   */
  readonly topK?: number;
  /**
   * Whether the other tokens are compared as one (default true); otherwise both predictions are
   * normalized over the student's `topK`.
   */
  readonly tail?: boolean;
}

/** The options of the divergence, checked, the defaults filled in that there are. */
export interface JsdConstants extends Required<Omit<JsdOptions, "topK">> {
  /** How many of the student's most likely tokens are compared; undefined for all. */
  readonly topK: number | undefined;
}

/** The options of the divergence, checked, its defaults filled in. */
export function jsdConstants(
  name: string,
  { beta = 0.5, temperature = 1, topK, tail = true }: JsdOptions,
): JsdConstants {
  const limits = {
    beta: ranges.share,
    temperature: ranges.positive,
    topK: ranges.integerFrom(1),
  };
  checkOptions(name, limits, { beta, temperature, topK });
  return { beta, temperature, topK, tail };
}

/** Log-probabilities of a student Q and its teacher P, `[..., V]`, all of them finite. */
export interface ComparedLogProbs {
  readonly student: Tensor;
  readonly teacher: Tensor;
}

/** The mixture `M = b P + (1-b) Q`: at the ends the other one's target. */
export function mixtureOf({ student, teacher }: ComparedLogProbs, beta: number): Tensor {
  if (beta === 0) return student;
  if (beta === 1) return teacher;
  return logAddExp(add(teacher, Math.log(beta)), add(student, Math.log1p(-beta)));
}

/** Divergences from the mixture, `[...]`: `KL(P, M)` of the teacher and `KL(Q, M)` of the student. */
export interface FromMixture {
  readonly ofTeacher: Tensor;
  readonly ofStudent: Tensor;
}

/** `sum_a p log (p / m)` of either side over the last axis; impossible tokens add 0. */
export function fromMixture(logProbs: ComparedLogProbs, beta: number): FromMixture {
  const mixture = mixtureOf(logProbs, beta);
  const of = (p: Tensor) => sum(weighedByExp(p, sub(p, mixture)), { axes: [-1] });
  return { ofTeacher: of(logProbs.teacher), ofStudent: of(logProbs.student) };
}

/** `b KL(P, M) + (1-b) KL(Q, M)`; at the ends, where one of them is 0, the other one. */
export function divergenceOf({ ofTeacher, ofStudent }: FromMixture, beta: number): Tensor {
  if (beta === 0) return ofTeacher;
  if (beta === 1) return ofStudent;
  return add(mul(ofTeacher, beta), mul(ofStudent, 1 - beta));
}

/**
 * The generalised Jensen-Shannon divergence of GKD (arXiv 2306.13649) between teacher P and student
 * Q: `b KL(P, M) + (1-b) KL(Q, M)`, `M = b P + (1-b) Q`. Its ends are defined as `KL(P, Q)`, the
 * forward KL, at b = 0, and `KL(Q, P)`, the reverse KL, at b = 1; these are not its limits.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { generalizedJsd } from "@unitune/objectives";
 *
 * const student = tensor([[0, 0]], { dtype: "f64" });
 * const teacher = tensor([[0, -Infinity]], { dtype: "f64" });
 * assertAlmostEquals(await generalizedJsd(student, teacher, { beta: 0 }).item(), Math.LN2);
 * ```
 *
 * @param studentLogits Logits `[..., V]`, with gradient.
 * @param teacherLogits Logits `[..., V]`.
 * @param options The mixture and the temperature.
 * @returns The divergence at each position, `[...]`, in nats.
 * @throws {ShapeError} If the shapes differ.
 * @throws {RangeError} If an option is out of range.
 */
export function generalizedJsd(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  options: JsdOptions = {},
): Tensor {
  const { beta, temperature, topK, tail } = jsdConstants("generalizedJsd", options);
  if (showShape(studentLogits.shape) !== showShape(teacherLogits.shape)) {
    throw new ShapeError(
      `generalizedJsd: got student ${showShape(studentLogits.shape)} and ` +
        `teacher ${showShape(teacherLogits.shape)}; expected one shape [..., V]`,
    );
  }
  const compared = topK === undefined
    ? (logits: Tensor) => logits
    : likeliest(stopGradient(studentLogits), topK, tail);
  const predict = (logits: Tensor) => bounded(logSoftmax(compared(div(logits, temperature))));
  const logProbs = { student: predict(studentLogits), teacher: predict(teacherLogits) };
  return divergenceOf(fromMixture(logProbs, beta), beta);
}

/**
 * Logits of the most likely tokens of a prediction, and one for all others where they count as one:
 * the log-sum-exp of theirs.
 */
function likeliest(logits: Tensor, topK: number, tail: boolean): (logits: Tensor) => Tensor {
  const { V } = dims(logits, "... V", "generalizedJsd: student");
  const last = slice(sort(logits), -1, Math.max(0, V - topK), Math.max(0, V - topK) + 1);
  const isCompared = greaterEqual(logits, last);
  return (other) => {
    const kept = where(isCompared, other, -Infinity);
    if (!tail) return kept;
    const rest = logSumExp(where(isCompared, -Infinity, other), -1);
    return concat([kept, unsqueeze(rest, -1)], -1);
  };
}
