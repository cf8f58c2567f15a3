/** Learning from a teacher's predictions: the generalised Jensen-Shannon divergence. */
import {
  add,
  argmax as mostLikely,
  cast,
  checkOptions,
  div,
  equal,
  exp,
  greater,
  logSoftmax,
  logSumExp,
  mul,
  ranges,
  ShapeError,
  showShape,
  stack,
  sub,
  sum,
  type Tensor,
  where,
} from "@unitune/core";
import {
  aggregate,
  aggregateFormula,
  checkNormalizer,
  describeNormalizer,
  type Normalizer,
} from "./aggregation.ts";
import { objectiveDefaults } from "./defaults.ts";
import { bounded, maskedCount, maskedSum } from "./log_probs.ts";
import type { Optimization, TeacherEvidence } from "./optimization.ts";

/** The options of {@linkcode generalizedJsd}. */
export interface JsdOptions {
  /** The teacher's share in the mixture, from 0 to 1 (default 0.5). */
  readonly beta?: number;
  /** The temperature that logits are divided by, above 0 (default 1). */
  readonly temperature?: number;
}

/** The options of the divergence, checked, its defaults filled in. */
export function jsdConstants(
  name: string,
  { beta = 0.5, temperature = 1 }: JsdOptions,
): Required<JsdOptions> {
  checkOptions(name, { beta: ranges.share, temperature: ranges.positive }, { beta, temperature });
  return { beta, temperature };
}

/** `KL(p, q) = sum_a p log (p / q)` of log-probabilities `[..., V]`; impossible tokens add 0. */
function divergence(logP: Tensor, logQ: Tensor): Tensor {
  const p = exp(logP);
  return sum(where(greater(p, 0), mul(p, sub(logP, logQ)), 0), { axes: [-1] });
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
  const { beta, temperature } = jsdConstants("generalizedJsd", options);
  if (showShape(studentLogits.shape) !== showShape(teacherLogits.shape)) {
    throw new ShapeError(
      `generalizedJsd: got student ${showShape(studentLogits.shape)} and ` +
        `teacher ${showShape(teacherLogits.shape)}; expected one shape [..., V]`,
    );
  }
  const predict = (logits: Tensor) => bounded(logSoftmax(div(logits, temperature)));
  const [student, teacher] = [predict(studentLogits), predict(teacherLogits)];
  if (beta === 0) return divergence(teacher, student);
  if (beta === 1) return divergence(student, teacher);
  const mixture = logSumExp(
    stack([add(teacher, Math.log(beta)), add(student, Math.log1p(-beta))]),
    0,
  );
  return add(
    mul(divergence(teacher, mixture), beta),
    mul(divergence(student, mixture), 1 - beta),
  );
}

/** The options of a distillation. */
export interface DistillationOptions extends JsdOptions {
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/**
 * {@linkcode generalizedJsd} over answer tokens as a transition optimization. It logs
 * `teacher_agreement`: the fraction of answer tokens where student and teacher have the same arg
 * max.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { distilled, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(distilled({ beta: 1 }).description.formula), "KL(student, teacher)");
 * ```
 *
 * @param options The mixture, the temperature, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If an option is out of range.
 */
export function distilled(options: DistillationOptions = {}): Optimization<TeacherEvidence> {
  const { beta } = jsdConstants("distilled", options);
  const { normalizer = objectiveDefaults.normalizer } = options;
  checkNormalizer("distilled: normalizer", normalizer);
  const name = beta === 0
    ? "KL(teacher, student)"
    : beta === 1
    ? "KL(student, teacher)"
    : `JSD_${beta}(teacher, student)`;
  return {
    description: {
      transition: "T(s*_n, s_{n-1}) -> T_teacher",
      normalizer: describeNormalizer(normalizer),
      formula: aggregateFormula(normalizer, name),
    },
    optimize({ logits, argmax, teacherLogits, mask }) {
      const student = logits();
      const agrees = cast(equal(argmax(), mostLikely(teacherLogits)), student.dtype);
      return {
        terms: [aggregate(generalizedJsd(student, teacherLogits, options), mask, normalizer)],
        metrics: {
          teacher_agreement: {
            total: maskedSum(agrees, mask),
            weight: maskedCount(mask, student.dtype),
          },
        },
      };
    },
  };
}
