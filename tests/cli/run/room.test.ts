/** The least memory of a training, by its formula, and what is refused for the lack of it. */
import { assertEquals, assertThrows } from "@std/assert";
import { prepare } from "@unitune/cli";
import { countParameters, gpt } from "@unitune/models";
import { type GivenSettings, trainSettings, UserError } from "@unitune/training";
import { leastRoom, requireRoom } from "../../../cli/run/room.ts";

const model = gpt({ vocabulary: 8, context: 4, layers: 3, heads: 1, width: 2, dropout: 0 });
const parameters = countParameters(model);

const room = (given: GivenSettings, length = 4, processes?: number) =>
  leastRoom(model, trainSettings(given), length, processes);

Deno.test("a parameter has its optimizer's numbers, and a gradient where that is kept", () => {
  const numbers = (given: GivenSettings, processes?: number) =>
    room(given, 4, processes).state / (4 * parameters);
  const unclipped = { gradientClip: 0 };
  const kept = [
    ...[["adamw", 2], ["adamw8bit", 0.5], ["adafactor", 0], ["muon", 1], ["rmsprop", 1]] as const,
    ...[["lion", 1], ["sgd", 1]] as const,
  ];
  for (const [optimizer, own] of kept) {
    assertEquals(numbers({ optimizer }), 2 + own, optimizer);
    assertEquals(numbers({ optimizer, ...unclipped }), 1 + own, optimizer);
  }
  assertEquals(numbers({ ...unclipped, gradientAccumulation: 2 }), 4);
  // Processes share out the optimizer's numbers alone.
  assertEquals(numbers({ shardOptimizer: true }, 4), 2 + 2 / 4);
  assertEquals(numbers({ weights: "bf16" }), 3.5);
  assertEquals(numbers({ weights: "f16" }), 3.5);
  assertEquals(numbers({ weights: "f32" }), 4);
});

Deno.test("a step has its rows, and the inputs of the blocks of those that are read at once", () => {
  const of = (given: GivenSettings, length: number) => {
    const { activations, rows } = room(given, length);
    return [activations / (4 * 3 * 2), rows / 8];
  };
  assertEquals(of({ batchSize: 5 }, 4), [5 * 4, 5 * 4]);
  assertEquals(of({ batchSize: 5, gradientAccumulation: 3 }, 4), [5 * 4, 15 * 4]);
  const cut = { batchSize: 5, gradientAccumulation: 3, objective: "sft" };
  assertEquals(of({ ...cut, batchTokens: 11 }, 4), [2 * 4, 15 * 4]);
  assertEquals(of({ ...cut, batchTokens: 12 }, 4), [3 * 4, 15 * 4]);
  // A row is whole, and there are no more than those of the step.
  assertEquals(of({ ...cut, batchTokens: 3 }, 4), [4, 15 * 4]);
  assertEquals(of({ ...cut, batchTokens: 1000 }, 4), [15 * 4, 15 * 4]);
});

Deno.test("what does not fit is refused, to the byte, with what to change", () => {
  const tried = (given: GivenSettings, memoryBytes?: number) => () =>
    requireRoom([trainSettings(given)], { model, stages: [] }, {
      name: "wasm",
      ...memoryBytes !== undefined && { memoryBytes },
    });
  const refused = (message: string, given: GivenSettings, memoryBytes?: number) =>
    assertThrows(tried(given, memoryBytes), UserError, message);
  const given = { batchSize: 5 };
  // Rows whose length is unknown have two tokens.
  const { state, activations } = room(given, 2);
  tried(given, state + activations)();
  refused("--batch-size 5 takes at least", given, state + activations - 1);
  refused("with rows of 2 tokens, and wasm has", given, state);
  refused(`a model of ${parameters} parameters takes at least`, given, state - 1);
  refused("smaller --width, --layers", given, 1);
  refused("train an adapter by --lora", { ...given, model: "m" }, 1);
  refused(": take a smaller model", { ...given, model: "m", lora: true }, 1);
  refused("--batch-tokens 10 takes at least", { batchTokens: 10, objective: "sft" }, state);
  // Eight bytes for each of two tokens.
  const most = { batchSize: 1, gradientAccumulation: 2 ** 27 };
  tried(most)();
  refused(
    "rows takes 2 GiB, more than 2 GiB: take a smaller --gradient-accumulation",
    { ...most, gradientAccumulation: 2 ** 27 + 1 },
  );
  // Of a device whose memory is unknown, no more is taken than the host holds.
  refused("and wasm has 64 GiB", { batchSize: 2 ** 31 });
});

Deno.test("rows are as long as those that are read: packed ones where they are packed", async () => {
  const given = trainSettings({
    ...{ layers: 1, heads: 1, width: 8, context: 64, batchSize: 5, examples: 20, tasks: "sort" },
  });
  const prepared = await prepare(given);
  const [stage] = prepared.stages;
  if (stage?.data.kind !== "demonstrations") throw new Error("the tasks are demonstrations");
  const { data } = stage;
  const refused = (length: number, own: typeof data) => {
    const room = leastRoom(prepared.model, given, length);
    const memoryBytes = room.state + room.activations - 1;
    assertThrows(
      () =>
        requireRoom([given], { model: prepared.model, stages: [{ ...stage, data: own }] }, {
          ...{ name: "wasm", memoryBytes },
        }),
      UserError,
      `with rows of ${length} tokens`,
    );
  };
  refused(data.source.length, data);
  const packed = { ...data.source, length: 99, row: () => ({ ids: [], mask: [], texts: [] }) };
  refused(99, { ...data, packed });
});
