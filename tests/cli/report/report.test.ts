/** Pages of runs and of studies: what they show, and that they stand by themselves. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runPage, type RunRecord, runRecordPage } from "../../../cli/report/run_page.ts";
import { settingsSection } from "../../../cli/report/run_settings.ts";
import { studyRecordPage } from "../../../cli/study/study_page.ts";
import { studyRows } from "../../../cli/study/table.ts";
import { verdictOf } from "../../../cli/study/verdict.ts";
import { believers } from "../../../cli/study/beliefs.ts";
import { runPaths } from "../../../cli/run/run_paths.ts";
import { ended, inFolder, start, tiny, trained, writeRows } from "../command.ts";
import { requestsOf } from "../requests.ts";
import { goldenFile, pages, run, study, withoutStyle } from "./records.ts";

for (const [name, page] of Object.entries(pages)) {
  Deno.test(`the page "${name}" is the golden one, and asks for nothing`, async () => {
    const whole = page();
    const [lines, golden] = [withoutStyle(whole), await Deno.readTextFile(goldenFile(name))]
      .map((text) => text.split("\n"));
    // One line: a difference of whole pages takes minutes to print.
    const differing = (lines ?? []).findIndex((line, i) => line !== golden?.[i]);
    assertEquals(lines?.[differing], golden?.[differing]);
    assertEquals(lines?.length, golden?.length);
    assertEquals(requestsOf(whole), []);
  });
}

/** The record of a run with one stage of 40 supervised steps, of which some were logged. */
function supervised(logged: number, folder = "runs/one"): RunRecord {
  const { config } = run;
  return {
    folder,
    config: { ...config, settings: { objective: "sft", steps: 40, data: "rows.jsonl" } },
    metrics: Array.from({ length: logged }, (_, i) => ({ step: i + 1, loss: 2, nll: 2 })),
    samples: [],
  };
}

Deno.test("a page has no figures of what its run did not do", () => {
  const page = runRecordPage(supervised(40));
  for (
    const absent of ["Before and after", "Exact match", "Answers", "Rewarded answers", "reward"]
  ) {
    assert(!page.includes(`<h2>${absent}`) && !page.includes(`<h3>${absent}`), absent);
  }
  assertStringIncludes(page, "A run of sft: 40 steps, in");
  assertStringIncludes(page, "conversations (digest");
  // The loss of supervised training is its cross-entropy: one curve shows both.
  assert(!page.includes("<h3>Loss</h3>") && page.includes("<h3>Cross-entropy</h3>"));
  assertStringIncludes(page, "The loss of every step is its cross-entropy.");
  assert(!runRecordPage(supervised(1)).includes("<h2>Curves"));
});

Deno.test("curves are smoothed from 30 logged steps on", () => {
  const isSmoothed = (logged: number) =>
    runRecordPage(supervised(logged)).includes('stroke-opacity="0.35"');
  assertEquals([29, 30].map(isSmoothed), [false, true]);
});

Deno.test("held-out pairs stand beside those of training, in the same colours", () => {
  const metrics = { "rewards/chosen": 1, "rewards/rejected": -1, "rewards/margins": 2 };
  const held = Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value / 2]),
  );
  const page = runRecordPage({
    ...supervised(0),
    metrics: [
      { step: 1, ...metrics },
      { step: 2, ...metrics },
      { step: 2, split: "held-out", ...held },
      // Further splits would hide the curves.
      { step: 2, split: "longer", ...held },
    ],
  });
  const [, legend = ""] = /<h3>Implicit rewards<\/h3>(.*?)<svg style/s.exec(page) ?? [];
  const keys = [...legend.matchAll(/stroke="(.*?)" stroke-width="3"(.*?)\/>.*?>(.*?)<\/text>/g)];
  assertEquals(keys.map(([, color, dashes = "", name]) => [name, color, dashes !== ""]), [
    ["rewards/chosen", "var(--series-0)", false],
    ["rewards/rejected", "var(--series-1)", false],
    ["rewards/margins", "var(--series-2)", false],
    ["rewards/chosen, held-out", "var(--series-0)", true],
    ["rewards/rejected, held-out", "var(--series-1)", true],
    ["rewards/margins, held-out", "var(--series-2)", true],
  ]);
});

Deno.test("a long run is drawn with no more points than there is room for", () => {
  const page = runRecordPage(supervised(2000));
  const lines = [...page.matchAll(/aria-label="line"[^>]*><path[^>]* d="([^"]*)"/g)];
  // The curve, and the logged values behind it.
  assertEquals(lines.length, 2);
  for (const [, path = ""] of lines) assert(path.split(/[ML]/).length <= 601);
});

Deno.test("a page is named by its folder, also where a shell has completed the name", () => {
  for (const [folder, title] of [["runs/a", "a"], ["runs/a/", "a"], ["/", "/"]] as const) {
    assertStringIncludes(runRecordPage(supervised(0, folder)), `<h1>${title}</h1>`);
  }
});

Deno.test("the rank of an adapter is shown where an adapter is trained", () => {
  const facts = (lora: boolean) => {
    const settings = { ...[run.config.settings].flat()[0], lora, loraRank: 16 };
    const { body: { html } } = settingsSection("r", { ...run.config, settings }, ["sft"]);
    return html.slice(0, html.indexOf("<details"));
  };
  assertStringIncludes(facts(true), "lora-rank");
  assert(!facts(false).includes("lora-rank"));
});

