/** The command `exposure`: it measures a run on a task of steps, and refuses any other. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exposure, inFolder, permissionsOf, trained, writeRows } from "../command.ts";

const tiny = [
  ...["--layers", "1", "--heads", "1", "--width", "8", "--context", "64", "--device", "reference"],
  ...["--examples", "8", "--batch-size", "2", "--steps", "1", "--eval-examples", "1"],
];

inFolder("exposure prints the measures of a run on its tasks", async (folder) => {
  const run = `${folder}/maze`;
  await trained("--tasks", "maze", "--out", run, ...tiny);
  const { code, stdout } = await exposure("--run", run, "--questions", "2");
  assertEquals(code, 0);
  for (const name of ["step_gap", "step_recovery", "state_distance", "reached_share"]) {
    assertMatch(stdout, new RegExp(`^${name} +-?\\d\\.\\d{3}$`, "m"));
  }
  assertStringIncludes(stdout, "2 questions");
  assertEquals(permissionsOf("exposure"), ["read"]);
});

inFolder("exposure refuses a run whose tasks have no steps, and asks for a run", async (folder) => {
  const run = `${folder}/pick`;
  await trained("--tasks", "pick", "--out", run, ...tiny);
  const refused = await exposure("--run", run);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "not trained on a task whose answers have steps");
  const { code, stderr } = await exposure();
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--run DIR is needed");
  const both = await exposure("--run", run, "--teacher", run, "--gradients");
  assertEquals(both.code, 2);
  assertStringIncludes(both.stderr, "leave out --teacher, or --gradients");
});

inFolder("exposure compares a run on any rows with a better one", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, larger] = [`${folder}/run`, `${folder}/larger`];
  await trained("--data", data, "--out", run, ...tiny);
  await trained("--data", data, "--out", larger, ...tiny, "--width", "16", "--steps", "4");
  const asked = ["--teacher", larger, "--questions", "2", "--device", "reference"];
  const { code, stdout, stderr } = await exposure("--run", run, ...asked);
  assertEquals(code, 0, stderr);
  for (const name of ["gold_kl", "own_kl", "excess_error"]) {
    assertMatch(stdout, new RegExp(`^${name} +-?\\d+\\.\\d{3}$`, "m"));
  }
  const other = `${folder}/other`;
  await trained("--data", data, "--out", other, ...tiny, "--tokenizer", "bytes");
  const refused = await exposure("--run", other, ...asked);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, `the teacher of ${larger} reads characters`);
  const text = `${folder}/text`;
  await Deno.writeTextFile(`${folder}/a.txt`, "ab".repeat(30));
  const none = ["--validation-share", "0"];
  await trained("--data", `${folder}/a.txt`, "--out", text, ...tiny, ...none);
  const unasked = await exposure("--run", text, ...asked);
  assertEquals(unasked.code, 1);
  assertStringIncludes(unasked.stderr, "the run has no validation prompts");
});
