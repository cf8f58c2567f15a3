/** Every entry of the registry: trains, logs, describes itself, and keeps to the invariances. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { adamw, grad, sgd, valueAndGrad } from "@unitune/autodiff";
import {
  compile,
  concat,
  defaultDevice,
  evaluate,
  gather,
  key,
  leavesOf,
  mapTree,
  mul,
  slice,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  type Accumulated,
  accumulateGradients,
  adaptiveEntropyGrpo,
  alphaPreference,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  apoZeroUnpaired,
  applyAccumulated,
  asft,
  aStarPo,
  bco,
  bcoUnpaired,
  bestOfN,
  chord,
  chordMu,
  cispo,
  cpo,
  dapo,
  type DataField,
  defaultOf,
  describeEntry,
  dft,
  discopop,
  distillation,
  dpo,
  dpoNorm,
  dppo,
  drGrpo,
  entryNamed,
  evaluationLoss,
  exo,
  exponential,
  gdpo,
  gkd,
  gmpo,
  grpo,
  grpoKl,
  gspo,
  gspoToken,
  highEntropyDapo,
  hinge,
  hpt,
  ift,
  initTrainingState,
  interleaved,
  intuitiveDpo,
  intuitiveGrpo,
  ipo,
  iwOpd,
  iwSft,
  kto,
  ldDpo,
  luffy,
  luspo,
  maskedGrpo,
  maxRlGradient,
  minillm,
  modelOf,
  modelOfLogits,
  mpo,
  nashMd,
  nca,
  nft,
  type Objective,
  objectiveRegistry,
  onlineDpo,
  onPolicyDistillation,
  opsd,
  optionValues,
  orpo,
  type Policy,
  powerSft,
  ppo,
  prefixRft,
  processRewardModel,
  psft,
  reinforce,
  reinforcePlusPlus,
  rejectionSampling,
  relift,
  replayGrpo,
  rewardModel,
  rloo,
  rlPlus,
  robust,
  rpo,
  sapo,
  scheduledSampling,
  sdft,
  sdpo,
  sft,
  simpo,
  sppo,
  squeezed,
  srft,
  tpo,
  trainingStep,
  uft,
  vespo,
  weightedReinforce,
  wpo,
  xpo,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, assertNear, context, type Parameters, policy } from "./arbitrary.ts";
import { arithmetics } from "./theorem.ts";
import {
  entriesOf,
  type Entry,
  GROUP,
  type Parts,
  scorer,
  type World,
  worldOf,
  worlds,
} from "./worlds.ts";

const nobody = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });

const start = worldOf({ seed: 3, distance: 0, dtype: "f32" });
const moved = worldOf({ seed: 3, distance: 0.3, dtype: "f32" });

const ofTokens = ["nll", "entropy", "mean_token_accuracy", "num_tokens"];
const ofPairs = [
  "logps/chosen",
  "logps/rejected",
  "rewards/accuracies",
  "rewards/chosen",
  "rewards/margins",
  "rewards/rejected",
];
const ofRollouts = [
  "reward",
  "reward_std",
  "completions/mean_length",
  "completions/min_length",
  "completions/max_length",
];
const clips = ["clip_ratio/low", "clip_ratio/high"];

/** Entries on rollouts whose losses clip no ratio. */
const withoutClip = [
  "reinforce",
  "nft",
  "weighted-reinforce",
  "dppo",
  "luffy",
  "rl-plus",
  "hpt",
  "srft",
  "relift",
  "interleaved",
];

