/** The rows of objectives on answers that a teacher judges. */
import { gkd, iwOpd, minillm, taughtDefaults } from "../catalogue/taught_rollouts.ts";
import { drawnTurns } from "../turns.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import { clipRange, onRollouts, teacherShare } from "./shared.ts";

const taught = { ...onRollouts, teacher: true } as const;

/** The objectives. */
export const taughtRolloutEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...taught,
    name: "minillm",
    options: {
      discount: {
        kind: "number",
        min: 0,
        max: 1,
        default: taughtDefaults.discount,
        help: "The discount of what the teacher says of later tokens.",
      },
      clipRange: { ...clipRange, default: taughtDefaults.clipRange },
    },
    make: ({ discount, clipRange }, { teacher }) =>
      minillm(teacher, { discount, epsilon: clipRange }),
  }),
  defineObjective({
    ...taught,
    name: "iw-opd",
    options: {
      earlyGain: {
        kind: "number",
        min: 0,
        default: taughtDefaults.gain,
        help: "How much more the first token weighs than a token after which the policy and its " +
          "teacher no longer part.",
      },
    },
    make: ({ earlyGain }, { teacher }) => iwOpd(teacher, { gain: earlyGain }),
  }),
  defineObjective({
    ...taught,
    name: "gkd",
    options: {
      givenShare: {
        kind: "number",
        min: 0,
        max: 1,
        default: taughtDefaults.givenShare,
        help: "The probability that a turn learns from right answers of the data, and not from " +
          "answers of the policy.",
      },
      givenAnswers: {
        kind: "choice",
        choices: ["data", "teacher"],
        default: taughtDefaults.givenAnswers,
        help:
          "The answers of such a turn: right answers of the data, or answers that the teacher " +
          "samples, as in sequence-level distillation.",
      },
      teacherShare,
    },
    guidance: ({ givenShare, givenAnswers }) => ({
      kind: "turns",
      turns: drawnTurns({ share: givenShare, author: givenAnswers }),
    }),
    make: (options, { teacher }) => gkd(teacher, options),
  }),
];
