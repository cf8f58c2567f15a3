import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { checkGradients, valueAndGrad } from "@unitune/autodiff";
import {
  compile,
  evaluate,
  key,
  leafPaths,
  logSoftmax,
  mean,
  mul,
  neg,
  slice,
  sub,
  takeAlongAxis,
  type Tensor,
  zipTrees,
} from "@unitune/core";
import { applyGpt, embedTokens, gpt, type GptParameters, type GptSizes } from "@unitune/models";
import { logitsOf, sineParameters, tinyConfig, tokenIds } from "./tiny.ts";

/** Mean negative log-probability of every token but the first. */
function loss(config: GptSizes, params: GptParameters, ids: Tensor): Tensor {
  const logProbs = logSoftmax(slice(logitsOf(config, params, ids), 1, 0, -1));
  return neg(mean(takeAlongAxis(logProbs, slice(ids, 1, 1))));
}

Deno.test("gradients are central differences'", async () => {
  const config = { vocabulary: 3, context: 3, layers: 1, heads: 2, width: 4, dropout: 0 };
  const ids = tokenIds([[0, 2, 1]]);
  await checkGradients(
    (params: GptParameters) => loss(config, params, ids),
    sineParameters(config),
  );
});

Deno.test("with dropout too, its choices fixed by the key", async () => {
  const config = { vocabulary: 3, context: 2, layers: 1, heads: 1, width: 4, dropout: 0.4 };
  const ids = tokenIds([[2, 1]]);
  await checkGradients(
    (params: GptParameters) => applyGpt(config, params, embedTokens(params, ids), { key: key(2) }),
    sineParameters(config),
  );
});

Deno.test("a gradient reaches every tensor, but no position behind the sequence", async () => {
  const gradient =
    compile(valueAndGrad((params: GptParameters, ids: Tensor) => loss(tinyConfig, params, ids)))(
      sineParameters(tinyConfig),
      tokenIds([[0, 1, 2, 3]]),
    ).gradient;
  for (const [path, leaf] of leafPaths(gradient)) {
    const elements = Array.from(await leaf.data());
    assertGreater(Math.max(...elements.map(Math.abs)), 0, path);
  }
  // The last of the four tokens is predicted, not read; context is 6.
  const positions = await gradient.wpe.weight.data();
  assertEquals(positions.subarray(3 * 8), new Float32Array(3 * 8));
});

Deno.test("a few steps of gradient descent memorise a sequence", async () => {
  const ids = tokenIds([[3, 1, 4, 1, 5, 2]]);
  const step = compile((params: GptParameters, ids: Tensor) => {
    const { value, gradient } = valueAndGrad((params: GptParameters, ids: Tensor) =>
      loss(tinyConfig, params, ids)
    )(params, ids);
    return { value, params: zipTrees(params, gradient, (p, g) => sub(p, mul(g, 0.5))) };
  });
  let params = evaluate(gpt(tinyConfig).init(key(0)));
  const losses: number[] = [];
  for (let i = 0; i < 100; i++) {
    const result = step(params, ids);
    params = result.params;
    if (i % 99 === 0) losses.push(await result.value.item());
  }
  const [first = NaN, last = NaN] = losses;
  // A new model knows nothing: ln 7 = 1.946, give or take two deviations (0.55) of its logits.
  assertLess(Math.abs(first - Math.log(7)), 1.1);
  assertLess(last, 0.1);
});