/** The metrics of an entry beside those of its tokens. */
function metricsOf({ name, data, trains }: Pick<Entry, "name" | "data" | "trains">): string[] {
  if (trains === "reward model") return ofPairs.slice(2);
  if (data === "steps") {
    return ["right_steps", "wrong_steps", "step_accuracies"].map((metric) => `rewards/${metric}`);
  }
  if (data === "demonstrations") {
    if (["distillation", "asft"].includes(name)) return ["teacher_agreement"];
    if (name === "psft") return clips;
    return ["ift", "scheduled-sampling"].includes(name) ? ["lambda"] : [];
  }
  if (data === "triples") return ofPairs;
  if (data === "pairs") return [...ofPairs, ...name === "intuitive-dpo" ? ["lambda"] : []];
  if (data === "labels") {
    const kinds = ["rewards/chosen", "rewards/rejected"];
    if (name === "bco-unpaired") return [...kinds, "rewards/mean", "reward_shift"];
    return name === "kto" ? [...kinds, "kl"] : kinds;
  }
  const own: Record<string, string[]> = {
    "online-dpo": ofPairs,
    ...{ "best-of-n": [], "rejection-sampling": [] },
    ...Object.fromEntries(withoutClip.map((name) => [name, ofRollouts])),
    ...Object.fromEntries(
      ["sdft", "opsd", "sdpo", "gkd"].map((name) => [name, [...ofRollouts, "teacher_agreement"]]),
    ),
    ...Object.fromEntries(
      ["on-policy-distillation", "iw-opd"].map((name) => [name, [...ofRollouts, "teacher_kl"]]),
    ),
    minillm: [...ofRollouts, ...clips, "teacher_kl", "teacher_agreement"],
    uft: [...ofRollouts, ...clips, "kl"],
    cispo: [...ofRollouts, "clip_ratio/high"],
    "grpo-kl": [...ofRollouts, ...clips, "kl"],
    "intuitive-grpo": [...ofRollouts, "lambda"],
    ...{ sapo: ofRollouts, vespo: ofRollouts, gmpo: ofRollouts, xpo: ofPairs },
    "adaptive-entropy-grpo": [...ofRollouts, ...clips, "entropy_weight"],
    "masked-grpo": [...ofRollouts, ...clips, "kl"],
    "a-star-po": [...ofRollouts, "rewards/implicit"],
    "nash-md": ofRollouts,
  };
  return own[name] ?? [...ofRollouts, ...clips];
}

/** Entries whose losses need not fall, since their weights have no gradient, or are drawn. */
const erratic = [
  "scheduled-sampling",
  "iw-sft",
  "cispo",
  "wpo",
  "power-sft",
  "chord",
  "vespo",
  "nash-md",
];

for (const { use, ...entry } of entriesOf(moved)) {
  const { name, trains } = entry;
  Deno.test(`${name} trains for a few steps in one program, its metrics under their names`, () =>
    use(async ({ policy, objective, batch }) => {
      const optimizer = adamw(0.02);
      const step = compile(trainingStep({ policy, objective, optimizer }), { donate: [0] });
      const params = mapTree(moved.params, (x) => slice(x, 0, 0));
      let state = initTrainingState(params, optimizer, key(1), objective.memory);
      const losses: number[] = [];
      let names: string[] = [];
      for (let i = 0; i < 6; i++) {
        const result = step(state, batch);
        state = result.state;
        losses.push(await result.metrics.loss?.item() ?? NaN);
        names = Object.keys(result.metrics);
        for (const [metric, value] of Object.entries(result.metrics)) {
          assert(Number.isFinite(await value.item()), `${metric} at step ${i}`);
        }
      }
      assertEquals(step.statistics().length, 1);
      const expected = [
        "loss",
        "grad_norm",
        ...trains === "policy" ? ofTokens : [],
        ...metricsOf(entry),
      ];
      assertEquals(names.toSorted(), expected.toSorted());
      assertNotEquals(await state.params.mixing.data(), await moved.params.mixing.data());
      const [first = NaN, last = NaN] = [losses[0], losses.at(-1)];
      if (!erratic.includes(name)) assert(last < first, `from ${first} to ${last}`);
    }));
}

/** A new reward model: it scores all answers 0. */
const newScorer: Policy<Parameters> = {
  ...scorer,
  head: () => (hidden) => mul(sum(hidden, { axes: [-1], keepDims: true }), 0),
};

for (const { name, trains, use } of entriesOf(start)) {
  Deno.test(`${name} describes itself, and its step-0 value is the one that it computes`, () =>
    use(async ({ policy, objective, batch }) => {
      const { stepZero, ...description } = objective.description;
      for (const [column, value] of Object.entries(description)) {
        assert(
          Array.isArray(value) ? value.length > 0 : value !== "" && value !== 0,
          `${column} is empty`,
        );
      }
      if (stepZero === undefined) return;
      const model = modelOf(trains === "policy" ? policy : newScorer, start.params);
      const collected = objective.collect(model, batch, context);
      const value = await evaluationLoss(objective.evaluate(model, collected, context)).item();
      // Rounding of f32 in sums of log-probabilities, magnified by squares of 1/(2 beta).
      assertAlmostEquals(value, stepZero, 1e-4 * (1 + stepZero));
    }));
}

