/** Reward models: scores of whole answers, learned from pairs. */
import {
  cast,
  checkOptions,
  equal,
  greater,
  isTensor,
  max,
  mul,
  ones,
  ranges,
  sub,
  sum,
  type Tensor,
  tensor,
  type TensorLike,
  zeros,
} from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import {
  type Arithmetic,
  type Constant,
  letter,
  numeric,
  onFormulas,
  onNumbers,
  onTensors,
} from "./arithmetic.ts";
import { checkShapes } from "./checks.ts";
import { discountedSum } from "./discount.ts";
import type { Estimation } from "./estimation.ts";
import { checkDemonstrations, type Demonstrations, predicted } from "./gold.ts";
import { masked } from "./log_probs.ts";
import { meanOver } from "./metrics.ts";
import type { Optimization, ScoreEvidence, Sides } from "./optimization.ts";
import type { Model } from "./policy.ts";
import type { Reward } from "./rollouts.ts";
import { formulaOf } from "./formula.ts";

/** The options of {@linkcode rewardModelLoss}. */
export interface RewardModelOptions {
  /**
   * The margin by which the chosen score should exceed the rejected one, for all pairs or each
   * `[B]` (default 0).
   */
  readonly margin?: TensorLike;
  /** The weight c of the centring term, which keeps scores around 0, at least 0 (default 0). */
  readonly centering?: number;
}

/** The defaults of a reward model's loss. */
export const rewardModelDefaults: Required<
  { readonly [Name in keyof RewardModelOptions]: number }
> = { margin: 0, centering: 0 };

/** Throws unless the options of a reward model's loss are in range. */
function checkRewardModel(
  name: string,
  options: { readonly margin?: number; readonly centering: number },
): void {
  checkOptions(name, { margin: ranges.finite, centering: ranges.nonNegative }, options);
}

/** The loss of a reward model over any arithmetic. */
function rewardModel<X>(
  on: Arithmetic<X>,
  chosen: X,
  rejected: X,
  { margin, centering }: { readonly margin: X | Constant; readonly centering: number },
): X {
  const loss = on.neg(on.logSigmoid(on.sub(on.sub(chosen, rejected), margin)));
  if (centering === 0) return loss;
  return on.add(loss, on.mul(numeric(centering), on.square(on.add(chosen, rejected))));
}

/**
 * The loss of a reward model: Bradley-Terry `-log s(rw - rl - margin)`, with centring
 * `c (rw + rl)^2` (arXiv 2312.09244).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { rewardModelLoss } from "@unitune/objectives";
 *
 * const scores = tensor([0.5], { dtype: "f64" });
 * assertAlmostEquals(await rewardModelLoss(scores, scores, { centering: 1 }).item(), Math.LN2 + 1);
 * ```
 *
 * @param chosen Scores of the chosen answers, `[B]`.
 * @param rejected Scores of the rejected answers, `[B]`.
 * @param options The margin and the centring.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the centring is negative.
 */
export function rewardModelLoss(
  chosen: Tensor,
  rejected: Tensor,
  { margin = rewardModelDefaults.margin, centering = rewardModelDefaults.centering }:
    RewardModelOptions = {},
): Tensor {
  checkShapes("rewardModelLoss", ["B"], {
    chosen,
    rejected,
    ...(isTensor(margin) && margin.shape.length > 0 ? { margin } : {}),
  });
  checkRewardModel("rewardModelLoss", { ...(isTensor(margin) ? {} : { margin }), centering });
  return rewardModel(onTensors, chosen, rejected, {
    margin: isTensor(margin) ? margin : numeric(margin),
    centering,
  });
}

/** The last 1 of each row of a mask, `[B, T]` of numbers. */
export function lastOf(mask: Tensor): Tensor {
  return cast(equal(mul(discountedSum(mask, 1), mask), 1), mask.dtype);
}

/** The state behind a whole answer. */
const wholeAnswer = { kind: "end", of: "demonstrated" } as const;

