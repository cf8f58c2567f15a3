/** An architecture from outside does all that ours does, without a change to any file of ours. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { checkGradients, sgd } from "@unitune/autodiff";
import {
  compile,
  decodeSafetensors,
  evaluate,
  headLogits,
  key,
  leafPaths,
  normal,
  sub,
  type Tensor,
  tensor,
  zeros,
  zipTrees,
} from "@unitune/core";
import {
  actorCritic,
  adapt,
  type Architecture,
  architectureOf,
  architectures,
  CheckpointError,
  countParameters,
  createGenerator,
  decodeCheckpoint,
  encodeAdapter,
  encodeCheckpoint,
  filesSource,
  type LanguageModel,
  languageModel,
  mergeAdapter,
  presetConfig,
  presetNames,
  readAdapter,
  rewardModelOn,
  withScore,
} from "@unitune/models";
import {
  evaluationLoss,
  evaluationStep,
  initTrainingState,
  modelOf,
  sft,
  trainingStep,
} from "@unitune/objectives";
import { largestDifference, tokenIds } from "./tiny.ts";
import { toy } from "./toy_rotary.ts";

const rows: readonly Architecture[] = [...architectures, toy];
const config = presetConfig("toy-tiny", { vocabulary: 7 }, rows);

/** The model as those see it who know nothing of the architecture. */
const model: LanguageModel = languageModel(config, rows);
const params = evaluate(model.init(key(1)));

const forward = compile((ids: Tensor) =>
  headLogits(model.head(params), model.hidden(params, model.embed(params, ids)))
);

/** Logits of the token after a sequence, without a cache. */
async function lastLogits(ids: readonly number[]): Promise<Float32Array> {
  return Float32Array.from((await forward(tokenIds([ids])).data()).slice(-config.vocabulary));
}

Deno.test("a row from outside is found in a list that has it, and in no other", () => {
  assertEquals(architectureOf("toy_rotary", rows), toy);
  assertThrows(() => architectureOf("toy_rotary"), RangeError, `expected "gpt2"`);
  assertThrows(() => languageModel(config), RangeError, `"toy_rotary" is unknown`);
  assertEquals(presetNames(rows).filter((name) => !presetNames().includes(name)), ["toy-tiny"]);
  assertEquals(Object.entries(config).toSorted(), [
    ...Object.entries({ context: 10, heads: 2, layers: 2, modelType: "toy_rotary" }),
    ...Object.entries({ theta: 100, vocabulary: 7, width: 8 }),
  ]);
  assertThrows(
    () => presetConfig("toy-tiny", { vocabulary: 7, dropout: 0.1 }, rows),
    RangeError,
    "Toy: there is no dropout",
  );
  assertThrows(
    () => presetConfig("toy-tiny", { vocabulary: 7, width: 6 }, rows),
    RangeError,
    "toy: a width of 6",
  );
  // Embedding and head, and in each layer the norm and 4 + 2 * 2 matrices; the last norm.
  assertEquals(countParameters(model), 2 * 7 * 8 + 2 * (8 + 8 * 64) + 8);
});

Deno.test("logits depend on the order of the tokens, and on none behind their own", async () => {
  const [one, other] = [await forward(tokenIds([[1, 2, 3, 4]])).data(), [1, 2, 3, 5]];
  assertEquals(one.length, 4 * 7);
  const changed = await forward(tokenIds([other])).data();
  assertEquals(changed.subarray(0, 21), one.subarray(0, 21));
  assertNotEquals(changed.subarray(21), one.subarray(21));
  assertNotEquals(await lastLogits([1, 2, 3]), await lastLogits([2, 1, 3]));
});

