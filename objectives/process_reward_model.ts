/** Process reward models: scores of the steps of an answer, learned from labels of the steps. */
import {
  cast,
  equal,
  greater,
  mul,
  notEqual,
  ShapeError,
  showShape,
  type Tensor,
  where,
} from "@unitune/core";
import { aggregate } from "./aggregation.ts";
import { type Arithmetic, letter, onFormulas, onNumbers, onTensors } from "./arithmetic.ts";
import { checkTokens } from "./checks.ts";
import type { Estimation } from "./estimation.ts";
import { formulaOf } from "./formula.ts";
import { checkDemonstrations, type Demonstrations, gold, predicted } from "./gold.ts";
import { checkMask } from "./host.ts";
import type { Loss } from "./loss.ts";
import { meanOver } from "./metrics.ts";
import type { Optimization, StepEvidence } from "./optimization.ts";
import { lastOf } from "./reward_model.ts";

/** Answers in steps, each of which is right or wrong. */
export interface LabelledSteps extends Demonstrations {
  /** 1 on the last token of each step, 0 elsewhere, `[B, T]`. */
  readonly mask: Tensor;
  /** 1 where the step that ends at the token is right, 0 elsewhere, `[B, T]`. */
  readonly labels: Tensor;
}

/** The losses of a right and of a wrong step, over any arithmetic. */
function stepLosses<X>(on: Arithmetic<X>, score: X): { readonly right: X; readonly wrong: X } {
  return {
    right: on.neg(on.logSigmoid(score)),
    wrong: on.neg(on.logSigmoid(on.neg(score))),
  };
}

/**
 * The loss of a process reward model: the cross-entropy of each step's label, averaged over steps:
 * `-log s(r)` for a right step, `-log s(-r)` for a wrong one (arXiv 2305.20050). The score r is the
 * log-odds that the step is right. Two logits, as those of `PRMTrainer` of TRL, give the same loss and
 * the same gradient of the hidden states, where r is their difference.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, stepLoss } from "@unitune/objectives";
 *
 * const scores = tensor([[9, Math.log(3), 9, Math.log(3)]], { dtype: "f64" });
 * const [labels, mask] = [tensor([[0, 1, 0, 0]]), tensor([[0, 1, 0, 1]])];
 * const loss = await lossValue(stepLoss(scores, labels, mask)).item();
 * assertAlmostEquals(loss, (Math.log(4 / 3) + Math.log(4)) / 2);
 * ```
 *
 * @param scores Scores after each token, `[B, T]`.
 * @param labels 1 (or true) for a right step, 0 for a wrong one, `[B, T]`.
 * @param mask 1 on the last token of each step, 0 elsewhere, `[B, T]`.
 * @returns The loss; its normalizer is the number of steps.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function stepLoss(scores: Tensor, labels: Tensor, mask: Tensor): Loss {
  checkTokens("stepLoss", scores, mask);
  checkTokens("stepLoss", labels, mask);
  const { right, wrong } = stepLosses(onTensors, scores);
  const losses = where(equal(cast(labels, scores.dtype), 0), wrong, right);
  return aggregate(losses, mask, "token");
}

/** The options of {@linkcode scoredSteps}. */
export interface StepOptions {
  /** Whether only the last step of each answer counts (default false). */
  readonly lastStepOnly?: boolean;
}

/** The defaults of {@linkcode StepOptions}. */
export const stepDefaults: Required<StepOptions> = { lastStepOnly: false };

/**
 * Scores of the steps of answers as an estimation: the policy is a reward model with a head of one
 * output, and its output at the last token of a step is the score of that step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { modelOfLogits, scoredSteps } from "@unitune/objectives";
 *
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[5], [7]]), ids),
 *   logits: (x) => x,
 * });
 * const mask = tensor([[0, 1, 1, 0]]);
 * const batch = { ids: tensor([[0, 0, 1, 0]], { dtype: "i32" }), mask, labels: mask };
 * const context = { step: tensor(0, { dtype: "i32" }) };
 * const { evidence } = scoredSteps({ lastStepOnly: true }).evaluate(model, batch, context);
 * assertEquals(await evidence.stepScores.data(), new Float32Array([5, 5, 7, 5]));
 * assertEquals(await evidence.mask.data(), new Float32Array([0, 0, 1, 0]));
 * ```
 *
 * @param options The steps that count.
 * @returns The estimation.
 */
export function scoredSteps(
  { lastStepOnly = stepDefaults.lastStepOnly }: StepOptions = {},
): Estimation<LabelledSteps, LabelledSteps, StepEvidence> {
  return {
    description: {
      humanStates: { single: gold.description.humanStates },
      modelStates: { single: gold.description.modelStates },
      signal: lastStepOnly ? "label of the last step" : "labels of the steps",
      models: ["process reward model"],
      data: ["demonstration", "step labels"],
      forwardPasses: 1,
      sequences: 1,
      groupSize: 1,
      learnedShare: 1,
      learnedStates: { single: gold.description.modelStates },
      advantages: "answers",
    },
    collect(_model, batch) {
      checkDemonstrations(batch);
      const { ids, labels } = batch;
      if (showShape(labels.shape) !== showShape(ids.shape)) {
        throw new ShapeError(
          `scoredSteps: got labels ${showShape(labels.shape)}; expected ${showShape(ids.shape)}, ` +
            `one for each token`,
        );
      }
      checkMask("scoredSteps", labels, "a label");
      return batch;
    },
    evaluate(model, { ids, observations = ids, mask, labels }, context) {
      const stepScores = predicted(model, model.embed(observations), {}, context).scores();
      const ends = cast(mask, stepScores.dtype);
      return {
        evidence: { stepScores, labels, mask: lastStepOnly ? lastOf(ends) : ends },
        metrics: {},
      };
    },
  };
}

/**
 * {@linkcode stepLoss} as a transition optimization. It logs the mean scores of right and of wrong
 * steps, `rewards/{right_steps,wrong_steps}`, and `rewards/step_accuracies`, the share of steps whose
 * score is above 0 if they are right, and not above 0 if they are wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, stepCrossEntropy } from "@unitune/objectives";
 *
 * const { formula, stepZero } = stepCrossEntropy().description;
 * assertEquals(formulaText(formula), "mean (right ? -log sigmoid(r) : -log sigmoid(-r))");
 * assertEquals(stepZero, Math.LN2);
 * ```
 *
 * @returns The optimization.
 */
export function stepCrossEntropy(): Optimization<StepEvidence> {
  const { right, wrong } = stepLosses(onFormulas, letter("r"));
  return {
    description: {
      transition: "r(s) to the label of the step",
      normalizer: "steps",
      formula: formulaOf(`mean (right ? ${right.text} : ${wrong.text})`),
      gradient: [{ kind: "scores" }],
      stepZero: stepLosses(onNumbers, 0).right,
    },
    optimize({ stepScores: scores, labels, mask }) {
      const isRight = cast(notEqual(labels, 0), scores.dtype);
      const isJudgedRight = cast(greater(scores, 0), scores.dtype);
      return {
        terms: [stepLoss(scores, labels, mask)],
        metrics: {
          "rewards/right_steps": meanOver(scores, mul(mask, isRight)),
          "rewards/wrong_steps": meanOver(scores, mul(mask, cast(equal(labels, 0), scores.dtype))),
          "rewards/step_accuracies": meanOver(
            cast(equal(isJudgedRight, isRight), scores.dtype),
            mask,
          ),
        },
      };
    },
  };
}
