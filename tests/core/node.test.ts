/** The packages in Node, from 20 on: what is bundled from the sources gives there what it gives here. */
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import * as autodiff from "@unitune/autodiff";
import * as core from "@unitune/core";
import * as models from "@unitune/models";
import * as objectives from "@unitune/objectives";
import { findNode, runInNode } from "../node.ts";
import { runEverything } from "./node_program.ts";

const version = await findNode();
if (version === undefined) console.warn("the test in Node is skipped: there is no node to run");

Deno.test({
  name: "node: the packages compute there what they compute in Deno, to the bit",
  ignore: version === undefined,
  async fn() {
    const program = fileURLToPath(new URL("node_main.ts", import.meta.url));
    const exported = [core, autodiff, models, objectives].map((names) => Object.keys(names).length);
    const here: unknown = JSON.parse(JSON.stringify({ exported, ...await runEverything() }));
    assertEquals(await runInNode(program), here, `Node ${version}`);
  },
});
