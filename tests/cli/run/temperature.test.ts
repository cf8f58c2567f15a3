/** Rollouts at a temperature: what is sampled, scored and trained is one policy, that of logits / T. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { openDevice, prepare, type Prepared } from "@unitune/cli";
import {
  copyTree,
  createLearner,
  dataOf,
  exactMatch,
  initialModels,
  type Models,
  rolloutFeed,
  type RolloutPlan,
  scoredByReference,
  type TrainSettings,
  trainSettings,
  unscored,
  UserError,
} from "@unitune/training";
import { mapTree, mul, slice, tensor } from "@unitune/core";
import { actorCritic, createGenerator, withScore } from "@unitune/models";
import { modelOf, scoreTokens } from "@unitune/objectives";
import fc from "fast-check";
import { assertRefused, inFolder, readRows, tiny, train, trained } from "../command.ts";

const sizes = { layers: 1, heads: 1, width: 16, context: 24, examples: 50 } as const;

/** A model whose predictions are far from even, so that temperatures differ. */
async function peaked(settings: TrainSettings, prepared: Prepared): Promise<Models> {
  const { policy } = initialModels(settings, prepared);
  return { policy: await copyTree(mapTree(policy, (leaf) => mul(leaf, 4))) };
}

/** `log softmax(logits / T)[id]` in f64. */
function logProb(logits: readonly number[], temperature: number, id: number): number {
  const scaled = logits.map((logit) => logit / temperature);
  const most = scaled.reduce((a, b) => Math.max(a, b));
  const total = scaled.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return (scaled[id] ?? NaN) - most - Math.log(total);
}

function promptsOf({ stages: [stage] }: Prepared) {
  return stage === undefined ? [] : dataOf(stage.data, "rollouts").train;
}

const plan = (temperature: number, prepared: Prepared): RolloutPlan => ({
  prompts: promptsOf(prepared),
  rewards: [{ reward: exactMatch, weight: 1 }],
  ...{ groupSize: 2, batchSize: 8, microBatches: 1, epochs: 1, maxNewTokens: 6, temperature },
  ...{ seed: 1, forwardPasses: 1, learnedShare: 1 },
});

Deno.test("old and reference log-probabilities are those of logits / T", async () => {
  const settings = trainSettings({ objective: "ppo", ...sizes });
  const prepared = await prepare(settings);
  const { tokenizer } = prepared;
  const { vocabulary } = prepared.model.config;
  const model = actorCritic(prepared.model);
  const start = await peaked(settings, prepared);
  const params = withScore(prepared.model, start.policy);
  using device = await openDevice("wasm");
  for (const temperature of [0.1, 0.7, 1, 3, 50]) {
    const before = { model: prepared.model, start, device };
    using feed = rolloutFeed(
      plan(temperature, prepared),
      model,
      tokenizer,
      before,
      scoredByReference(before),
    );
    const { batches: [batch] } = await feed.next(params, feed.empty, 0);
    assert(batch !== undefined);
    const { ids, mask, oldLogProbs, referenceLogProbs } = batch;
    const { embed, predict } = modelOf(model, params);
    const logits = predict(embed(slice(ids, 1, 0, -1))).logits();
    const [rows = 0, length = 0] = ids.shape;
    const [flat, said, counted, old, reference] = await Promise.all(
      [logits, ids, mask, oldLogProbs, referenceLogProbs].map((x) => x.data()),
    );
    assert(flat && said && counted && old && reference);
    let tokens = 0;
    for (let b = 0; b < rows; b++) {
      for (let t = 1; t < length; t++) {
        const at = b * length + t;
        if (counted[at] === 0) continue;
        tokens++;
        const first = (b * (length - 1) + t - 1) * vocabulary;
        const own = Array.from(flat.slice(first, first + vocabulary));
        const expected = logProb(own, temperature, said[at] ?? -1);
        // f32 logits of some tens, rounded by 2^-24 some dozen times, and divided by T.
        const tolerance = 1e-4 * Math.max(1, 1 / temperature);
        assertAlmostEquals(old[at] ?? NaN, expected, tolerance);
        assertAlmostEquals(reference[at] ?? NaN, expected, tolerance);
      }
    }
    assert(tokens > 20);
  }
});

