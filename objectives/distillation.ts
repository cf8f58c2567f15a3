/** Learning from a teacher's predictions: the generalised Jensen-Shannon divergence. */
import { cast, equal } from "@unitune/core";
import { checkNormalizer, type Normalizer } from "./aggregation.ts";
import { letter } from "./arithmetic.ts";
import { objectiveDefaults } from "./defaults.ts";
import { jsdConstants, type JsdOptions } from "./jsd.ts";
import { meanOver } from "./metrics.ts";
import type { TeacherEvidence } from "./optimization.ts";
import { type TokenOptimization, tokenwise } from "./tokenwise.ts";

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
export function distilled(options: DistillationOptions = {}): TokenOptimization<TeacherEvidence> {
  const { beta, topK, tail } = jsdConstants("distilled", options);
  const { normalizer = objectiveDefaults.normalizer } = options;
  checkNormalizer("distilled: normalizer", normalizer);
  const name = beta === 0
    ? "KL(teacher, student)"
    : beta === 1
    ? "KL(student, teacher)"
    : `JSD_${beta}(teacher, student)`;
  return tokenwise("T(s*_n, s_{n-1}) -> T_teacher", {
    losses: ({ divergence, teacher }) => divergence(teacher, options),
    normalizer,
    formula: letter(
      topK === undefined ? name : `${name} of the top ${topK}${tail ? " and their tail" : ""}`,
    ),
    where: {},
    gradient: [{ kind: "vocabulary" }],
    metrics({ argmax, teacherArgmax, mask }) {
      const agrees = cast(equal(argmax(), teacherArgmax), mask.dtype);
      return {
        teacher_agreement: meanOver(agrees, mask),
      };
    },
  });
}
