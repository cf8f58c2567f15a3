/** Learning from a teacher's predictions: the generalised Jensen-Shannon divergence. */
import { cast, equal } from "@unitune/core";
import {
  aggregate,
  aggregateFormula,
  checkNormalizer,
  describeNormalizer,
  type Normalizer,
} from "./aggregation.ts";
import { objectiveDefaults } from "./defaults.ts";
import { jsdConstants, type JsdOptions } from "./jsd.ts";
import { maskedCount, maskedSum } from "./log_probs.ts";
import type { Optimization, TeacherEvidence } from "./optimization.ts";

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
    optimize({ divergence, argmax, teacher, teacherArgmax, mask }) {
      const { dtype } = mask;
      const agrees = cast(equal(argmax(), teacherArgmax), dtype);
      return {
        terms: [aggregate(divergence(teacher, options), mask, normalizer)],
        metrics: {
          teacher_agreement: {
            total: maskedSum(agrees, mask),
            weight: maskedCount(mask, dtype),
          },
        },
      };
    },
  };
}
