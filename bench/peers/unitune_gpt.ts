/**
 * A training step by SFT of a checkout of this repository, by its own bench/training.ts: a peer to
 * measure beside others; see `startPeer` for the lines that it prints and reads.
 *
 *     deno run --allow-read=FOLDER --config=FOLDER/deno.json unitune_gpt.ts FOLDER PRESET DEVICE
 */
import { pathToFileURL } from "node:url";
import { linesOf } from "./peer.ts";

const [folder = "", preset = "", device = ""] = Deno.args;

/** A module of the checkout, which must have the exports that this one has. */
const moduleOf = (path: string) => import(pathToFileURL(`${folder}/${path}`).href);

const { openDevice }: typeof import("@unitune/cli") = await moduleOf("cli/mod.ts");
const { key, leavesOf, sizeOf }: typeof import("@unitune/core") = await moduleOf("core/mod.ts");
const { gpt }: typeof import("@unitune/models") = await moduleOf("models/mod.ts");
const { startTraining }: typeof import("../training.ts") = await moduleOf("bench/training.ts");
const { workloads }: typeof import("../workloads.ts") = await moduleOf("bench/workloads.ts");

const workload = workloads[preset];
if (workload === undefined || device !== "wasm" && device !== "native" && device !== "webgpu") {
  console.log(JSON.stringify({ missing: `it has no workload ${preset} on ${device}` }));
  Deno.exit(0);
}
const leaves = leavesOf(gpt(workload.config).init(key(0)));
const training = startTraining("sft", workload, await openDevice(device));
await training.run();
console.log(JSON.stringify({
  version: `Deno ${Deno.version.deno}`,
  parameters: leaves.reduce((total, { shape }) => total + sizeOf(shape), 0),
}));
for await (const line of linesOf(Deno.stdin.readable)) {
  // A line says that the steps are done.
  await training.take(Number(line));
  console.log(NaN);
}
Deno.exit(0);
