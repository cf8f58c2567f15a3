/** The rows of objectives on pairs, and on labels of single answers. */
import {
  alphaPreference,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  apoZeroUnpaired,
  bco,
  bcoUnpaired,
  cpo,
  discopop,
  dpo,
  dpoNorm,
  exo,
  exponential,
  hinge,
  intuitiveDpo,
  ipo,
  kto,
  ldDpo,
  ldDpoDefaults,
  mpo,
  nca,
  orpo,
  rewardModel,
  robust,
  rpo,
  simpo,
  sppo,
  wpo,
} from "../catalogue/pairs.ts";
import { smoothingOf } from "../preference_losses.ts";
import { alphaPoConstants, cpoSmoothing, simpoConstants } from "../reference_free.ts";
import { rewardModelDefaults } from "../reward_model.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import {
  beta,
  embeddings,
  lambdaOf,
  lambdaOptions,
  smoothingOption,
  targetMargin,
} from "./shared.ts";

const onPairs = {
  data: "pairs",
  reference: "none",
  teacher: false,
  values: false,
  trains: "policy",
} as const;

const toReference = { ...onPairs, reference: "log-probs", options: { beta } } as const;

const smoothed = (form: "dpo" | "robust" | "exo") => ({
  beta,
  labelSmoothing: smoothingOption(smoothingOf(form)),
});

const shaped = alphaPoConstants("alpha-po", {});

/** The objectives on pairs. */
export const pairEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...toReference,
    name: "dpo",
    options: smoothed("dpo"),
    make: (options) => dpo(options),
  }),
  defineObjective({ ...toReference, name: "ipo", make: (options) => ipo(options) }),
  defineObjective({ ...toReference, name: "hinge", make: (options) => hinge(options) }),
  defineObjective({ ...toReference, name: "exponential", make: (options) => exponential(options) }),
  defineObjective({
    ...toReference,
    name: "robust",
    options: smoothed("robust"),
    make: (options) => robust(options),
  }),
  defineObjective({
    ...toReference,
    name: "exo",
    options: smoothed("exo"),
    make: (options) => exo(options),
  }),
  defineObjective({ ...toReference, name: "nca", make: (options) => nca(options) }),
  defineObjective({ ...toReference, name: "bco", make: (options) => bco(options) }),
  defineObjective({ ...toReference, name: "sppo", make: (options) => sppo(options) }),
  defineObjective({
    ...toReference,
    name: "aot",
    needsWholeBatch: true,
    make: (options) => aot(options),
  }),
  defineObjective({
    ...toReference,
    name: "aot-unpaired",
    needsWholeBatch: true,
    make: (options) => aotUnpaired(options),
  }),
  defineObjective({ ...toReference, name: "apo-zero", make: (options) => apoZero(options) }),
  defineObjective({ ...toReference, name: "apo-down", make: (options) => apoDown(options) }),
  defineObjective({ ...toReference, name: "discopop", make: (options) => discopop(options) }),
  defineObjective({
    ...toReference,
    name: "dpo-norm",
    aliases: ["sigmoid-norm"],
    options: smoothed("dpo"),
    make: dpoNorm,
  }),
  defineObjective({
    ...toReference,
    name: "ld-dpo",
    options: {
      ...smoothed("dpo"),
      tailWeight: {
        kind: "number",
        default: ldDpoDefaults.tailWeight,
        min: 0,
        max: 1,
        help: "The weight of the tokens by which an answer is longer than the other of its pair.",
      },
    },
    make: ldDpo,
  }),
  defineObjective({ ...toReference, name: "wpo", options: smoothed("dpo"), make: wpo }),
  defineObjective({ ...toReference, name: "rpo", make: rpo }),
  defineObjective({ ...toReference, name: "mpo", make: mpo }),
  defineObjective({
    ...onPairs,
    name: "intuitive-dpo",
    reference: "model",
    options: { ...lambdaOptions, embeddings, beta },
    make: ({ embeddings, beta, ...lambda }, { reference }) =>
      intuitiveDpo(reference, { lambda: lambdaOf(lambda), embeddings, beta }),
  }),
  defineObjective({ ...onPairs, name: "orpo", options: { beta }, make: orpo }),
  defineObjective({
    ...onPairs,
    name: "simpo",
    options: {
      beta: { ...beta, default: simpoConstants("simpo", {}).beta },
      targetMargin: { ...targetMargin, defaultHelp: "half of beta" },
    },
    make: ({ beta, targetMargin }) =>
      simpo({ beta, ...(targetMargin !== undefined && { gamma: targetMargin }) }),
  }),
  defineObjective({
    ...onPairs,
    name: "alpha-po",
    options: {
      alpha: {
        kind: "number",
        default: shaped.alpha,
        help:
          "The shape of the reward: the larger, the more an unlikely answer weighs; 0 is simpo.",
      },
      beta: { ...beta, default: shaped.beta },
      targetMargin: { ...targetMargin, default: shaped.gamma },
    },
    make: ({ targetMargin, ...options }) => alphaPreference({ ...options, gamma: targetMargin }),
  }),
  defineObjective({
    ...onPairs,
    name: "cpo",
    options: {
      beta,
      labelSmoothing: smoothingOption(cpoSmoothing),
    },
    make: cpo,
  }),
  defineObjective({
    ...onPairs,
    name: "reward-model",
    trains: "reward model",
    options: { targetMargin: { ...targetMargin, default: rewardModelDefaults.margin } },
    make: ({ targetMargin }) => rewardModel({ margin: targetMargin }),
  }),
];

/** The objectives on labels. */
export const labelEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...toReference,
    name: "kto",
    data: "labels",
    needsWholeBatch: true,
    make: (options) => kto(options),
  }),
  defineObjective({
    ...toReference,
    name: "apo-zero-unpaired",
    data: "labels",
    make: apoZeroUnpaired,
  }),
  defineObjective({
    ...toReference,
    name: "bco-unpaired",
    needsWholeBatch: true,
    data: "labels",
    make: bcoUnpaired,
  }),
];
