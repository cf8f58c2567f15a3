/** The loss of a value head. */
import {
  add,
  checkOptions,
  clip,
  maximum,
  mul,
  ranges,
  square,
  stopGradient,
  sub,
  type Tensor,
} from "@unitune/core";
import {
  aggregate,
  aggregateFormula,
  checkNormalizer,
  describeNormalizer,
  type Normalizer,
} from "./aggregation.ts";
import { checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Loss } from "./loss.ts";
import type { Optimization, ValueEvidence } from "./optimization.ts";

/** The options of {@linkcode valueLoss}. */
export interface ValueOptions {
  /**
   * Clip range: a value moves at most so far from the old one (default 0.2; `Infinity` for any).
   */
  readonly epsilon?: number;
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/** The options of a value loss, checked, its defaults filled in. */
function valueConstants(
  name: string,
  { epsilon = objectiveDefaults.clipRange, normalizer = objectiveDefaults.normalizer }:
    ValueOptions,
): Required<ValueOptions> {
  checkOptions(name, { epsilon: ranges.upToInfinity }, { epsilon });
  checkNormalizer(`${name}: normalizer`, normalizer);
  return { epsilon, normalizer };
}

/**
 * The clipped value loss of PPO: `max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2` of each
 * state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, valueLoss } from "@unitune/objectives";
 *
 * const [values, old, returns] = [tensor([[2]]), tensor([[0]]), tensor([[2]])];
 * const loss = valueLoss(values, old, returns, tensor([[1]]), { epsilon: 1 });
 * assertEquals(await lossValue(loss).item(), 0.5);
 * ```
 *
 * @param values Predicted values, `[B, T]`.
 * @param oldValues Values predicted when the rollouts were made, `[B, T]`; without gradient.
 * @param returns The returns to predict, `[B, T]`; without gradient.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options Clipping, and the normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If epsilon is negative.
 */
export function valueLoss(
  values: Tensor,
  oldValues: Tensor,
  returns: Tensor,
  mask: Tensor,
  options: ValueOptions = {},
): Loss {
  checkShapes("valueLoss", ["B", "T"], { values, oldValues, returns, mask });
  const { epsilon, normalizer } = valueConstants("valueLoss", options);
  const [old, target] = [stopGradient(oldValues), stopGradient(returns)];
  const near = clip(values, sub(old, epsilon), add(old, epsilon));
  const errors = maximum(square(sub(values, target)), square(sub(near, target)));
  return aggregate(mul(errors, 0.5), mask, normalizer);
}

/**
 * {@linkcode valueLoss} as a transition optimization, to be weighed and added to the policy's loss.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, valueRegression } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(valueRegression({ epsilon: 0.5 }).description.formula), "0.5");
 * ```
 *
 * @param options Clipping, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If epsilon is negative.
 */
export function valueRegression(options: ValueOptions = {}): Optimization<ValueEvidence> {
  const { epsilon, normalizer } = valueConstants("valueRegression", options);
  return {
    description: {
      transition: "V -> return",
      normalizer: describeNormalizer(normalizer),
      formula: aggregateFormula(
        normalizer,
        `max((V - R)^2, (clip(V, V_old +- ${epsilon}) - R)^2)/2`,
      ),
      gradient: [{ kind: "values" }],
    },
    optimize: ({ values, oldValues, returns, mask }) => ({
      terms: [valueLoss(values(), oldValues, returns, mask, options)],
      metrics: {},
    }),
  };
}
