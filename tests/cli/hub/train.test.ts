/** Training models that are named as the hub names them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ended, filesIn, inFolder, start, writeRows } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";
import { commits, model } from "./models.ts";
import { command, run, variables } from "./process.ts";
import { startHub } from "./server.ts";

const rows = Array.from({ length: 12 }, (_, i) => ({
  messages: [{ role: "user", content: `say ${i}` }, { role: "assistant", content: `${i}` }],
}));

const brief = ["--model", "org/tiny", "--lora", "--device", "wasm", "--steps", "1", "--batch-size"];

inFolder("a model of the hub is downloaded once, and trained from the cache", async (folder) => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (
    const [name, content] of Object.entries(await filesIn(await writeTinyModel(`${folder}/tiny`)))
  ) {
    files[name] = new Uint8Array(content);
  }
  await using hub = startHub({ "org/tiny": model(files) });
  const env = { HF_HOME: folder, HF_ENDPOINT: hub.endpoint };
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const args = [...brief, "2", "--data", data];

  // `train` does not use the network, even where it could.
  const first = await ended(command("train", [...args, "--out", `${folder}/none`], env));
  assertEquals(first.code, 1);
  assertStringIncludes(first.stderr, "and this task does not use the network: download it by");
  assertStringIncludes(first.stderr, "\n  deno task download org/tiny");
  assertEquals(hub.asked, []);

  const second = await run("train:hub", [...args, "--out", `${folder}/a`], env);
  assertEquals(second.code, 0, second.stderr);
  const asked = hub.asked.length;
  assert(asked > 0);
  const third = await ended(start("train", [...args, "--out", `${folder}/b`], variables(env)));
  assertEquals(third.code, 0, third.stderr);
  assertEquals(hub.asked.length, asked);

  for (const out of ["a", "b"]) {
    const { base } = JSON.parse(await Deno.readTextFile(`${folder}/${out}/config.json`));
    assertEquals([base.name, base.revision], ["org/tiny", commits[0]]);
  }
  // The branch may go on: a run is about the commit that it began with.
  await Deno.writeTextFile(`${folder}/hub/models--org--tiny/refs/main`, commits[1]);
  const next = ["--from", `${folder}/b`, "--data", data, ...brief.slice(2), "2"];
  const last = await ended(start("train", [...next, "--out", `${folder}/c`], variables(env)));
  assertEquals(last.code, 0, last.stderr);
  const asking = ["--run", `${folder}/c`, "--prompt", "say 1", "--max-new-tokens", "2"];
  const answer = await ended(start("sample", asking, variables(env)));
  assertEquals(answer.code, 0, answer.stderr);
});