Deno.test("logits with a cache are those without, each row at its own place", async () => {
  const sequence = [3, 1, 4, 1, 5, 2];
  const lengths = [3, 1];
  const i32 = (numbers: readonly number[]) => tensor(numbers, { dtype: "i32" });
  const prompts = tokenIds([[3, 1, 4, 6], [3, 6, 6, 6]]);
  let state = model.decode(params, prompts, model.emptyCache(2, 12), {
    start: i32([0, 0]),
    count: i32(lengths),
  });
  for (;;) {
    const logits = await state.logits.data();
    for (const [row, length] of lengths.entries()) {
      const naive = await lastLogits(sequence.slice(0, length));
      // Logits of size 1, f32: the same sums, at most in another order.
      assertLess(largestDifference(logits.subarray(7 * row, 7 * row + 7), naive), 1e-4);
    }
    if (lengths[0] === sequence.length) break;
    const next = tokenIds(lengths.map((length) => [sequence[length] ?? NaN]));
    state = model.decode(params, next, state.cache, { start: i32(lengths) });
    lengths.forEach((length, row) => lengths[row] = length + 1);
  }
});

Deno.test("generation is that of recomputing everything, and ends at any of the stop tokens", async () => {
  using generator = createGenerator(model);
  const prompts = [[1, 2, 3], [4], [5, 6]];
  const naive = await Promise.all(prompts.map(async (prompt) => {
    const ids = [...prompt];
    while (ids.length < prompt.length + 5) {
      const logits = await lastLogits(ids);
      ids.push(logits.indexOf(logits.reduce((a, b) => Math.max(a, b))));
    }
    return ids.slice(prompt.length);
  }));
  assertEquals(
    await generator.generate(params, prompts, { maxNewTokens: 5 }),
    naive.map((ids) => ({ ids })),
  );
  const stop = [naive[0]?.[2] ?? NaN, naive[1]?.[1] ?? NaN];
  assertEquals(
    await generator.generate(params, prompts, { maxNewTokens: 5, stop }),
    naive.map((ids) => {
      const end = ids.findIndex((id) => stop.includes(id));
      const ended = ids[end];
      return ended === undefined ? { ids } : { ids: ids.slice(0, end), stop: ended };
    }),
  );
});

Deno.test("a checkpoint has the row's names, and comes back to the bit", async () => {
  const files = await encodeCheckpoint({ model, params }, { eos: 2 }, rows);
  const settings = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  assertEquals(settings.architectures, ["ToyForCausalLM"]);
  assertEquals([settings.model_type, settings.rope_theta], ["toy_rotary", 100]);
  const { tensors } = decodeSafetensors(files.get("model.safetensors") ?? new Uint8Array());
  assert(tensors.has("lm_head.weight") && tensors.has("model.layers.1.q.weight"));

  const restored = await decodeCheckpoint(files, rows);
  assertEquals(restored.model.config, config);
  assertEquals(restored.tokens, { eos: 2 });
  const before = leafPaths(params);
  for (const [path, leaf] of leafPaths(restored.params)) {
    assertEquals(await leaf.data(), await before.get(path)?.data(), path);
  }
  assertEquals(await encodeCheckpoint(restored, restored.tokens, rows), files);

  await assertRejects(() => decodeCheckpoint(files), CheckpointError, `model_type is "toy_rotary"`);
  const scaled = { ...settings, rope_scaling: { type: "yarn" } };
  await assertRejects(
    () =>
      decodeCheckpoint(
        new Map([...files, ["config.json", new TextEncoder().encode(JSON.stringify(scaled))]]),
        rows,
      ),
    CheckpointError,
    "rope_scaling is",
  );
});

Deno.test("value and reward heads stand on it, and a reward model comes back with its head", async () => {
  const critic = actorCritic(model);
  const scored = withScore(model, params);
  const ids = tokenIds([[1, 2, 3]]);
  const { embed, predict } = modelOf(critic, scored);
  const prediction = predict(embed(ids));
  assertEquals(await prediction.logits().data(), await forward(ids).data());
  assertEquals(await prediction.values().data(), new Float32Array(3));

  const score = { weight: normal(key(2), [1, config.width]) };
  const files = await encodeCheckpoint({ model, params, score }, {}, rows);
  const settings = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  assertEquals(settings.architectures, ["ToyForSequenceClassification"]);
  const restored = await decodeCheckpoint(files, rows);
  assert(restored.score !== undefined);
  const rewards = [{ model: params, score }, { model: restored.params, score: restored.score }]
    .map(async (tree) => {
      const judge = modelOf(rewardModelOn(model), tree);
      return await judge.predict(judge.embed(ids)).scores().data();
    });
  assertEquals(await rewards[0], await rewards[1]);
});

