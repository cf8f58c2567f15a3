/** The rows of objectives that unite SFT and RL. */
import {
  asft,
  chord,
  chordMu,
  dppo,
  hpt,
  interleaved,
  luffy,
  nft,
  onPolicyDistillation,
  opsd,
  powerSft,
  prefixRft,
  relift,
  rlPlus,
  sdft,
  sdpo,
  srft,
  uft,
  unitedDefaults,
  weightedReinforce,
} from "../catalogue/united.ts";
import { binomialHints, uniformHints } from "../hints.ts";
import { riseAndFallDefaults } from "../mixture_schedule.ts";
import type { Option } from "../options.ts";
import { alternating, unsolvedTurns } from "../turns.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import { constantLength, groupSize, klWeight, normalizer, teacherShare } from "./shared.ts";

const onDemonstrations = {
  data: "demonstrations",
  reference: "none",
  teacher: false,
  values: false,
  trains: "policy",
} as const;

const onRollouts = { ...onDemonstrations, data: "rollouts" } as const;

const maxNewTokens = constantLength;

/** The answers of a group, of which the last is a demonstration. */
const mixedGroup = {
  ...groupSize,
  help: "The number of answers to each prompt, which are compared with each other; of objectives " +
    "with demonstrations among them, the last is the right answer.",
} as const satisfies Option;

const entropyWeight = {
  kind: "number",
  min: 0,
  default: unitedDefaults.entropyWeight,
  help: "The weight of the entropy bonus.",
} as const satisfies Option;

const hintSteps = {
  kind: "integer",
  min: 1,
  default: 300,
  help: "The number of steps over which hints become short.",
} as const satisfies Option;

const self = {
  kind: "choice",
  choices: ["frozen", "live"],
  default: "frozen",
  help: "The teacher that has read the right answer: frozen, the reference (the policy that the " +
    "stage starts from, or its average); live, the policy as it is in each step.",
} as const satisfies Option;

const topK = {
  kind: "integer",
  min: 1,
  default: unitedDefaults.topK,
  help: "How many of the policy's most likely tokens are compared with the teacher's; all others " +
    "count as one.",
} as const satisfies Option;

const demonstrationTurns = {
  kind: "integer",
  min: 1,
  default: unitedDefaults.turns,
  help:
    "The number of turns of which the last learns from demonstrations, the others from answers " +
    "of the policy.",
} as const satisfies Option;

const answerLast = () => ({ kind: "answer" }) as const;

/** The objectives on demonstrations. */
export const unitedDemonstrationEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...onDemonstrations,
    name: "asft",
    reference: "model",
    options: {
      anchor: {
        kind: "number",
        min: 0,
        default: unitedDefaults.anchor,
        help: "The weight of the divergence from the policy that the stage started with.",
      },
      normalizer,
    },
    make: (options, { reference }) => asft(reference, options),
  }),
  defineObjective({
    ...onDemonstrations,
    name: "power-sft",
    aliases: ["beyond-log-likelihood"],
    options: {
      power: {
        kind: "number",
        above: 0,
        default: unitedDefaults.power,
        help: "The exponent q of a token's probability, its weight: SFT as q goes to 0, dft at 1.",
      },
      normalizer,
    },
    make: powerSft,
  }),
];

