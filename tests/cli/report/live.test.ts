/** Pages of runs and of comparisons while they train. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UserError } from "@unitune/training";
import { reportCommand } from "../../../cli/commands/report.ts";
import { livePage, serveLive } from "../../../cli/report/live.ts";
import { liveRunPage } from "../../../cli/report/run_page.ts";
import { runPaths } from "../../../cli/run/run_paths.ts";
import { readUnfinished } from "../../../cli/study/standing.ts";
import { liveStudyPage } from "../../../cli/study/study_page.ts";
import { placesOf } from "../../../cli/study/trial.ts";
import { inFolder, writeRows } from "../command.ts";
import { run, study } from "./records.ts";

/** A run's folder as it is when the run begins: nothing but its configuration. */
async function begun(folder: string): Promise<string> {
  await Deno.writeTextFile(runPaths(folder).config, JSON.stringify(run.config));
  return folder;
}

/** Adds lines to the files of a run. */
async function logged(folder: string, lines: readonly unknown[]): Promise<void> {
  const paths = runPaths(folder);
  for (const path of [paths.metrics, paths.samples]) await writeRows(path, lines);
}

inFolder("a browser sees each step, and is told to ask again until the last", async (folder) => {
  await begun(folder);
  await using server = serveLive(() => liveRunPage(folder), 0);
  const address = `http://127.0.0.1:${server.addr.port}/`;
  const ask = async () => {
    const response = await fetch(address);
    const { status, headers } = response;
    return { status, refresh: headers.get("refresh"), text: await response.text() };
  };
  const early = await ask();
  assertEquals([early.status, early.refresh], [503, "5"]);
  assertStringIncludes(early.text, "metrics.jsonl");

  await logged(folder, [{ step: 36, loss: 1 }]);
  const running = await ask();
  assertEquals([running.status, running.refresh], [200, "5"]);
  assertStringIncludes(running.text, "36 of 37 steps so far");

  await logged(folder, [{ step: 36, loss: 1 }, { step: 37, loss: 1 }]);
  const done = await ask();
  assertEquals([done.status, done.refresh], [200, null]);
  assertStringIncludes(done.text, "sft, then grpo: 37 steps, in");

  const { port } = server.addr;
  const again = () => serveLive(() => liveRunPage(folder), port);
  assertThrows(again, UserError, `port ${port} is in use`);
  // What else is wrong is no fault of the user.
  const denied = assertThrows(() => serveLive(() => liveRunPage(folder), 2 ** 16));
  assert(!(denied instanceof UserError));
});

inFolder("only the page is served, to this machine, to be read", async (folder) => {
  await logged(await begun(folder), [{ step: 1, loss: 1 }]);
  const ask = async (url: string, method = "GET") => {
    const { status, headers } = await livePage(
      () => liveRunPage(folder),
      new Request(url, { method }),
    );
    assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'");
    return [status, headers.get("content-type")?.split(";")[0]];
  };
  assertEquals(await ask("http://127.0.0.1:8001/"), [200, "text/html"]);
  assertEquals(await ask("http://localhost:8001/"), [200, "text/html"]);
  // A page whose name leads to this machine asks under its own name.
  assertEquals(await ask("http://elsewhere.example:8001/"), [403, "text/plain"]);
  assertEquals(await ask("http://127.0.0.1:8001/config.json"), [404, "text/plain"]);
  assertEquals(await ask("http://127.0.0.1:8001/", "POST"), [405, "text/plain"]);
});

inFolder("what cannot be watched is refused at once", async (folder) => {
  const refused = (message: string, ...args: readonly string[]) =>
    assertRejects(
      () => reportCommand(["--run", folder, "--watch", ...args]),
      UserError,
      message,
    );
  await refused("holds no run");
  await begun(folder);
  await refused("omit --out", "--out", `${folder}/page.html`);
  await refused("--prompt is for the folder of a comparison", "--prompt", "1+1");
  await Deno.writeTextFile(`${folder}/study.json`, "{}");
  await refused("is not a study's plan");
});

/** A study with two settings for each arm and two seeds, as its folder has it while it runs. */
async function begunStudy(folder: string) {
  const { plan, results: { results }, command } = study;
  const own = { ...plan, seeds: 2, rates: [1e-3, 3e-3], arms: plan.arms.slice(0, 2) };
  await Deno.writeTextFile(`${folder}/study.json`, JSON.stringify({ command, ...own }));
  const measured = async (arm: string, point: string, seed: number, match: number) => {
    const place = ["measures", arm, ...point === "" ? [] : [point]].join("/");
    const [like] = results.filter((result) => result.arm === arm && result.seed === seed);
    const measures = { exact_match: match, "validation/exact_match": match };
    await Deno.mkdir(`${folder}/${place}`, { recursive: true });
    await writeRows(`${folder}/${place}/seed-${seed}.json`, [
      { ...like, point, measures, run: placesOf({ arm, point, seed }).run },
    ]);
    await begunRun(arm, point, seed, [{ step: 0, split: "held-out", eval_exact_match: match }]);
  };
  const begunRun = async (arm: string, point: string, seed: number, lines: readonly unknown[]) => {
    const run = `${folder}/${placesOf({ arm, point, seed }).run}`;
    await Deno.mkdir(run, { recursive: true });
    await logged(await begun(run), lines);
  };
  return { measured, begunRun };
}

inFolder("a comparison is shown as it is, with the best settings so far", async (folder) => {
  const { measured, begunRun } = await begunStudy(folder);
  const shown = async () => {
    const { page, isFinal } = await liveStudyPage(folder);
    assertEquals(isFinal, false);
    return page;
  };
  const early = await shown();
  // Two checkpoints, two reward models, and of each arm two settings on one seed and one on the other.
  assertStringIncludes(early, "So far, 0 trials are measured, of at most 10.");
  assertStringIncludes(early, "No arm can be compared with further SFT yet.");
  for (const absent of ["Under way", "NaN", "Beside the table", "On the way", "ends at"]) {
    assert(!early.includes(absent), absent);
  }

  const [low, high] = ["learningRate-0.001", "learningRate-0.003"];
  await measured("base", "", 0, 0.25);
  await measured("sft", low, 0, 0.5);
  await begunRun("ift", low, 0, [{ step: 12, loss: 1 }]);
  const later = await shown();
  assertStringIncludes(later, "So far, 2 trials are measured");
  assertMatch(later, /<th scope="row">ift<\/th><td>0<\/td><td class="text">12 of 37<\/td>/);
  assertStringIncludes(later, "further SFT yet.");

  await measured("ift", low, 0, 0.75);
  await measured("ift", high, 0, 0.625);
  // Of a setting that was not tried on the seeds that choose, nothing is said.
  await measured("ift", high, 1, 1);
  const compared = await shown();
  assertStringIncludes(compared, "ift +0.250");
  assertStringIncludes(compared, `<td class="text">lr 0.001</td>`);
  assert(!compared.includes("Under way"));
  const { chosen } = (await readUnfinished(folder)).results;
  assertEquals(chosen, { "reward-model": "as-it-is", sft: low, ift: low });
});