Deno.test("an adapter of it trains, is merged, and comes back in the files of PEFT", async () => {
  const adapter = {
    ...{ rank: 2, alpha: 4, dropout: 0, targets: ["q", "layers.1.up"], saved: ["norm"] },
    ...{ isRankStabilized: false, hasMagnitudes: true },
  };
  assertThrows(
    () => adapt({ model, params }, adapter, rows.map(({ projections: _, ...row }) => row)),
    RangeError,
    "adapter: Toy does not say which projections it has",
  );
  const adapted = adapt({ model, params }, adapter, rows);
  const optimizer = sgd(0.1);
  using step = compile(trainingStep({ policy: adapted, objective: sft(), optimizer }));
  let state = initTrainingState(adapted.init(key(1)), optimizer, key(3));
  for (let i = 0; i < 3; i++) state = step(state, batch).state;
  const files = await encodeAdapter({ model: adapted, params: state.params }, {
    baseName: "toy",
  }, rows);
  const { tensors } = decodeSafetensors(files.get("adapter_model.safetensors") ?? new Uint8Array());
  assertEquals([...tensors.keys()].filter((name) => name.includes("layers.1.up")).sort(), [
    "base_model.model.model.layers.1.up.lora_A.weight",
    "base_model.model.model.layers.1.up.lora_B.weight",
    "base_model.model.model.layers.1.up.lora_magnitude_vector",
  ]);
  const read = await readAdapter(filesSource(files), { model, params }, { architectures: rows });
  const ids = tokenIds([[1, 2, 3, 4]]);
  const logits = async (model: LanguageModel, params: unknown) =>
    await headLogits(model.head(params), model.hidden(params, model.embed(params, ids))).data();
  const own = await logits(adapted, state.params);
  assertEquals(await logits(read.model, read.params), own);
  const merged = mergeAdapter(adapted, state.params, rows);
  // Logits of size 1, f32: products in another order.
  assertLess(largestDifference(await logits(model, merged), own), 1e-5);
  assert(largestDifference(await logits(model, params), own) > 1e-3);
});

const batch = {
  ids: tokenIds([[1, 2, 3, 4], [5, 6, 0, 1]]),
  mask: tensor([[0, 1, 1, 1], [0, 0, 1, 1]]),
};

Deno.test("supervised fine-tuning differentiates it: gradients are central differences'", async () => {
  const small = languageModel(
    presetConfig("toy-tiny", { vocabulary: 3, layers: 1, heads: 1, width: 2 }, rows),
    rows,
  );
  const evaluated = evaluationStep({ policy: small, objective: sft() });
  const step = zeros([], "i32");
  const rows3 = { ids: tokenIds([[0, 2, 1]]), mask: tensor([[0, 1, 1]]) };
  await checkGradients(
    (params: unknown) => evaluationLoss(evaluated({ params, step }, rows3)),
    small.init(key(4)),
  );
});

Deno.test("a step of supervised fine-tuning is plain descent, and more of them memorise", async () => {
  const rate = 0.1;
  const optimizer = sgd(rate);
  using step = compile(trainingStep({ policy: model, objective: sft(), optimizer }));
  let state = initTrainingState(params, optimizer, key(3));
  const losses: number[] = [];
  for (let i = 0; i < 60; i++) {
    const { state: next, metrics } = step(state, batch);
    losses.push(await metrics.loss?.item() ?? NaN);
    if (i === 0) {
      // Descent moves the parameters by the rate times the gradient.
      const norm = await metrics.grad_norm?.item() ?? NaN;
      const moved = zipTrees(next.params, params, sub);
      let total = 0;
      for (const [, leaf] of leafPaths(moved)) {
        total += Array.from(await leaf.data()).reduce((sum, x) => sum + x * x, 0);
      }
      assertAlmostEquals(Math.sqrt(total) / (rate * norm), 1, 1e-3);
    }
    state = next;
  }
  const [first = NaN] = losses;
  assertLess(losses.at(-1) ?? NaN, 0.1 * first);
});