Deno.test("what is sampled at a temperature is as likely as the tempered policy says", async () => {
  const settings = trainSettings({ objective: "grpo", ...sizes });
  const prepared = await prepare(settings);
  const { model, tokenizer } = prepared;
  const { policy } = await peaked(settings, prepared);
  const [{ ids: prompt } = { ids: [] }] = plan(1, prepared).prompts;
  using device = await openDevice("wasm");
  using generator = createGenerator(model, { device });
  for (const temperature of [0.5, 1, 3]) {
    const count = 4096;
    const drawn = await generator.generate(policy, Array(count).fill(prompt), {
      ...{ maxNewTokens: 1, temperature, seed: 7 },
    });
    const frequency = new Map<number, number>();
    for (const { ids: [id = -1] } of drawn) frequency.set(id, (frequency.get(id) ?? 0) + 1);
    const all = Array.from({ length: model.config.vocabulary }, (_, id) => [...prompt, id]);
    const scores = await scoreTokens(modelOf(model, policy), {
      ids: tensor(all, { dtype: "i32" }),
      temperature,
    }).data();
    for (let id = 0; id < tokenizer.size; id++) {
      const p = Math.exp(scores[(id + 1) * (prompt.length + 1) - 1] ?? NaN);
      const deviation = Math.sqrt(count * p * (1 - p));
      // Five deviations, and one draw of a token that is hardly ever drawn.
      assert(Math.abs((frequency.get(id) ?? 0) - count * p) <= 5 * deviation + 1, `${id} at ${p}`);
    }
  }
});

Deno.test("objectives on rollouts start at a ratio of 1 at any temperature", async () => {
  const objectives = ["reinforce", "grpo-kl", "gspo", "cispo", "online-dpo", "ppo"] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...objectives),
      fc.double({ min: 0.05, max: 20, noNaN: true }),
      async (objective, temperature) => {
        const groupSize = objective === "reinforce" || objective === "ppo" ? {} : { groupSize: 2 };
        const settings = trainSettings({
          ...sizes,
          ...{ objective, temperature, batchSize: 4, steps: 2, warmupSteps: 0, ...groupSize },
        });
        const prepared = await prepare(settings);
        using device = await openDevice("wasm");
        const start = await peaked(settings, prepared);
        using learner = await createLearner({ settings, stage: 0, prepared, start, device });
        // Throws where what has to hold does not.
        const { metrics } = await learner.step(learner.init(), 0);
        // The reference is the policy: no KL, whatever divides the logits.
        const kl = await metrics.kl?.item() ?? 0;
        assertAlmostEquals(kl, 0, 1e-6);
      },
    ),
    { numRuns: 12, seed: 3 },
  );
});

Deno.test("the policy at another temperature than its answers' is far from them", async () => {
  const settingsAt = (temperature: number) =>
    trainSettings({
      ...sizes,
      ...{ objective: "reinforce", temperature, batchSize: 4, steps: 2, rolloutEpochs: 2 },
    });
  const prepared = await prepare(settingsAt(3));
  const { model: policy, tokenizer } = prepared;
  const start = await peaked(settingsAt(3), prepared);
  using device = await openDevice("wasm");
  using feed = rolloutFeed(
    plan(3, prepared),
    policy,
    tokenizer,
    { model: policy, start, device },
    unscored,
  );
  const { batches: [batch] } = await feed.next(start.policy, feed.empty, 0);
  assert(batch !== undefined);
  const model = modelOf(policy, start.policy);
  const distance = async (temperature: number) => {
    const [scores, old, mask] = await Promise.all(
      [scoreTokens(model, { ...batch, temperature }), batch.oldLogProbs, batch.mask]
        .map((x) => x.data()),
    );
    assert(scores && old && mask);
    return Array.from(scores).reduce(
      (most, score, i) => mask[i] === 0 ? most : Math.max(most, Math.abs(score - (old[i] ?? NaN))),
      0,
    );
  };
  assert(await distance(batch.temperature) < 1e-4);
  assert(await distance(1) > 0.5);
});

inFolder("a temperature of the command line is that of the whole objective", async (folder) => {
  const run = ["--objective", "grpo-kl", "--group-size", "2", ...tiny];
  await trained(...run, "--temperature", "3", "--out", `${folder}/hot`);
  const [first] = (await readRows(`${folder}/hot/metrics.jsonl`))
    .filter((row) => "clip_ratio/low" in row);
  assertEquals([first?.["clip_ratio/low"], first?.["clip_ratio/high"]], [0, 0]);
  const greedy = await train(...run, "--temperature", "0", "--out", `${folder}/greedy`);
  assertRefused(greedy, 2, "--temperature 0 is below 0.01, where all answers to a prompt are the");
  assertThrows(
    () => trainSettings({ objective: "distillation", teacher: "runs/x", temperature: 0 }),
    UserError,
    "temperature of distillation must be a number, above 0, not 0",
  );
});
