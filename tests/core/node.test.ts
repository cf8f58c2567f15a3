/** The packages in Node, from 20 on: what is bundled from the sources gives there what it gives here. */
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import * as autodiff from "@unitune/autodiff";
import * as core from "@unitune/core";
import * as models from "@unitune/models";
import * as objectives from "@unitune/objectives";
import { runEverything } from "./node_program.ts";

/** Node's version, if the tests may start it and it is there. */
async function findNode(): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "run", command: "node" });
  if (state !== "granted") return undefined;
  try {
    const { success, stdout } = await new Deno.Command("node", { args: ["--version"] }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Runs a program of this repository in Node; gives what it prints. */
async function runInNode(program: string): Promise<unknown> {
  const decoder = new TextDecoder();
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/program.mjs`;
    const bundled = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--platform", "browser", "--output", file, program],
    }).output();
    if (!bundled.success) throw new Error(decoder.decode(bundled.stderr));
    const { success, stdout, stderr } = await new Deno.Command("node", { args: [file] }).output();
    if (!success) throw new Error(decoder.decode(stderr));
    return JSON.parse(decoder.decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

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
