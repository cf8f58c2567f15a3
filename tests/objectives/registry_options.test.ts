/** The options of the registry: which objectives have them, their ranges and their defaults. */
import { assertEquals } from "@std/assert";
import { objectiveRegistry } from "@unitune/objectives";
import { taken } from "./option_words.ts";

/** What an option takes, its default, and the objectives that have it so. */
type Row = readonly [option: string, takes: string, usual: unknown, objectives: string];

const share = "a number, at least 0, at most 1";
const positive = "a number, above 0";
const nonNegative = "a number, at least 0";

/**
 * Defaults are those of TRL 1.13 and of the papers, as `deno task objectives NAME` names them:
 * docs/decisions.md has the reasons where they differ.
 */
const rows: readonly Row[] = [
  ["normalizer", "token | sequence", "token", "sft dft psft distillation asft power-sft"],
  ["lambda", share, 0.2, "ift scheduled-sampling intuitive-dpo intuitive-grpo"],
  [
    "lambdaSchedule",
    "fixed | linear | noisy",
    "fixed",
    "ift scheduled-sampling intuitive-dpo intuitive-grpo",
  ],
  [
    "warmupSteps",
    "a whole number, at least 0",
    100,
    "ift scheduled-sampling intuitive-dpo intuitive-grpo",
  ],
  ["gamma", share, 0.95, "ift"],
  ["propagation", "as-run | as-run-detached | eq21 | eq21-decay | reach | none", "as-run", "ift"],
  ["embeddings", "live | synchronised", "live", "ift intuitive-dpo intuitive-grpo"],
  ["passes", "a whole number, at least 1", 1, "ift"],
  ["teacherShare", share, 0.5, "distillation sdft opsd sdpo gkd"],
  ["temperature", positive, 1, "distillation"],
  [
    "beta",
    positive,
    0.1,
    "dpo ipo hinge exponential robust exo nca bco sppo aot aot-unpaired apo-zero apo-down " +
    "discopop dpo-norm ld-dpo wpo rpo mpo intuitive-dpo orpo cpo kto apo-zero-unpaired " +
    "bco-unpaired online-dpo xpo nash-md",
  ],
  ["labelSmoothing", "a number, at least 0, at most 0.5", 0, "dpo dpo-norm ld-dpo wpo cpo"],
  ["tailWeight", share, 0.5, "ld-dpo"],
  ["alpha", "a finite number", 0.25, "alpha-po"],
  ["beta", positive, 2.5, "alpha-po"],
  ["targetMargin", nonNegative, 0.1, "alpha-po"],
  ["labelSmoothing", "a number, at least 0, below 0.5", 0.1, "robust"],
  ["labelSmoothing", "a number, above 0, at most 0.5", 0.001, "exo"],
  ["beta", positive, 2, "simpo"],
  ["targetMargin", nonNegative, "half of beta", "simpo"],
  ["targetMargin", nonNegative, 0, "reward-model"],
  ["pairLoss", "sigmoid | hinge | ipo | length-mean", "sigmoid", "tpo"],
  ["beta", positive, 0.01, "tpo"],
  ["targetMargin", nonNegative, 0.5, "tpo"],
  ["goldWeight", nonNegative, 1, "tpo"],
  ["lastStepOnly", "true or false", false, "process-reward-model"],
  [
    "clipRange",
    positive,
    0.2,
    "reinforce-plus-plus rloo grpo replay-grpo grpo-kl dapo dr-grpo max-rl ppo gdpo high-entropy-dapo " +
    "adaptive-entropy-grpo masked-grpo minillm",
  ],
  [
    "groupSize",
    "a whole number, at least 2",
    8,
    "rloo grpo replay-grpo grpo-kl dapo dr-grpo gspo cispo max-rl intuitive-grpo best-of-n " +
    "rejection-sampling nft dppo luffy " +
    "rl-plus hpt srft chord chord-mu relift interleaved uft prefix-rft sdpo luspo " +
    "gspo-token sapo vespo gmpo gdpo high-entropy-dapo adaptive-entropy-grpo masked-grpo a-star-po",
  ],
  [
    "scaleRewards",
    "group | batch | none",
    "group",
    "grpo replay-grpo grpo-kl dapo gspo cispo intuitive-grpo luspo gspo-token sapo vespo gmpo " +
    "high-entropy-dapo adaptive-entropy-grpo",
  ],
  [
    "maxNewTokens",
    "a whole number, at least 1",
    256,
    "dr-grpo nft on-policy-distillation luffy rl-plus hpt relift interleaved prefix-rft",
  ],
  ["scaleRewards", "group | batch | none", "none", "masked-grpo"],
  ["offPolicyThreshold", nonNegative, 0.5, "masked-grpo"],
  ["gatePositive", positive, 1, "sapo"],
  ["gateNegative", positive, 1.05, "sapo"],
  ["entropyShare", share, 0.2, "high-entropy-dapo"],
  ["entropyTarget", nonNegative, 0.2, "adaptive-entropy-grpo"],
  ["entropyChange", nonNegative, 0.005, "adaptive-entropy-grpo"],
  ["clipRange", positive, 0.002, "luspo"],
  ["clipRange", positive, 0.4, "gmpo"],
  ["valueTemperature", positive, 0.5, "a-star-po"],
  ["beta", positive, 0.001, "a-star-po"],
  ["exploration", nonNegative, 0.00001, "xpo"],
  ["klWeight", nonNegative, 0.04, "grpo-kl masked-grpo"],
  ["clipRange", positive, 0.0003, "gspo gspo-token"],
  ["groupSize", "a whole number, at least 2", 2, "online-dpo"],
  ["klWeight", nonNegative, 0.05, "ppo"],
  ["valueWeight", nonNegative, 0.1, "ppo"],
  ["gaeLambda", share, 0.95, "ppo"],
  ["whiten", "true or false", true, "ppo"],
  ["anchor", nonNegative, 0.05, "asft"],
  ["power", positive, 0.5, "power-sft"],
  ["passScale", "none | group", "none", "nft"],
  ["positiveWeight", nonNegative, 0.1, "weighted-reinforce"],
  ["trust", nonNegative, 0.2, "dppo"],
  ["driftWeight", nonNegative, 0.001, "dppo"],
  ["discount", share, 0, "on-policy-distillation minillm"],
  ["givenShare", share, 0.5, "gkd"],
  ["givenAnswers", "data | teacher", "data", "gkd"],
  ["passingReward", "a finite number", 1, "rejection-sampling"],
  ["earlyGain", nonNegative, 0.5, "iw-opd"],
  ["entropyWeight", nonNegative, 0.001, "luffy rl-plus hpt relift interleaved prefix-rft"],
  ["demonstrationTurns", "a whole number, at least 1", 2, "interleaved"],
  ["gate", share, 0, "hpt"],
  ["demonstrationWeight", nonNegative, 1, "hpt"],
  ["mixture", share, 0.1, "chord"],
  ["mixturePeak", share, 0.9, "chord-mu"],
  ["mixtureValley", share, 0.05, "chord-mu"],
  ["mixtureWarmup", "a whole number, at least 0", 0, "chord-mu"],
  ["mixtureDecay", "a whole number, at least 0", 200, "chord-mu"],
  ["clipRange", positive, 0.28, "psft"],
  ["keptGroups", "a whole number, at least 1", 64, "replay-grpo"],
  ["referenceSteps", "a whole number, at least 1", 8, "psft"],
  ["referenceShare", share, 0.5, "nash-md"],
  ["hintWeight", nonNegative, 0.001, "uft"],
  ["klWeight", nonNegative, 0.001, "uft"],
  ["hintSteps", "a whole number, at least 1", 300, "uft prefix-rft"],
  ["hintShare", "a number, above 0, at most 1", 0.2, "prefix-rft"],
  ["self", "frozen | live", "frozen", "sdft sdpo"],
  ["topK", "a whole number, at least 1", 100, "sdft sdpo"],
  ["divergenceTemperature", positive, 1.1, "opsd"],
];

Deno.test("the options of objectives have the ranges and defaults that are documented", () => {
  const found = new Map<string, string[]>();
  for (const { name, options } of objectiveRegistry) {
    for (const [option, row] of Object.entries(options)) {
      const key = JSON.stringify([option, taken(row), row.default ?? row.defaultHelp]);
      found.set(key, [...found.get(key) ?? [], name]);
    }
  }
  const expected = rows.map(([option, takes, usual, objectives]) =>
    [JSON.stringify([option, takes, usual]), objectives] as const
  );
  assertEquals(
    [...found].map(([key, names]) => [key, names.join(" ")]).toSorted(),
    expected.map((row) => [...row]).toSorted(),
  );
});