function lossOf<B>({ policy, objective, batch }: Parts<B>): (params: Parameters) => Tensor {
  return (params) => {
    const model = modelOf(policy, params);
    const collected = objective.collect(model, batch, context);
    return evaluationLoss(objective.evaluate(model, collected, context));
  };
}

/** Two more positions of padding, in every tensor `[B, T]`. */
function padded<B>(batch: B): B {
  return mapTree(batch, (x) => {
    const [rows = 0] = x.shape;
    return x.shape.length === 2 ? concat([x, zeros([rows, 2], x.dtype)], 1) : x;
  });
}

/** Groups in the opposite order, and the order within them kept. */
function reversed<B>(batch: B): B {
  return mapTree(batch, (x) => {
    const [rows = 0] = x.shape;
    const order = Array.from({ length: rows }, (_, b) => {
      return rows - GROUP * (Math.floor(b / GROUP) + 1) + b % GROUP;
    });
    return gather(x, tensor(order, { dtype: "i32" }));
  });
}

/** Some rows of every tensor. */
function rowsOf<B>(batch: B, from: number, to: number): B {
  return mapTree(batch, (x) => slice(x, 0, from, to));
}

const names = entriesOf(start).map(({ name }) => name);
/** Entries whose losses depend on a batch as a whole: what is cut is another batch. */
const whole: Readonly<Record<string, string>> = {
  aot: "sorts over the batch",
  "aot-unpaired": "sorts over the batch",
  kto: "its reference point is a mean over the batch",
  "bco-unpaired": "shifts rewards by a mean over the batch",
  "scheduled-sampling": "draws for each micro-batch anew",
  gdpo: "its advantages are z-scored over the batch",
  "high-entropy-dapo": "its tokens are those of a quantile of the batch",
  "reinforce-plus-plus": "its advantages are z-scored over the batch",
  ppo: "its advantages are whitened over the batch",
  "prefix-rft": "the most uncertain tokens are those of the batch",
};

Deno.test("an entry says whether a batch may be cut", () => {
  const found = objectiveRegistry.filter(({ needsWholeBatch }) => needsWholeBatch);
  assertEquals(new Set(found.map(({ name }) => name)), new Set(Object.keys(whole)));
});

/** The loss of a step, and what it does to the parameters. */
interface Stepped {
  readonly loss: Tensor | undefined;
  readonly moves: readonly unknown[];
}

/** A step by plain gradient descent, on a batch at once and cut between groups. */
function steps<B>(
  { policy, objective }: Parts<B>,
  { params, rollouts }: World,
): Readonly<Record<"whole" | "cut", (batch: B) => Stepped>> {
  const training = { policy, objective, optimizer: sgd(0.1) };
  const state = initTrainingState(params, training.optimizer, key(1), objective.memory);
  const accumulate = accumulateGradients({ policy, objective });
  const [rows = 0] = rollouts.ids.shape;
  const stepped = ({ state, metrics }: {
    readonly state: { readonly params: Parameters };
    readonly metrics: Readonly<Record<string, Tensor>>;
  }): Stepped => ({ loss: metrics.loss, moves: [metrics.grad_norm, state.params] });
  return {
    whole: (batch) => stepped(trainingStep(training)(state, batch)),
    cut(batch) {
      let sums: Accumulated<Parameters> | undefined;
      for (let from = 0; from < rows; from += GROUP) {
        sums = accumulate(state, rowsOf(batch, from, from + GROUP), sums);
      }
      assert(sums !== undefined);
      return stepped(applyAccumulated(training)(state, sums));
    },
  };
}

/** The loss of a batch and its gradient, without keys, so that nothing is drawn for a row by its place. */
function unkeyed<B>(parts: Parts<B>, { params }: World): (batch: B) => Stepped {
  return (batch) => {
    const { value, gradient } = valueAndGrad(lossOf({ ...parts, batch }))(params);
    return { loss: value, moves: [gradient] };
  };
}

/**
 * The laws of every entry are equations between random numbers: a law that does not hold fails in
 * any world. So one world is drawn for all of them, of two groups, and all steps of an entry there are
 * one program. In f32, where programs are compiled, all changes are made at once.
 */