Deno.test("settings that differ between stages stand in a table, others once", () => {
  const settings = [
    { objective: "sft", steps: 3, seed: 1 },
    { objective: "dpo", steps: 3, seed: 1, data: "pairs.jsonl" },
  ];
  const { body: { html } } = settingsSection("r", { ...run.config, settings }, ["sft", "dpo"]);
  assertMatch(html, /<dt>seed<\/dt>\s*<dd>1<\/dd>/);
  assertStringIncludes(html, `<th scope="row">data</th><td class="text"></td>`);
  assert(!html.includes(`<th scope="row">steps</th>`));
  // Only where no stage has data of the user's.
  assert(!html.includes("built-in tasks, conversations"));
});

/** The record of the study with other exact matches. */
function studyOf(change: (arm: string, match: number, seed: number) => number) {
  const { results: { results, chosen } } = study;
  return {
    ...study,
    results: {
      chosen,
      results: results.map((result) => ({
        ...result,
        measures: {
          exact_match: change(result.arm, result.measures.exact_match ?? NaN, result.seed),
        },
      })),
    },
  };
}

Deno.test("a verdict says so where no arm is better, where there is one seed, and one arm", () => {
  const verdict = ({ plan, results }: Pick<typeof study, "plan" | "results">) =>
    verdictOf(studyRows(plan, results));
  const sft = [0.5, 0.55, 0.45];
  const same = verdict(
    studyOf((arm, match, seed) =>
      // One is sft, seed by seed: its interval is 0 alone.
      arm === "ift" ? match - 0.4 : arm === "dpo" ? sft[seed] ?? NaN : match
    ),
  );
  assertEquals(same.map((sentence) => sentence.split(":")[0]), [
    "No arm is better than further SFT in exact match.",
    "Worse than further SFT",
    "Not to be told apart from further SFT",
    "Each interval holds by itself, in 19 of 20 studies",
  ]);
  const { plan, results } = study;
  const first = results.results.filter(({ seed }) => seed === 0);
  assertEquals(verdict({ plan, results: { ...results, results: first } }), [
    "With one seed there are no intervals, so these differences may be chance: ift +0.200, " +
    "dpo +0.010 and ppo -0.200.",
  ]);
  const alone = { plan: { ...plan, arms: plan.arms.slice(0, 1) }, results };
  assertEquals(verdict(alone), [
    "Further SFT is the only arm, so there is nothing that it could be compared with.",
  ]);
  const two = { plan: { ...plan, arms: plan.arms.slice(0, 2) }, results };
  assertEquals(verdict(two), [
    "Better than further SFT in exact match: ift +0.200 [+0.175, +0.225].",
  ]);
});

Deno.test("beliefs are those of the arms that won, the best first, and at most three", () => {
  const { plan, results } = study;
  assertEquals(believers(plan, results), ["base", "sft", "ift", "dpo", "ppo"]);
  const { results: reversed } = studyOf((arm, match) => arm === "ppo" ? 1 : match);
  const more = [...plan.arms, ...plan.arms.slice(-1).map((arm) => ({ ...arm, name: "kto" }))];
  const worst = results.results.filter(({ arm }) => arm === "base")
    .map((result) => ({ ...result, arm: "kto" }));
  assertEquals(
    believers({ ...plan, arms: more }, { ...reversed, results: [...reversed.results, ...worst] }),
    ["base", "sft", "ppo", "ift", "dpo"],
  );
});

Deno.test("a study without questions or answers has no sections of them", () => {
  const page = studyRecordPage({ ...study, beliefs: undefined, answers: [], progress: [] });
  for (const absent of ["What the models believe", "Answers side by side", "On the way"]) {
    assert(!page.includes(absent), absent);
  }
});

Deno.test("a study's claims are judged on its page, corrected for all that were made", () => {
  const claims = ["ift", "dpo", "none"].map((arm) => ({
    ...{ arm, against: "sft", measure: "exact_match", meaning: `${arm} helps` },
  }));
  const page = studyRecordPage({ ...study, plan: { ...study.plan, claims } });
  for (const part of ["ift &gt; sft", "dpo &gt; sft", "dpo helps.", "Bonferroni over 3 claims"]) {
    assertStringIncludes(page, part);
  }
  assert(!page.includes("none &gt; sft"));
});

/** Writes the record of a run to its folder. */
async function writeRun(folder: string, { config, metrics, samples }: RunRecord): Promise<void> {
  const paths = runPaths(folder);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(paths.config, JSON.stringify(config));
  await writeRows(paths.metrics, metrics);
  await writeRows(paths.samples, samples);
}

inFolder("a page of files is that of their record", async (folder) => {
  const record = { ...run, folder: `${folder}/run` };
  await writeRun(record.folder, record);
  assertEquals(await runPage(record.folder), runRecordPage(record));
});

/** Runs a task's command to its end. */
const command = (task: "report" | "compare", ...args: readonly string[]) =>
  ended(start(task, args));

inFolder("the commands: a page of a run, and what makes no sense", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  await trained("--data", data, ...tiny, "--out", `${folder}/run`);
  const { code, stdout, stderr } = await command("report", "--run", `${folder}/run`);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, `${folder}/run/report.html`);
  assertEquals(requestsOf(await Deno.readTextFile(`${folder}/run/report.html`)), []);

  assertEquals((await command("report", "--run", `${folder}/none`)).code, 1);
  const unknown = await command("compare", "--arms", "sft,dop", "--out", `${folder}/study`);
  assertEquals(unknown.code, 1);
  assertStringIncludes(unknown.stderr, `--arms: there is no arm "dop"`);
  const help = await command("compare", "--help");
  assertStringIncludes(help.stdout, "--quick");
  assert(help.stdout.split("\n").every((line) => line.length <= 100));
});
