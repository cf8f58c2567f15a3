/** Pages of runs and of studies: what they show, and that they stand by themselves. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ended, inFolder, start, tiny, trained, writeRows } from "../command.ts";
import { runPage } from "../../../cli/report/run_page.ts";
import { requestsOf } from "../requests.ts";

inFolder("a run's page stands by itself and shows every stage", async (folder) => {
  const run = `${folder}/run`;
  await trained(
    ...["--layers", "1", "--heads", "1", "--width", "8", "--tasks", "pick", "--examples", "40"],
    ...["--objective", "sft,dpo,grpo", "--steps", "4,2,2", "--batch-size", "8"],
    ...["--logging-steps", "1", "--warmup-steps", "0", "--out", run],
  );
  const page = await runPage(run);
  assertEquals(requestsOf(page), []);
  for (
    const shown of [
      "A run of 8 steps, in the stages sft, then dpo, then grpo, in ",
      "held-out, step 0<",
      "held-out, step 4, after sft",
      "held-out, step 6, after dpo",
      "held-out, step 8, after grpo",
      "rewards/margins",
      "Rewarded answers",
      "<dt><code>clip_ratio/low</code></dt>",
    ]
  ) assertStringIncludes(page, shown);
  // What only some stages measure is drawn with their names; no line leads from one to the next.
  const figureOf = (title: string) =>
    new RegExp(`<h2>${title}</h2>.*?</figure>`, "s").exec(page)?.[0] ?? "";
  const namesIn = (title: string) =>
    ["sft", "dpo", "grpo"].filter((name) => figureOf(title).includes(`>${name}</text>`));
  assertEquals(namesIn("Loss"), ["sft", "dpo", "grpo"]);
  assertEquals(namesIn("Implicit rewards"), ["dpo"]);
  const [, line = ""] = /aria-label="line"[^>]*><path d="([^"]*)"/.exec(figureOf("Loss")) ?? [];
  assertEquals(line.match(/M/g)?.length, 3);
});

inFolder("a run of supervised training has no figures of what it does not do", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  await trained("--data", data, ...tiny, "--out", `${folder}/run`);
  const page = await runPage(`${folder}/run`);
  for (const absent of ["Implicit rewards", "Rewarded answers", "clip_ratio"]) {
    assert(!page.includes(absent), absent);
  }
  // Named by its folder, also where a shell has completed the name with a slash.
  for (const path of [`${folder}/run`, `${folder}/run/`]) {
    assertStringIncludes(await runPage(path), "<h1>run</h1>");
  }
  if (Deno.build.os === "windows") return;
  await Deno.rename(`${folder}/run`, `${folder}/my\\run`);
  assertStringIncludes(await runPage(`${folder}/my\\run`), "<h1>my\\run</h1>");
});

/** Runs a task's command to its end. */
const run = (task: "report" | "compare", ...args: readonly string[]) => ended(start(task, args));

inFolder("the commands: a page of a run, and what makes no sense", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  await trained("--data", data, ...tiny, "--out", `${folder}/run`);
  const { code, stdout, stderr } = await run("report", "--run", `${folder}/run`);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, `${folder}/run/report.html`);
  assertEquals(requestsOf(await Deno.readTextFile(`${folder}/run/report.html`)), []);

  assertEquals((await run("report", "--run", `${folder}/none`)).code, 1);
  const unknown = await run("compare", "--arms", "sft,dop", "--out", `${folder}/study`);
  assertEquals(unknown.code, 1);
  assertStringIncludes(unknown.stderr, `--arms: there is no arm "dop"`);
  const help = await run("compare", "--help");
  assertStringIncludes(help.stdout, "--quick");
  assert(help.stdout.split("\n").every((line) => line.length <= 100));
});