for (const { dtype, tolerance } of arithmetics) {
  const [options] = fc.sample(worlds, 1);
  assert(options !== undefined);
  const world = worldOf({ ...options, rows: 2 * GROUP, dtype });
  const entries = entriesOf(world);
  for (const [index, name] of names.entries()) {
    const isWhole = whole[name] !== undefined;
    const laws = isWhole
      ? "padding and the order of groups"
      : "padding, the order of groups and cuts";
    Deno.test(`${name}: ${laws} change no step (${defaultDevice(dtype).name}, ${dtype})`, async () => {
      const entry = entries[index];
      assert(entry !== undefined);
      const [plain, changed] = entry.use((parts) => {
        const { batch } = parts;
        const { whole: keyed, cut } = steps(parts, world);
        const step = isWhole ? unkeyed(parts, world) : keyed;
        const all: Readonly<Record<string, () => Stepped>> = dtype === "f64"
          ? {
            padded: () => step(padded(batch)),
            reversed: () => step(reversed(batch)),
            ...isWhole ? {} : { cut: () => cut(batch) },
          }
          : { "all at once": () => (isWhole ? step : cut)(padded(reversed(batch))) };
        const results = Object.entries(all).map(([change, of]) => [change, of()] as const);
        return evaluate([step(batch), Object.fromEntries(results)] as const);
      });
      const size = 1 + Math.abs(await plain.loss?.item() ?? NaN);
      for (const [change, stepped] of Object.entries(changed)) {
        await assertNear(stepped, plain, tolerance * size).catch((error) => {
          throw new Error(`${change}, in the world ${JSON.stringify(options)}`, { cause: error });
        });
      }
    });
  }
}

const spread = worldOf({ seed: 5, distance: 0.5 });
for (const { name, use } of entriesOf(spread)) {
  const reason = whole[name];
  if (reason === undefined) continue;
  Deno.test(`${name}: cut into groups it is another loss, since it ${reason} (counterexample)`, () =>
    use(async (parts) => {
      const { whole, cut } = steps(parts, spread);
      const [{ loss: a }, { loss: b }] = evaluate([whole(parts.batch), cut(parts.batch)] as const);
      assertNotEquals(
        (await a?.item() ?? NaN).toFixed(6),
        (await b?.item() ?? NaN).toFixed(6),
      );
    }));
}

/** Entries whose losses are divided by a constant. */
const constants = [
  "dr-grpo",
  "nft",
  "on-policy-distillation",
  "luspo",
  "nash-md",
];

/** Entries with a term that counts rows or tokens with answers, and one that counts every row. */
const ofBoth = ["xpo", "luffy", "rl-plus", "relift", "interleaved"];

Deno.test("rows without an answer change no loss; a batch of them has loss 0 and gradient 0", async () => {
  const world = worldOf({ seed: 11, distance: 0.3 });
  const silent = <B>(batch: B, kept: number): B =>
    mapTree(batch, (x, path) => {
      const [rows = 0] = x.shape;
      if (!path.endsWith("mask") || path.includes("mismatched")) return x;
      return concat([slice(x, 0, 0, kept), zeros([rows - kept, ...x.shape.slice(1)], x.dtype)], 0);
    });
  for (const { name, use } of entriesOf(world)) {
    await use(async (parts) => {
      const loss = lossOf({ ...parts, batch: silent(parts.batch, 0) });
      assertAlmostEquals(await loss(world.params).item(), 0, 1e-12, name);
      for (const leaf of leavesOf(grad(loss)(world.params))) {
        assert((await leaf.data()).every((g) => Math.abs(g) < 1e-12), name);
      }
      if (whole[name] !== undefined) return;
      const half = lossOf({ ...parts, batch: silent(parts.batch, GROUP) });
      const alone = lossOf({ ...parts, batch: rowsOf(parts.batch, 0, GROUP) });
      if (ofBoth.includes(name)) return;
      // A constant counts every row.
      const [rows = 0] = world.rollouts.ids.shape;
      const share = constants.includes(name) ? GROUP / rows : 1;
      await assertClose(half(world.params), mul(alone(world.params), share), 1e-9);
    });
  }
});

/** Entries on rollouts that learn from other predictions than rewards. */
const unrewarded = [
  "on-policy-distillation",
  "sdft",
  "opsd",
  "sdpo",
  "minillm",
  "iw-opd",
  "gkd",
];

