/**
 * From settings to the average of the policy's weights that a stage keeps, and its use.
 *
 * @module
 */

import {
  type AveragedParameters,
  bema,
  movingAverage,
  type ParameterAverage,
} from "@unitune/autodiff";
import type { AskedModels, GivenOptions, Objective, PolicyAndObjective } from "@unitune/objectives";
import { objectiveOptions, type TrainSettings } from "../settings.ts";

type AverageSettings = Pick<
  TrainSettings,
  "average" | "averageUse" | "averageRate" | "averageSteps"
>;

const rules: {
  readonly [Name in TrainSettings["average"]]: (
    settings: AverageSettings,
  ) => ParameterAverage | undefined;
} = {
  none: () => undefined,
  ema: ({ averageRate: rate, averageSteps: every }) => movingAverage({ rate, every }),
  bema: ({ averageSteps: every }) => bema({ every }),
};

/**
 * The average of the weights that a stage keeps.
 *
 * @param settings The settings of the stage.
 * @returns The average; undefined where it keeps none.
 */
export function averageOf(settings: AverageSettings): ParameterAverage | undefined {
  return rules[settings.average](settings);
}

/**
 * Whether the reference of a stage follows the policy, as the average of its weights.
 *
 * @param settings The settings of the stage.
 * @returns True if it does.
 */
export function followsPolicy(
  { average, averageUse }: Pick<TrainSettings, "average" | "averageUse">,
): boolean {
  return average !== "none" && averageUse === "reference";
}

/** The parameters of a state, with their average where one is kept. */
export interface AveragedState {
  /** The parameters in training. */
  readonly params: unknown;
  /** Their average. */
  readonly average?: AveragedParameters<unknown>;
}

/**
 * The parameters of the model that a stage evaluates, saves and hands on.
 *
 * @param settings The settings of the stage.
 * @param state The state of its training.
 * @returns The averaged parameters where they are the result, else those in training.
 */
export function resultOf(
  settings: Pick<TrainSettings, "averageUse">,
  { params, average }: AveragedState,
): unknown {
  return average === undefined || settings.averageUse !== "result" ? params : average.params;
}

/** The objective of a stage, and where its reference is the averaged policy that of a step. */
export type StageObjective<B> = Omit<PolicyAndObjective<unknown, B>, "policy">;

/**
 * The objective of a stage from the models that it asks, and where its reference follows the policy
 * that of a step.
 *
 * @param make Makes the objective.
 * @param settings The settings of the stage.
 * @param asked The models before the stage.
 * @returns The objective, and from the averaged policy that of a step.
 */
export function askingObjective<B>(
  make: (given?: GivenOptions, models?: AskedModels) => Objective<B>,
  settings: TrainSettings,
  asked: AskedModels,
): StageObjective<B> {
  const options = objectiveOptions(settings);
  const objective = make(options, asked);
  const isAsked = settings.objective.reference === "model" && followsPolicy(settings);
  return isAsked
    ? { objective, objectiveOf: (reference) => make(options, { ...asked, reference }) }
    : { objective };
}
