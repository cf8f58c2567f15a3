/** Losses and gradients of objectives as TRL 1.13 computes them: scripts/trl/objectives.py. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { gather, type Tensor, tensor } from "@unitune/core";
import {
  adaptiveEntropyGrpo,
  advantage,
  againstReference,
  alphaPreference,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  apoZeroUnpaired,
  aStarPo,
  bco,
  bcoUnpaired,
  cispo,
  clipped,
  clippedDefaults,
  cpo,
  dapo,
  type Demonstrations,
  discopop,
  distilled,
  dpo,
  dpoNorm,
  estimate,
  estimator,
  evaluationLoss,
  exo,
  gdpo,
  gkd,
  gmpo,
  gold,
  grpo,
  grpoKl,
  gspo,
  gspoToken,
  highEntropyDapo,
  hinge,
  ipo,
  iwOpd,
  kto,
  ldDpo,
  luspo,
  maskedGrpo,
  minillm,
  modelOf,
  nashMd,
  nca,
  type Objective,
  objective,
  onPolicy,
  onPolicyWeighed,
  orpo,
  paired,
  pairwise,
  policyOfLogits,
  type Remembered,
  rloo,
  robust,
  sampled,
  sapo,
  scoreTokens,
  simpo,
  sppo,
  teacher,
  tpo,
  vespo,
  weighed,
  wpo,
  xpo,
} from "@unitune/objectives";

/** Rows of tokens, and a mask of their answers. */
interface Rows {
  readonly ids: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
}

/** A loss of the policy's table, its gradient, and what the trainer remembers after it. */
interface Computed {
  readonly loss: number;
  readonly gradient: readonly number[];
  readonly next?: number;
}

const golden: {
  readonly version: string;
  readonly tables: Readonly<
    Record<
      "policy" | "reference" | "old" | "teacher" | "rewards",
      readonly (readonly number[])[]
    >
  >;
  readonly rows: Readonly<
    Record<"chosen" | "rejected" | "gold" | "rollouts" | "mismatched", Rows>
  >;
  readonly labels: readonly number[];
  readonly cases: Readonly<Record<string, Computed>>;
} = JSON.parse(await Deno.readTextFile(new URL("trl_objectives.json", import.meta.url)));

const double = (values: readonly number[] | readonly (readonly number[])[]) =>
  tensor(values, { dtype: "f64" });

/** The logits of the next token are the last token's row of a table. */
const bigrams = policyOfLogits<Tensor>({
  embed: (table, ids) => gather(table, ids),
  logits: (_, embeddings) => embeddings,
});

const models = {
  policy: double(golden.tables.policy),
  reference: double(golden.tables.reference),
  old: double(golden.tables.old),
  teacher: double(golden.tables.teacher),
};

/** Rows that the reference has scored. */
function scored({ ids, mask }: Rows) {
  const batch: Demonstrations = {
    ids: tensor(ids, { dtype: "i32" }),
    mask: double(mask),
  };
  return { ...batch, referenceLogProbs: scoreTokens(modelOf(bigrams, models.reference), batch) };
}

const { chosen, rejected, rollouts, mismatched } = golden.rows;
const pairs = { chosen: scored(chosen), rejected: scored(rejected) };
const triples = { ...pairs, gold: scored(golden.rows.gold) };
const labels = {
  ...pairs.chosen,
  labels: double(golden.labels),
  mismatched: scored(mismatched),
};
const weights = [1, 0.5];
const answers = {
  ...scored(rollouts),
  temperature: 1,
  oldLogProbs: scoreTokens(
    modelOf(bigrams, models.old),
    { ids: tensor(rollouts.ids, { dtype: "i32" }) },
  ),
  rewards: double(
    golden.tables.rewards.map((row) => row.reduce((sum, r, k) => sum + r * (weights[k] ?? NaN), 0)),
  ),
  rewardParts: double(golden.tables.rewards),
  rewardWeights: double(golden.tables.rewards.map(() => weights)),
};
/** An objective on its batch, and what it remembers before. */
interface Case {
  readonly lossOf: (table: Tensor) => Tensor;
}

const none = { step: tensor(0, { dtype: "i32" }) };

function on<B>(objective: Objective<B>, batch: B, memory?: Remembered): Case {
  const context = memory === undefined ? none : { ...none, memory };
  return {
    lossOf: (table) => {
      const model = modelOf(bigrams, table);
      return evaluationLoss(
        objective.evaluate(model, objective.collect(model, batch, context), context),
      );
    },
  };
}

/** The memory of BCO after the batch of rejected answers. */
function afterStep(): Remembered {
  const objective = bcoUnpaired();
  const batch = { ...pairs.rejected, labels: labels.labels, mismatched: labels.mismatched };
  const model = modelOf(bigrams, models.policy);
  const evaluation = objective.evaluate(model, objective.collect(model, batch, none), none);
  const start = { reward_shift: double([0]), reward_count: double([0]) };
  const scalars = Object.fromEntries(
    Object.entries(start).map(([name, x]) => [name, gather(x, tensor(0, { dtype: "i32" }))]),
  );
  return objective.memory?.next(scalars, evaluation) ?? {};
}

const groupSize = 2;
const longest = 5;
const scalar = (value: number) => gather(double([value]), tensor(0, { dtype: "i32" }));
const entropy = (target: number) => ({ target, start: 0.01 });

const asked = modelOf(bigrams, models.teacher);

