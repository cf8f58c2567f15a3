/** The rows of objectives on demonstrations. */
import {
  dft,
  distillation,
  ift,
  iwSft,
  psft,
  psftDefaults,
  scheduledSampling,
  sft,
} from "../catalogue/demonstrations.ts";
import { objectiveDefaults } from "../defaults.ts";
import { jsdConstants } from "../jsd.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import {
  clipRange,
  embeddings,
  lambdaOf,
  lambdaOptions,
  normalizer,
  teacherShare,
} from "./shared.ts";

const onDemonstrations = {
  data: "demonstrations",
  reference: "none",
  teacher: false,
  values: false,
  trains: "policy",
} as const;

const jsd = jsdConstants("distillation", {});

/** The objectives on demonstrations. */
export const demonstrationEntries: readonly ObjectiveEntry[] = [
  defineObjective({ ...onDemonstrations, name: "sft", options: { normalizer }, make: sft }),
  defineObjective({ ...onDemonstrations, name: "dft", options: { normalizer }, make: dft }),
  defineObjective({
    ...onDemonstrations,
    name: "iw-sft",
    reference: "log-probs",
    options: {},
    make: iwSft,
  }),
  defineObjective({
    ...onDemonstrations,
    name: "psft",
    reference: "log-probs",
    options: {
      normalizer,
      clipRange: { ...clipRange, default: psftDefaults.clipRange },
      referenceSteps: {
        kind: "integer",
        min: 1,
        default: psftDefaults.referenceSteps,
        help: "The number of steps after which the policy, as it is then, is the reference.",
      },
    },
    referenceSteps: ({ referenceSteps }) => referenceSteps,
    make: ({ normalizer, clipRange }) => psft({ normalizer, clipRange }),
  }),
  defineObjective({
    ...onDemonstrations,
    name: "ift",
    options: {
      ...lambdaOptions,
      gamma: {
        kind: "number",
        default: objectiveDefaults.gamma,
        min: 0,
        max: 1,
        help: "The decay by which the loss of a later token reaches an earlier one, for each " +
          "position between them; for the propagation reach, the share of the model's own states.",
      },
      propagation: {
        kind: "choice",
        choices: ["as-run", "as-run-detached", "eq21", "eq21-decay", "reach", "none"],
        default: objectiveDefaults.propagation,
        help:
          "The form of the relation propagation; docs of @unitune/objectives give the formulas.",
      },
      embeddings,
      passes: {
        kind: "integer",
        default: objectiveDefaults.passes,
        min: 1,
        help:
          "The number of passes that predict own tokens, each on the states of the one before: " +
          "with several, own tokens follow own tokens.",
      },
    },
    make: ({ gamma, propagation, embeddings, passes, ...lambda }) =>
      ift({ lambda: lambdaOf(lambda), embeddings, passes, gamma, propagation }),
  }),
  defineObjective({
    ...onDemonstrations,
    name: "scheduled-sampling",
    needsWholeBatch: true,
    options: lambdaOptions,
    make: (lambda) => scheduledSampling({ lambda: lambdaOf(lambda) }),
  }),
  defineObjective({
    ...onDemonstrations,
    name: "distillation",
    teacher: true,
    options: {
      teacherShare,
      temperature: {
        kind: "number",
        default: jsd.temperature,
        above: 0,
        help: "The number that the logits of both models are divided by.",
      },
      normalizer,
    },
    make: ({ teacherShare, temperature, normalizer }, { teacher }) =>
      distillation(teacher, { beta: teacherShare, temperature, normalizer }),
  }),
];