for (const entry of objectiveRegistry) {
  Deno.test(`${entry.name}: its row says of models and data what its objective says`, () => {
    const { models, data } = describeEntry(entry);
    const reads = (field: DataField) => data.includes(field);
    assertEquals(reads("reference log-probs"), entry.reference === "log-probs");
    assertEquals(models.includes("reference"), entry.reference !== "none");
    assertEquals(models.includes("teacher"), entry.teacher);
    assertEquals(models.includes("value"), entry.values);
    for (const judge of ["reward model", "process reward model"] as const) {
      assertEquals(models.includes(judge), entry.trains === judge);
    }
    assertEquals(reads("chosen and rejected"), entry.data === "pairs");
    assertEquals(reads("gold, chosen and rejected"), entry.data === "triples");
    assertEquals(reads("label"), entry.data === "labels");
    assertEquals(reads("step labels"), entry.data === "steps");
    assertEquals(
      models.includes("reward"),
      entry.data === "rollouts" && !unrewarded.includes(entry.name),
    );
    assertEquals(
      reads("given tokens") || reads("privileged prompt"),
      entry.guidance !== undefined,
    );
    assertEquals(reads("mixture rollouts"), entry.mixture !== undefined);
    assertEquals(entry.mixture?.(), entry.mixture && 0.5);
    assertEquals(entry.keptGroups?.(), entry.name === "replay-grpo" ? 64 : undefined);
    assertEquals(entry.referenceSteps?.(), entry.name === "psft" ? 8 : undefined);
    // Defaults lie in their own ranges.
    optionValues(entry.name, entry.options);
  });
}

Deno.test("defaults that a paper or TRL states are the stated ones", () => {
  const stated: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    // arXiv 2305.18290, and TRL's DPOConfig.
    dpo: { beta: 0.1, labelSmoothing: 0 },
    // arXiv 2405.14734 takes 2 to 10, TRL's CPOConfig 2 for SimPO's paper settings.
    simpo: { beta: 2 },
    // TRL's TPOConfig.
    tpo: { beta: 0.01, goldWeight: 1, targetMargin: 0.5 },
    // arXiv 2402.01306, and TRL's KTOConfig.
    kto: { beta: 0.1 },
    // arXiv 2403.07691, and TRL's ORPOConfig.
    orpo: { beta: 0.1 },
    // arXiv 2402.00856, TRL's label_smoothing for EXO.
    exo: { labelSmoothing: 0.001 },
    // arXiv 2405.11870, and the settings of its code.
    ift: { lambda: 0.2, gamma: 0.95 },
    // DeepSeekMath, arXiv 2402.03300, section 4.2.
    "grpo-kl": { klWeight: 0.04, clipRange: 0.2 },
    // arXiv 2507.18071, section 5.1.
    gspo: { clipRange: 3e-4 },
    // TRL's PPOConfig.
    ppo: { clipRange: 0.2, klWeight: 0.05, valueWeight: 0.1, gaeLambda: 0.95 },
    // The README of arXiv 2509.23753's code.
    asft: { anchor: 0.05 },
    // arXiv 2508.11408, CHORD-phi; arXiv 2505.16984; arXiv 2504.14945; all as their code has them.
    chord: { mixture: 0.1 },
    "chord-mu": { mixturePeak: 0.9, mixtureValley: 0.05, mixtureWarmup: 0, mixtureDecay: 200 },
    // arXiv 2508.17784, and TRL's NashMDConfig.
    psft: { clipRange: 0.28, referenceSteps: 8 },
    "nash-md": { beta: 0.1, referenceShare: 0.5 },
    uft: { hintWeight: 0.001, klWeight: 0.001, hintSteps: 300 },
    luffy: { entropyWeight: 0.001, groupSize: 8 },
    // arXiv 2509.04419, and its code.
    hpt: { gate: 0, demonstrationWeight: 1, entropyWeight: 0.001 },
  };
  for (const [name, values] of Object.entries(stated)) {
    const { options } = entryNamed(objectiveRegistry, name) ?? {};
    const own = Object.keys(values).map((option) => {
      const row = options?.[option];
      return [option, row && defaultOf(row)];
    });
    assertEquals(Object.fromEntries(own), values, name);
  }
});

