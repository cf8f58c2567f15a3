/** The rows of objectives on answers in steps. */
import { processRewardModel } from "../catalogue/steps.ts";
import { stepDefaults } from "../process_reward_model.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";

/** The objectives on steps. */
export const stepEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    name: "process-reward-model",
    aliases: ["prm"],
    data: "steps",
    reference: "none",
    teacher: false,
    values: false,
    trains: "process reward model",
    options: {
      lastStepOnly: {
        kind: "boolean",
        default: stepDefaults.lastStepOnly,
        help: "Learns the label of the last step of each answer only.",
      },
    },
    make: processRewardModel,
  }),
];
