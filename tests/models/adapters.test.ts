/** Adapters: low-rank changes of a model that stays as it is. */
import { assert, assertEquals, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import { checkGradients, grad } from "@unitune/autodiff";
import {
  broadcastTo,
  compile,
  headLogits,
  key,
  leafPaths,
  leavesOf,
  mapTree,
  mean,
  normal,
  slice,
  square,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  actorCritic,
  adapt,
  type AdaptedModel,
  type AdapterConfig,
  type AdapterParameters,
  createGenerator,
  isAdapted,
  type LanguageModel,
  languageModel,
  linear,
  type LowRank,
  mergeAdapter,
  presetConfig,
  rewardModelOn,
  withScore,
} from "@unitune/models";

const plain: AdapterConfig = {
  rank: 3,
  alpha: 6,
  dropout: 0,
  targets: "all-linear",
  isRankStabilized: false,
  hasMagnitudes: false,
  saved: [],
};

const kinds: Readonly<Record<string, AdapterConfig>> = {
  "lora": plain,
  "lora of some": { ...plain, targets: ["c_attn", "mlp.c_proj", "q_proj", "mlp.down_proj"] },
  "rank-stabilized": { ...plain, isRankStabilized: true },
  "dora": { ...plain, hasMagnitudes: true },
};

/** The names of targets that a model has, of those in a configuration. */
function fitted(config: AdapterConfig, preset: string): AdapterConfig {
  if (config.targets === "all-linear") return config;
  const isGpt = preset === "nano";
  return { ...config, targets: config.targets.filter((name) => /c_/.test(name) === isGpt) };
}

function baseOf(preset: string): { readonly model: LanguageModel; readonly params: unknown } {
  const sizes = { vocabulary: 11, width: 8, heads: 2, layers: 2, context: 12 };
  const model = languageModel(presetConfig(preset, sizes));
  return { model, params: model.init(key(3)) };
}

/** Parameters of an adapter that changes something: B is not 0. */
function trainedLike(model: AdaptedModel): AdapterParameters {
  return mapTree(
    model.init(key(5)),
    (leaf, path) =>
      path.endsWith("up") ? normal(key(path.length), leaf.shape, { standardDeviation: 0.2 }) : leaf,
  );
}

const ids = tensor([[1, 7, 3, 2, 9]], { dtype: "i32" });

function logitsOf(model: LanguageModel, params: unknown, tokens = ids): Tensor {
  return headLogits(model.head(params), model.hidden(params, model.embed(params, tokens)));
}

async function difference(a: Tensor, b: Tensor): Promise<number> {
  const [own, other] = [await a.data(), await b.data()];
  assertEquals(own.length, other.length);
  return Math.max(...Array.from(own, (value, i) => Math.abs(value - (other[i] ?? NaN))));
}

/** A tree in f64, on the host. */
async function doubles<T>(tree: T): Promise<T> {
  const elements = new Map<string, Float64Array>();
  for (const [path, leaf] of leafPaths(tree)) {
    elements.set(path, Float64Array.from(await leaf.data()));
  }
  return mapTree(
    tree,
    ({ shape }, path) => tensor(elements.get(path) ?? new Float64Array(), { dtype: "f64", shape }),
  );
}

/** Logits of a few units in f32, by sums in another order. */
const TOLERANCE = 1e-5;

for (const preset of ["nano", "nano-llama"]) {
  const base = baseOf(preset);
  for (const [kind, config] of Object.entries(kinds)) {
    const model = adapt(base, fitted(config, preset));
    Deno.test(`${preset}, ${kind}: a new adapter predicts as its base`, async () => {
      const [own, plain] = [logitsOf(model, model.init(key(1))), logitsOf(base.model, base.params)];
      assertLess(await difference(own, plain), TOLERANCE);
    });

    Deno.test(`${preset}, ${kind}: merged it predicts as it did, and not as its base`, async () => {
      const params = trainedLike(model);
      const own = logitsOf(model, params);
      assertLess(
        await difference(own, logitsOf(base.model, mergeAdapter(model, params))),
        TOLERANCE,
      );
      assert(await difference(own, logitsOf(base.model, base.params)) > 0.01);
    });

    Deno.test(`${preset}, ${kind}: only the adapter has gradients, and they are right`, async () => {
      const wide = { model: base.model, params: await doubles(base.params) };
      const own = adapt(wide, fitted(config, preset));
      const params = await doubles(trainedLike(model));
      const loss = (params: AdapterParameters) => sum(square(logitsOf(own, params)));
      const gradients = grad(loss)(params);
      assertEquals([...leafPaths(gradients).keys()], [...leafPaths(params).keys()]);
      const [path] = Object.keys(params.changes).slice(-1);
      const change = params.changes[path ?? ""];
      assert(path !== undefined && change !== undefined);
      // The norms of DoRA are constants to the gradients of A and B, and no difference is one of those.
      const part = config.hasMagnitudes ? "magnitudes" : "up";
      const leaf = change[part];
      assert(leaf !== undefined);
      const withPart = (leaf: Tensor): AdapterParameters => ({
        ...params,
        changes: { ...params.changes, [path]: { ...change, [part]: leaf } },
      });
      await checkGradients((leaf: Tensor) => loss(withPart(leaf)), leaf);
    });

    Deno.test(`${preset}, ${kind}: greedy tokens by a cache are those of the merged model`, async () => {
      const params = trainedLike(model);
      using adapted = createGenerator(model);
      using merged = createGenerator(base.model);
      const prompts = [[1, 2, 3], [4]];
      assertEquals(
        await adapted.generate(params, prompts, { maxNewTokens: 6 }),
        await merged.generate(mergeAdapter(model, params), prompts, { maxNewTokens: 6 }),
      );
    });
  }

  Deno.test(`${preset}: dropout acts with a key only`, async () => {
    const model = adapt(base, { ...plain, dropout: 0.5 });
    const params = trainedLike(model);
    const hidden = (at?: number) =>
      model.hidden(params, model.embed(params, ids), at === undefined ? {} : { key: key(at) });
    const still = hidden();
    assertEquals(await difference(still, hidden()), 0);
    assertNotEquals(await difference(hidden(1), hidden(2)), 0);
    assertEquals(await difference(hidden(1), hidden(1)), 0);
  });

  Deno.test(`${preset}: modules to save are parameters of their own`, async () => {
    const embedding = preset === "nano" ? "wte" : "embed_tokens";
    const model = adapt(base, { ...plain, saved: [embedding] });
    const params = model.init(key(1));
    assertEquals(Object.keys(params.saved), [`${embedding}.weight`]);
    assertLess(
      await difference(logitsOf(model, params), logitsOf(base.model, base.params)),
      TOLERANCE,
    );
    const changed = mapTree(
      params,
      (leaf, path) => path.includes(embedding) ? normal(key(9), leaf.shape) : leaf,
    );
    assert(await difference(logitsOf(model, changed), logitsOf(base.model, base.params)) > 0.1);
  });

  Deno.test(`${preset}: critics and reward heads stand on it, compiled`, async () => {
    const model = adapt(base, plain);
    const scored = withScore(model, trainedLike(model));
    const critic = actorCritic(model);
    const f = compile((params: typeof scored) => logitsOf(critic, params));
    assertLess(await difference(f(scored), logitsOf(model, scored.model)), TOLERANCE);
    const judge = rewardModelOn(model);
    const hidden = judge.hidden(scored, judge.embed(scored, ids));
    assertEquals(hidden.shape, [1, 5, 8]);
  });

  Deno.test(`${preset}: an adapter is told from a model, and is small`, () => {
    const model = adapt(base, { ...plain, rank: 1 });
    assert(isAdapted(model) && !isAdapted(base.model));
    const count = (tree: unknown) =>
      leavesOf(tree).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assertLess(count(model.init(key(0))), count(base.params));
  });
}

Deno.test("each projection has dropout of its own, apart from the base's", async () => {
  const config = { ...plain, dropout: 0.25 };
  const model = adapt(baseOf("nano-llama"), config);
  const params = model.init(key(5));
  const rates = [...leafPaths(model.changed(params)).keys()].filter((path) => /dropout/.test(path));
  assertEquals(rates, []);
  const keys = [...leafPaths(model.changed(params, key(1)))].filter(([path]) =>
    path.endsWith(".adapter.dropout.key")
  );
  assertEquals(keys.length, Object.keys(params.changes).length);
  const texts = await Promise.all(keys.map(async ([, leaf]) => (await leaf.data()).join()));
  assertEquals(new Set([...texts, (await key(1).data()).join()]).size, keys.length + 1);
  const other = leafPaths(model.changed(params, key(2)));
  for (const [path, leaf] of keys) {
    assertNotEquals(await leaf.data(), await other.get(path)?.data(), path);
  }
});

Deno.test("dropout leaves the mean of a change, and the product beside it", async () => {
  const rows = 4000;
  const x = broadcastTo(tensor([[1, -2, 3]]), [rows, 3]);
  const weight = tensor([[1, 2, 3], [4, 5, 6]]);
  const adapter = {
    down: tensor([[1, 1, 0], [0, 1, 2]]),
    up: tensor([[1, 0], [1, 1]]),
    scale: 0.5,
  };
  const dropped = { ...adapter, dropout: { rate: 0.25, key: key(4) } };
  const means = async (adapter: LowRank) =>
    Array.from(await mean(linear(x, { weight, adapter }), { axes: [0] }).data());
  const still = await means(adapter);
  const found = await means(dropped);
  // Of 4000 rows whose changes have a standard deviation of at most 2.
  for (const [i, expected] of still.entries()) {
    assertLess(Math.abs((found[i] ?? NaN) - expected), 4 * 2 / Math.sqrt(rows));
  }
  // Inputs are 0 or 4/3 as large, so changes of one output are of 8 kinds around x W^T.
  const first = await slice(linear(x, { weight, adapter: dropped }), 1, 0, 1).data();
  const kinds = new Set(Array.from(first, (y) => Math.round(3 * (y - 6))));
  assertEquals([...kinds].toSorted((a, b) => a - b), [-4, -2, 0, 2]);
  // With magnitudes, the product beside it is scaled, and reads the same inputs.
  const magnitudes = tensor([1, 2]);
  const stillNorm = await means({ ...adapter, magnitudes });
  const foundNorm = await means({ ...dropped, magnitudes });
  for (const [i, expected] of stillNorm.entries()) {
    assertLess(Math.abs((foundNorm[i] ?? NaN) - expected), 4 * 4 / Math.sqrt(rows));
  }
});

Deno.test("A is uniform within 1 / sqrt(in), another in each projection, and B is 0", async () => {
  const model = adapt(baseOf("nano-llama"), { ...plain, rank: 64 });
  const { changes } = model.init(key(5));
  const seen = new Set<number>();
  for (const [path, { down, up }] of Object.entries(changes)) {
    const [, inputs = NaN] = down.shape;
    const scaled = Array.from(await down.data(), (x) => x * Math.sqrt(inputs));
    const variance = scaled.reduce((total, x) => total + x ** 2, 0) / scaled.length;
    // That of a uniform number from -1 to 1, of at least 512 of them.
    assertLess(Math.abs(variance - 1 / 3), 4 * 0.3 / Math.sqrt(scaled.length), path);
    assertLess(scaled.reduce((most, x) => Math.max(most, Math.abs(x)), 0), 1 + 1e-6);
    seen.add(scaled[0] ?? NaN);
    assertEquals(new Set(await up.data()), new Set([0]));
  }
  assertEquals(seen.size, Object.keys(changes).length);
});

Deno.test("parameters of another adapter are refused", () => {
  const base = baseOf("nano-llama");
  const model = adapt(base, { ...plain, saved: ["norm"] });
  const message = "the parameters are of another adapter: they have no ";
  const few = adapt(base, { ...plain, targets: ["q_proj"], saved: ["norm"] }).init(key(1));
  const unsaved = adapt(base, plain).init(key(1));
  for (const params of [few, unsaved]) {
    assertThrows(() => model.embed(params, ids), RangeError, message);
    assertThrows(() => mergeAdapter(model, params), RangeError, message);
  }
  assertThrows(() => mergeAdapter(model, base.params), TypeError, "expected the parameters of an");
});

Deno.test("a module to save is not changed as well", () => {
  const model = adapt(baseOf("nano-llama"), { ...plain, saved: ["q_proj", "norm"] });
  const { changes, saved } = model.init(key(1));
  assertEquals(Object.keys(changes).filter((path) => path.endsWith("q_proj")), []);
  assertEquals(Object.keys(changes).length, 2 * 6);
  assertEquals(Object.keys(saved).toSorted(), [
    "layers[0].self_attn.q_proj.weight",
    "layers[1].self_attn.q_proj.weight",
    "norm.weight",
  ]);
});

Deno.test("what cannot be adapted is refused by its name", () => {
  const base = baseOf("nano-llama");
  const refused: readonly (readonly [Partial<AdapterConfig>, string])[] = [
    [{ targets: ["query"] }, '"query" is no module of Llama; its projections are q_proj, k_proj'],
    [{ targets: ["embed_tokens"] }, '"embed_tokens" is no projection of Llama'],
    [{ targets: ["norm"] }, "to train the module as a whole, name it among the modules to save"],
    [{ targets: [] }, "no targets"],
    [
      { targets: ["q_proj"], saved: ["q_proj"] },
      '"q_proj" is to be saved as a whole, and not changed as well: name it once',
    ],
    [{ saved: ["heads"] }, '"heads", to be saved, is no module of Llama'],
    [{ rank: 0 }, "rank is 0, expected a positive integer"],
    [{ rank: 1.5 }, "rank is 1.5"],
    [{ alpha: 0 }, "alpha is 0"],
    [{ alpha: NaN }, "alpha is NaN"],
    [{ dropout: 1 }, "dropout is 1"],
  ];
  for (const [change, message] of refused) {
    assertThrows(() => adapt(base, { ...plain, ...change }), RangeError, message);
  }
});
