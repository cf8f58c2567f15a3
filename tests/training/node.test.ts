/** The training in Node, bundled from the sources: its losses are those of Deno. */
import { fileURLToPath } from "node:url";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { findNode, runInNode } from "../node.ts";
import { runTraining } from "./node_program.ts";

const version = await findNode();
if (version === undefined) console.warn("the test in Node is skipped: there is no node to run");

Deno.test({
  name: "node: a training has the losses that it has in Deno",
  ignore: version === undefined,
  async fn() {
    const there = await runInNode(fileURLToPath(new URL("node_main.ts", import.meta.url)));
    const here = await runTraining();
    assert(Array.isArray(there), `Node ${version}`);
    assertEquals([there.length, here.length], [6, 6]);
    // Node 20 has no relaxed SIMD, so that products round twice where Deno's round once.
    here.forEach((loss, i) => assertAlmostEquals(Number(there[i]), loss, 1e-4));
  },
});