/** The objectives on rollouts. */
export const unitedRolloutEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...onRollouts,
    name: "nft",
    options: {
      groupSize,
      maxNewTokens,
      passScale: {
        kind: "choice",
        choices: ["none", "group"],
        default: "none",
        help: "Advantages are 1 for a right answer, else 0, less the pass rate q; group divides " +
          "them by sqrt(q (1 - q)), as GRPO does.",
      },
    },
    make: ({ groupSize, maxNewTokens, passScale }) =>
      nft({ groupSize, maxLength: maxNewTokens, scaleRewards: passScale }),
  }),
  defineObjective({
    ...onRollouts,
    name: "weighted-reinforce",
    aliases: ["w-reinforce"],
    options: {
      positiveWeight: {
        kind: "number",
        min: 0,
        default: unitedDefaults.positiveWeight,
        help: "The weight of right answers; wrong ones weigh 1.",
      },
    },
    make: weightedReinforce,
  }),
  defineObjective({
    ...onRollouts,
    name: "dppo",
    options: {
      groupSize,
      trust: {
        kind: "number",
        min: 0,
        default: unitedDefaults.trust,
        help: "How far the probability of a token may move before it is no longer learned.",
      },
      driftWeight: {
        kind: "number",
        min: 0,
        default: unitedDefaults.drift,
        help: "The weight of the squared log-ratio to the policy that sampled.",
      },
    },
    make: dppo,
  }),
  defineObjective({
    ...onRollouts,
    name: "on-policy-distillation",
    aliases: ["opd"],
    teacher: true,
    options: {
      discount: {
        kind: "number",
        min: 0,
        max: 1,
        default: unitedDefaults.discount,
        help: "The discount of what the teacher says of later tokens.",
      },
      maxNewTokens,
    },
    make: ({ discount, maxNewTokens }, { teacher }) =>
      onPolicyDistillation(teacher, { discount, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "luffy",
    options: { groupSize: mixedGroup, maxNewTokens, entropyWeight },
    guidance: answerLast,
    make: ({ maxNewTokens, ...options }) => luffy({ ...options, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "rl-plus",
    options: { groupSize: mixedGroup, maxNewTokens, entropyWeight },
    guidance: answerLast,
    make: ({ maxNewTokens, ...options }) => rlPlus({ ...options, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "hpt",
    aliases: ["hybrid-post-training"],
    options: {
      groupSize: mixedGroup,
      maxNewTokens,
      gate: {
        kind: "number",
        min: 0,
        max: 1,
        default: unitedDefaults.gate,
        help:
          "The pass rate of a prompt's answers above which they are learned from, and not its " +
          "demonstration.",
      },
      demonstrationWeight: {
        kind: "number",
        min: 0,
        default: unitedDefaults.demonstrationWeight,
        help: "The weight of the likelihood of demonstrations.",
      },
      entropyWeight,
    },
    guidance: answerLast,
    make: ({ maxNewTokens, ...options }) => hpt({ ...options, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "srft",
    options: { groupSize: mixedGroup },
    guidance: answerLast,
    make: srft,
  }),
  defineObjective({
    ...onRollouts,
    name: "chord",
    options: {
      groupSize: mixedGroup,
      mixture: {
        kind: "number",
        min: 0,
        max: 1,
        default: unitedDefaults.mixture,
        help: "The weight of demonstrations; own answers have the rest of 1.",
      },
    },
    guidance: answerLast,
    make: chord,
  }),
  defineObjective({
    ...onRollouts,
    name: "chord-mu",
    options: {
      groupSize: mixedGroup,
      mixturePeak: {
        kind: "number",
        min: 0,
        max: 1,
        default: riseAndFallDefaults.peak,
        help: "The largest weight of demonstrations; own answers have the rest of 1.",
      },
      mixtureValley: {
        kind: "number",
        min: 0,
        max: 1,
        default: riseAndFallDefaults.valley,
        help: "The weight of demonstrations at the end.",
      },
      mixtureWarmup: {
        kind: "integer",
        min: 0,
        default: riseAndFallDefaults.warmup,
        help: "The number of steps over which the weight of demonstrations rises from 0.",
      },
      mixtureDecay: {
        kind: "integer",
        min: 0,
        default: riseAndFallDefaults.decay,
        help: "The number of steps over which the weight of demonstrations falls.",
      },
    },
    guidance: answerLast,
    make: ({ groupSize, mixturePeak, mixtureValley, mixtureWarmup, mixtureDecay }) =>
      chordMu({
        groupSize,
        ...{ peak: mixturePeak, valley: mixtureValley },
        ...{ warmup: mixtureWarmup, decay: mixtureDecay },
      }),
  }),
  defineObjective({
    ...onRollouts,
    name: "relift",
    options: { groupSize, maxNewTokens, entropyWeight },
    guidance: () => ({ kind: "turns", turns: unsolvedTurns() }),
    make: ({ maxNewTokens, ...options }) => relift({ ...options, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "interleaved",
    options: { groupSize, maxNewTokens, entropyWeight, demonstrationTurns },
    guidance: ({ demonstrationTurns }) => ({
      kind: "turns",
      turns: alternating({ every: demonstrationTurns }),
    }),
    make: ({ maxNewTokens, demonstrationTurns, ...options }) =>
      interleaved({ ...options, every: demonstrationTurns, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "uft",
    reference: "log-probs",
    options: {
      groupSize,
      hintWeight: {
        kind: "number",
        min: 0,
        default: unitedDefaults.hintWeight,
        help: "The weight of the likelihood of hints.",
      },
      klWeight: { ...klWeight, default: unitedDefaults.klWeight },
      hintSteps,
    },
    guidance: ({ hintSteps }) => ({
      kind: "hint",
      rows: "all",
      share: binomialHints({ steps: hintSteps }),
    }),
    make: ({ groupSize, hintWeight, klWeight }) => uft({ groupSize, hintWeight, klWeight }),
  }),
  defineObjective({
    ...onRollouts,
    name: "prefix-rft",
    needsWholeBatch: true,
    options: {
      groupSize,
      maxNewTokens,
      hintShare: {
        kind: "number",
        above: 0,
        max: 1,
        default: unitedDefaults.hintShare,
        help: "The share of a hint's tokens, the most uncertain ones, that is learned.",
      },
      entropyWeight,
      hintSteps,
    },
    guidance: ({ hintSteps }) => ({
      kind: "hint",
      rows: "last",
      share: uniformHints({ steps: hintSteps }),
    }),
    make: ({ groupSize, maxNewTokens, hintShare, entropyWeight }) =>
      prefixRft({ groupSize, maxLength: maxNewTokens, hintShare, entropyWeight }),
  }),
  defineObjective({
    ...onRollouts,
    name: "sdft",
    reference: "model",
    options: { self, teacherShare, topK },
    guidance: () => ({ kind: "context", from: "data" }),
    make: (options, { reference }) => sdft(reference, options),
  }),
  defineObjective({
    ...onRollouts,
    name: "opsd",
    reference: "model",
    options: {
      teacherShare,
      divergenceTemperature: {
        kind: "number",
        above: 0,
        default: unitedDefaults.selfTemperature,
        help: "The number that the logits of both predictions are divided by.",
      },
    },
    guidance: () => ({ kind: "context", from: "data" }),
    make: ({ teacherShare, divergenceTemperature }, { reference }) =>
      opsd(reference, { teacherShare, temperature: divergenceTemperature }),
  }),
  defineObjective({
    ...onRollouts,
    name: "sdpo",
    reference: "model",
    options: { groupSize, self, teacherShare, topK },
    guidance: () => ({ kind: "context", from: "group" }),
    make: (options, { reference }) => sdpo(reference, options),
  }),
];