/** The cases whose objectives are there. */
const cases: Readonly<Record<string, () => Case>> = {
  dpo: () => on(dpo(), pairs),
  "dpo-norm": () => on(dpoNorm(), pairs),
  "ld-dpo": () => on(ldDpo(), pairs),
  "ld-dpo of ipo": () => on(ipo({ tailWeight: 0.2 }), pairs),
  wpo: () => on(wpo(), pairs),
  "wpo of ipo": () =>
    on(
      objective(
        paired(estimate(gold, againstReference("precomputed"))),
        onPolicyWeighed(pairwise({ form: "ipo" })),
      ),
      pairs,
    ),
  hinge: () => on(hinge(), pairs),
  ipo: () => on(ipo(), pairs),
  exo: () => on(exo(), pairs),
  nca: () => on(nca(), pairs),
  robust: () => on(robust(), pairs),
  bco: () => on(bco(), pairs),
  sppo: () => on(sppo(), pairs),
  aot: () => on(aot(), pairs),
  "aot-unpaired": () => on(aotUnpaired(), pairs),
  "apo-zero": () => on(apoZero(), pairs),
  "apo-down": () => on(apoDown(), pairs),
  discopop: () => on(discopop(), pairs),
  kto: () => on(kto(), labels),
  "apo-zero-unpaired": () => on(apoZeroUnpaired(), labels),
  "bco-unpaired": () => on(bcoUnpaired(), labels),
  "bco-unpaired after a step": () => on(bcoUnpaired(), labels, afterStep()),
  cpo: () => on(cpo(), pairs),
  simpo: () => on(simpo(), pairs),
  "alpha-po": () => on(alphaPreference(), pairs),
  orpo: () => on(orpo(), pairs),
  tpo: () => on(tpo(), triples),
  "tpo of hinge": () => on(tpo({ form: "hinge" }), triples),
  "tpo of ipo": () => on(tpo({ form: "ipo" }), triples),
  "tpo of tpo-l": () => on(tpo({ form: "length-mean" }), triples),
  gold: () =>
    on(
      objective(
        estimate(sampled, teacher(asked)),
        distilled({ temperature: 0.9 }),
      ),
      answers,
    ),
  gkd: () => on(gkd(asked), { ...answers, temperature: 0.9 }),
  minillm: () => on(minillm(asked), answers),
  "minillm, discounted": () => on(minillm(asked, { discount: 0.9 }), answers),
  "iw-opd": () => on(iwOpd(asked), answers),
  grpo: () => on(grpo({ groupSize }), answers),
  "grpo-kl": () => on(grpoKl({ groupSize }), answers),
  "grpo-kl, bias corrected": () =>
    on(maskedGrpo({ groupSize, scaleRewards: "group", threshold: 1e9 }), answers),
  dapo: () => on(dapo({ groupSize }), answers),
  "dr-grpo": () =>
    on(
      objective(
        estimate(sampled, advantage(estimator("group-z-score", groupSize))),
        clipped({ ...clippedDefaults.drGrpo, normalizer: longest }),
      ),
      answers,
    ),
  gspo: () => on(gspo({ groupSize }), answers),
  "gspo-token": () => on(gspoToken({ groupSize }), answers),
  luspo: () => on(luspo({ groupSize }), answers),
  cispo: () => on(cispo({ groupSize }), answers),
  sapo: () => on(sapo({ groupSize }), answers),
  vespo: () => on(vespo({ groupSize }), answers),
  gmpo: () => on(gmpo({ groupSize }), answers),
  gdpo: () => on(gdpo({ groupSize }), answers),
  "entropy quantile": () => on(highEntropyDapo({ groupSize }), answers),
  "off-policy mask": () =>
    on(
      objective(
        estimate(sampled, advantage(estimator("group-z-score", groupSize))),
        weighed(onPolicy({ threshold: 0.05 }), clipped(clippedDefaults.grpo)),
      ),
      answers,
    ),
  "adaptive entropy, closed": () =>
    on(
      adaptiveEntropyGrpo({ groupSize, normalizer: "sequence", entropy: entropy(0.2) }),
      answers,
      { entropy_weight: scalar(0.01), entropy_is_low: scalar(0) },
    ),
  "adaptive entropy, open": () =>
    on(
      adaptiveEntropyGrpo({ groupSize, normalizer: "sequence", entropy: entropy(2) }),
      answers,
      { entropy_weight: scalar(0.01), entropy_is_low: scalar(1) },
    ),
  rloo: () => on(rloo({ groupSize }), answers),
  xpo: () => on(xpo({ alpha: 0.01 }), answers),
  "a-star-po": () => on(aStarPo({ groupSize, beta: 0.1 }), answers),
  "nash-md": () => on(nashMd(), answers),
};

// One test, since each table of 25 numbers takes little, and starting a test as much.
Deno.test("losses and gradients are TRL's, on random tables", async () => {
  assertEquals(golden.version, "1.13.0");
  for (const [name, { loss, gradient }] of Object.entries(golden.cases)) {
    const make = cases[name];
    assert(make !== undefined, `${name} has no objective`);
    const { lossOf } = make();
    assertAlmostEquals(await lossOf(models.policy).item(), loss, 1e-9 * (1 + Math.abs(loss)), name);
    const own = await grad(lossOf)(models.policy).data();
    assertEquals(own.length, gradient.length);
    // Twelve digits are kept of each number; Dr. GRPO's and others' are of order 1.
    gradient.forEach((value, i) => assertAlmostEquals(own[i] ?? NaN, value, 1e-9, `${name} ${i}`));
  }
});