Deno.test("a row's defaults are those of its function", () => {
  // Where a row's objective is another one, it says why.
  const functions: Readonly<Record<string, Pick<Objective<never>, "description">>> = {
    ...{ sft: sft(), dft: dft(), "iw-sft": iwSft(), psft: psft(), ift: ift() },
    ...{ "scheduled-sampling": scheduledSampling(), distillation: distillation(nobody) },
    ...{ asft: asft(nobody), "power-sft": powerSft() },
    ...{ dpo: dpo(), ipo: ipo(), hinge: hinge(), exponential: exponential(), robust: robust() },
    ...{ exo: exo(), nca: nca(), bco: bco(), sppo: sppo(), aot: aot() },
    ...{ "aot-unpaired": aotUnpaired(), "apo-zero": apoZero(), "apo-down": apoDown() },
    ...{ discopop: discopop(), "dpo-norm": dpoNorm(), "ld-dpo": ldDpo(), wpo: wpo() },
    ...{ rpo: rpo(), mpo: mpo(), "intuitive-dpo": intuitiveDpo(nobody), orpo: orpo() },
    ...{ simpo: simpo(), "alpha-po": alphaPreference(), cpo: cpo() },
    ...{
      "reward-model": rewardModel(),
      tpo: tpo(),
      kto: kto(),
      "apo-zero-unpaired": apoZeroUnpaired(),
    },
    ...{ "bco-unpaired": bcoUnpaired(), "process-reward-model": processRewardModel() },
    ...{ reinforce: reinforce(), "reinforce-plus-plus": reinforcePlusPlus(), rloo: rloo() },
    ...{
      grpo: grpo(),
      "replay-grpo": replayGrpo(),
      "grpo-kl": grpoKl(),
      dapo: dapo(),
      "dr-grpo": drGrpo(),
      gspo: gspo(),
    },
    ...{ cispo: cispo(), "max-rl": maxRlGradient(), "intuitive-grpo": intuitiveGrpo() },
    ...{ "online-dpo": onlineDpo(), "best-of-n": bestOfN() },
    ...{ "rejection-sampling": rejectionSampling(), ppo: ppo({ values: "precomputed" }) },
    ...{ nft: nft(), "weighted-reinforce": weightedReinforce(), dppo: dppo() },
    ...{ "on-policy-distillation": onPolicyDistillation(nobody), luffy: luffy() },
    ...{ "rl-plus": rlPlus(), hpt: hpt(), srft: srft(), chord: chord() },
    ...{ "chord-mu": chordMu(), relift: relift(), interleaved: interleaved(), uft: uft() },
    ...{ "prefix-rft": prefixRft(), sdft: sdft(nobody), opsd: opsd(nobody), sdpo: sdpo(nobody) },
    ...{ luspo: luspo(), "gspo-token": gspoToken(), sapo: sapo(), vespo: vespo(), gmpo: gmpo() },
    ...{ gdpo: gdpo(), "high-entropy-dapo": highEntropyDapo() },
    ...{ "adaptive-entropy-grpo": adaptiveEntropyGrpo(), "masked-grpo": maskedGrpo() },
    ...{
      "a-star-po": aStarPo(),
      xpo: xpo(),
      "nash-md": nashMd(),
      minillm: minillm(nobody),
      "iw-opd": iwOpd(nobody),
      gkd: gkd(nobody),
    },
  };
  assertEquals(Object.keys(functions), objectiveRegistry.map(({ name }) => name));
  for (const entry of objectiveRegistry) {
    assertEquals(describeEntry(entry), functions[entry.name]?.description, entry.name);
  }
});

Deno.test("no two names of the registry differ in spelling only, and every spelling is found", () => {
  const names = objectiveRegistry.flatMap(({ name, aliases }) => [name, ...aliases]);
  assertEquals(new Set(names.map(squeezed)).size, names.length);
  for (const { name, aliases } of objectiveRegistry) {
    for (const word of [name, ...aliases, name.toUpperCase(), name.replaceAll("-", "")]) {
      assertEquals(entryNamed(objectiveRegistry, word)?.name, name, word);
    }
  }
});

Deno.test("an objective that asks a model is not made without it", () => {
  const missing = (name: string) => () => entryNamed(objectiveRegistry, name)?.make();
  assertThrows(
    missing("distillation"),
    RangeError,
    "distillation: expected the models that it asks: a teacher",
  );
  assertThrows(missing("intuitive-dpo"), RangeError, "asks: a reference");
});

Deno.test("gae: precomputed values are those of the batch, and have to be there", () => {
  const { rollouts: { oldValues: _unvalued, ...rollouts }, params } = moved;
  const model = modelOf(policy, params);
  assertThrows(
    () => ppo({ values: "precomputed" }).collect(model, rollouts, context),
    TypeError,
    "gae: got rollouts without oldValues",
  );
});
