/** The rows of objectives on triples of answers. */
import { tpo, tpoDefaults } from "../catalogue/triples.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import { beta, targetMargin } from "./shared.ts";

/** The objectives. */
export const tripleEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    name: "tpo",
    data: "triples",
    reference: "none",
    teacher: false,
    values: false,
    trains: "policy",
    options: {
      pairLoss: {
        kind: "choice",
        choices: ["sigmoid", "hinge", "ipo", "length-mean"],
        default: tpoDefaults.form,
        help: "The loss of the chosen and the rejected answer: of the sums of their " +
          "log-probabilities, or of the means (ipo; length-mean, which is TPO-L).",
      },
      beta: { ...beta, default: tpoDefaults.beta },
      targetMargin: { ...targetMargin, default: tpoDefaults.gamma },
      goldWeight: {
        kind: "number",
        min: 0,
        default: tpoDefaults.alpha,
        help: "The weight of the likelihood of gold answers.",
      },
    },
    make: ({ pairLoss, beta, targetMargin, goldWeight }) =>
      tpo({ form: pairLoss, beta, gamma: targetMargin, alpha: goldWeight }),
  }),
];