/**
 * Scores of whole answers as an estimation: the policy is a reward model with a head of one output.
 * Its output at an answer's last token is the score of the answer; a row without answer tokens has
 * score 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { modelOfLogits, scored } from "@unitune/objectives";
 *
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[5], [7]]), ids),
 *   logits: (x) => x,
 * });
 * const batch = { ids: tensor([[0, 0, 1, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1, 0]]) };
 * const context = { step: tensor(0, { dtype: "i32" }) };
 * const { evidence } = scored.evaluate(model, batch, context);
 * assertEquals(await evidence.scores.data(), new Float32Array([7]));
 * ```
 */
export const scored: Estimation<Demonstrations, Demonstrations, ScoreEvidence> = {
  description: {
    humanStates: { single: wholeAnswer },
    modelStates: { single: wholeAnswer },
    signal: "score of the answer",
    models: ["reward model"],
    data: ["demonstration"],
    forwardPasses: 1,
    sequences: 1,
    groupSize: 1,
    learnedShare: 1,
    learnedStates: { single: wholeAnswer },
    advantages: "answers",
  },
  collect(_model, batch) {
    checkDemonstrations(batch);
    return batch;
  },
  evaluate(model, { ids, observations = ids, mask }, context) {
    const ofTokens = predicted(model, model.embed(observations), {}, context).scores(); // [B, T]
    const counts = cast(mask, ofTokens.dtype);
    const scores = sum(masked(ofTokens, lastOf(counts)), { axes: [-1] });
    return { evidence: { scores, counted: max(counts, { axes: [-1] }) }, metrics: {} };
  },
};

/**
 * {@linkcode rewardModelLoss} as a transition optimization. A pair counts where both sides have
 * answers. It logs `rewards/{chosen,rejected,margins,accuracies}`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bradleyTerry, formulaText } from "@unitune/objectives";
 *
 * assertEquals(formulaText(bradleyTerry().description.formula), "mean -log sigmoid(rw - rl)");
 * ```
 *
 * @param options The margin, the same for all pairs, and the centring.
 * @returns The optimization.
 * @throws {RangeError} If an option is out of range.
 */
export function bradleyTerry(
  { margin = rewardModelDefaults.margin, centering = rewardModelDefaults.centering }: {
    readonly margin?: number;
    readonly centering?: number;
  } = {},
): Optimization<Sides<ScoreEvidence>> {
  checkRewardModel("bradleyTerry", { margin, centering });
  const constants = { margin: numeric(margin), centering };
  const { text } = rewardModel(onFormulas, letter("rw"), letter("rl"), constants);
  return {
    description: {
      transition: "r(s+) over r(s-)",
      normalizer: "pairs",
      formula: formulaOf(`mean ${text}`),
      gradient: [{ kind: "scores" }],
      stepZero: rewardModel(onNumbers, 0, 0, constants),
    },
    optimize(evidence) {
      const [chosen, rejected] = [evidence.chosen.scores, evidence.rejected.scores];
      const counts = ({ scores, counted = ones(scores.shape, scores.dtype) }: ScoreEvidence) =>
        counted;
      const counted = mul(counts(evidence.chosen), counts(evidence.rejected));
      const metric = (values: Tensor) => meanOver(values, counted);
      return {
        terms: [averageOver(rewardModelLoss(chosen, rejected, { margin, centering }), counted)],
        metrics: {
          "rewards/chosen": metric(chosen),
          "rewards/rejected": metric(rejected),
          "rewards/margins": metric(sub(chosen, rejected)),
          "rewards/accuracies": metric(cast(greater(chosen, rejected), chosen.dtype)),
        },
      };
    },
  };
}

/**
 * A reward model as a reward of sampled answers, for {@linkcode rolloutsOf}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { modelOfLogits, rewardBy } from "@unitune/objectives";
 *
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[5], [7]]), ids),
 *   logits: (x) => x,
 * });
 * assertEquals(await rewardBy(model)({ prompt: [0], completion: [0, 1] }, 0), 7);
 * ```
 *
 * @param model The reward model at its parameters; its head has one output.
 * @returns The reward: an answer's score, 0 for an empty one.
 */
export function rewardBy(model: Model): Reward {
  return async ({ prompt, completion }) => {
    const batch = {
      ids: tensor([[...prompt, ...completion]], { dtype: "i32" }),
      mask: tensor([[...prompt.map(() => 0), ...completion.map(() => 1)]]),
    };
    const { evidence } = scored.evaluate(model, batch, { step: zeros([], "i32") });
    return await evidence.scores.item();
  };
}
