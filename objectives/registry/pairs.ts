/** The rows of objectives on pairs, and on labels of single answers. */
import {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bco,
  cpo,
  discopop,
  dpo,
  exo,
  exponential,
  hinge,
  intuitiveDpo,
  ipo,
  kto,
  mpo,
  nca,
  orpo,
  rewardModel,
  robust,
  rpo,
  simpo,
  sppo,
} from "../catalogue/pairs.ts";
import { smoothingOf } from "../preference_losses.ts";
import { cpoSmoothing, simpoConstants } from "../reference_free.ts";
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
];
