/** The state of a learner, as it is read from a checkpoint. */
import { assertEquals } from "@std/assert";
import { tensor, wasm } from "@unitune/core";
import { contentBytes, treeFile } from "@unitune/models";
import { noCost } from "@unitune/training";
import { digestOf } from "../../../cli/files/digest.ts";
import { saveCheckpoint } from "../../../cli/run/checkpoints.ts";
import { readState } from "../../../cli/run/trained.ts";
import { inFolder } from "../command.ts";

inFolder("of a state what is wanted is read, to where it is wanted", async (folder) => {
  await Deno.mkdir(`${folder}/checkpoints`);
  const state = { first: tensor([1, 2]), second: [tensor([3])] };
  const [second] = state.second;
  const saved = await saveCheckpoint(
    folder,
    {
      settings: {},
      model: { modelType: "gpt2", vocabulary: 4, context: 4, layers: 1, width: 2 },
      data: { kind: "texts", digest: "" },
    },
    {
      ...{ step: 1, cost: noCost, metricsLength: 0, metricsDigest: digestOf("") },
      ...{ samplesLength: 0, samplesDigest: digestOf("") },
    },
    { "training.safetensors": await contentBytes(treeFile(state)) },
  );
  const read = await readState(saved, state);
  assertEquals([[...await read.first.data()], [...await second?.data() ?? []]], [[1, 2], [3]]);
  const part = await readState(saved, state, { isWanted: (name) => name.includes("first") });
  assertEquals([...await part.first.data()], [1, 2]);
  assertEquals([part.first, ...part.second].map(({ cell }) => cell.value.kind), [
    ...["host", "outline"],
  ]);
  using device = wasm();
  const there = await readState(saved, state, { device });
  assertEquals(there.first.cell.value.kind, "device");
});
