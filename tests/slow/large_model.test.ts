/** A model of GPT-2's size, which takes more than the 2 GiB that signed addresses reach. */
import { assert } from "@std/assert";
import { countParameters, gpt } from "@unitune/models";
import { wasm } from "@unitune/core";
import { lossWorkloads } from "../../bench/losses/flags.ts";
import { lossesOf, newParameters } from "../../bench/losses/training.ts";
import { trainingBatches } from "../../bench/workloads.ts";

Deno.test("large model: 124 million parameters train on wasm, and learn", async () => {
  const workload = lossWorkloads["gpt2-small"];
  assert(workload !== undefined);
  const [batch] = trainingBatches(workload, 1);
  assert(batch !== undefined);
  using device = wasm();
  const params = newParameters(workload.config, device);
  const losses = await lossesOf(workload.config, params, batch, device, 3);
  const { bytes, keptBytes } = device.statistics();
  // Parameters and two moments, in f32.
  assert(bytes - keptBytes >= 12 * countParameters(gpt(workload.config)));
  assert(
    bytes > 2 ** 31,
    `addresses above 2 GiB are what is tested; the memory has ${bytes} bytes`,
  );
  const [first = NaN, second = NaN, third = NaN] = losses;
  // Untrained it knows nothing: somewhat above ln V, by the spread of its logits.
  assert(Math.abs(first - Math.log(workload.config.vocabulary)) < 0.5, `${losses}`);
  assert(second < first && third < second, `${losses}`);
});
