/** The answers of a study's runs on its page: those of the start and of the end, one of each arm, cut. */
import { assert, assertStringIncludes } from "@std/assert";
import { runPaths } from "../../../cli/run/run_paths.ts";
import { liveStudyPage } from "../../../cli/study/study_page.ts";
import { placesOf } from "../../../cli/study/trial.ts";
import { inFolder, writeRows } from "../command.ts";
import { study } from "../report/records.ts";

inFolder("answers are those of the first seed, at the start and at the end", async (folder) => {
  const { plan, results: { results } } = study;
  const arms = plan.arms.slice(0, 2);
  const own = { ...plan, arms, helpers: [], seeds: 2 };
  await Deno.writeTextFile(`${folder}/study.json`, JSON.stringify(own));
  const said = (step: number, answer: string, split = "held-out") => ({
    ...{ step, split, prompt: "sort 31", gold: "13", answer, right: answer === "13" },
  });
  for (
    const result of results.filter(({ seed, arm }) =>
      seed < 2 && arms.some(({ name }) => name === arm)
    )
  ) {
    const places = placesOf(result);
    await Deno.mkdir(`${folder}/${places.measures}`, { recursive: true });
    const file = `${folder}/${places.measures}/${places.file}.json`;
    await writeRows(file, [{ ...result, run: places.run }]);
    const paths = runPaths(`${folder}/${places.run}`);
    await Deno.mkdir(`${folder}/${places.run}`, { recursive: true });
    await writeRows(paths.metrics, []);
    const { arm, seed } = result;
    await writeRows(paths.samples, [
      ...[said(0, "31"), said(4, "never shown"), said(8, seed === 0 ? "13" : "of seed 1")],
      said(8, "of another split", "longer"),
      ...arm === "sft" ? [] : [said(9, "9".repeat(300))],
    ]);
  }
  const { page } = await liveStudyPage(folder);
  const section = page.split("Answers side by side").at(-1) ?? "";
  const text = section.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
  assertStringIncludes(text, ` sort 31 13 13 ✓ sft 31 ✗ base ${"9".repeat(239)}… ✗ ift `);
  for (const absent of ["never shown", "of seed 1", "of another split"]) {
    assert(!page.includes(absent), absent);
  }
});
