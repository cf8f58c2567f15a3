/** Adapters: low-rank changes of a model that stays as it is. */
import { assert, assertEquals, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import { checkGradients, grad } from "@unitune/autodiff";
import {
  compile,
  headLogits,
  key,
  leafPaths,
  leavesOf,
  mapTree,
  normal,
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
      if (config.hasMagnitudes) return;
      const [path] = Object.keys(params.changes).slice(-1);
      const change = params.changes[path ?? ""];
      assert(path !== undefined && change !== undefined);
      await checkGradients(
        (up: Tensor) =>
          loss({ ...params, changes: { ...params.changes, [path]: { ...change, up } } }),
        change.up,
      );
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

  Deno.test(`${preset}: dropout acts with a key only, and leaves the mean`, async () => {
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

Deno.test("what cannot be adapted is refused by its name", () => {
  const base = baseOf("nano-llama");
  const refused: readonly (readonly [Partial<AdapterConfig>, string])[] = [
    [{ targets: ["query"] }, '"query" is no module of Llama; its projections are q_proj, k_proj'],
    [{ targets: ["embed_tokens"] }, '"embed_tokens" is no projection of Llama'],
    [{ targets: ["norm"] }, "to train the module as a whole, name it among the modules to save"],
    [{ targets: [] }, "no targets"],
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
