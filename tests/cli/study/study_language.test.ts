/**
 * The study on a pretrained language model: its plan and its document are those of the committed
 * results. The files that it read are known by their digests, which the page of the plan has.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { claimCells, judgedClaims } from "../../../cli/study/claims.ts";
import { openCompact } from "../../../cli/study/compact.ts";
import { countTrials, planDigest } from "../../../cli/study/plan.ts";
import { planMarkdown } from "../../../cli/study/plan_text.ts";
import { timeTable } from "../../../cli/study/schedule.ts";
import { studies, studyPlan } from "../../../cli/study/studies.ts";
import { carryOutStudy } from "../../../cli/study/study.ts";
import { markdownTable, studyMarkdown } from "../../../cli/study/table.ts";
import { silentProgress } from "../../../cli/terminal/progress.ts";
import { inFolder } from "../command.ts";

/** A Markdown text without what its formatter changes. */
const plain = (text: string) => text.replaceAll(/-+:?/g, "-").replaceAll(/\s+/g, " ").trim();

const [model, teacher, data] = ["lm/student", "lm/teacher", "gsm8k.jsonl"] as const;
const page = await Deno.readTextFile("docs/study_language_plan.md");

/** The digest that the page of the plan has of a file. */
function digestOf(path: string): string {
  const [, digest] = new RegExp(`\`${path}\`\\s+\\(SHA-256\\s+\`([0-9a-f]{64})\`\\)`).exec(page) ??
    [];
  assert(digest !== undefined, path);
  return digest;
}

const plan = studyPlan({
  ...{ study: "language", quick: false, noise: 0 },
  material: {
    ...{ model, teacher, data },
    columns: { promptColumn: "question", completionColumn: "answer" },
    files: Object.fromEntries([model, teacher, data].map((path) => [path, digestOf(path)])),
  },
});

Deno.test("docs/study_language_plan.md has the plan that the command carries out", () => {
  assertStringIncludes(plain(page), plain(planMarkdown(plan)));
  assertEquals(plan.claims?.length, studies.language.whole.claims?.length);
});

inFolder("docs/study_language.md has the tables of docs/study_language.json", async (folder) => {
  const path = "docs/study_language.json";
  const compact = await openCompact({
    ...{ path, study: "language", plan: planDigest(plan), commit: undefined },
  });
  const trials = compact.all();
  assertEquals(trials.length, countTrials(plan));
  for (const { commit, settings, weights } of trials) {
    for (const digest of [commit, settings, weights]) assertMatch(digest, /^[0-9a-f]{16,}$/);
  }
  // All trials are in the file, so nothing is trained.
  const results = await carryOutStudy({
    ...{ folder: `${folder}/study`, plan, compact, hands: [], device: "wasm" },
    progress: silentProgress,
    signal: new AbortController().signal,
  });
  assert(results !== undefined);
  const tables = [
    markdownTable(claimCells(judgedClaims(plan, results))),
    ...studyMarkdown(plan, results).split("\n\n"),
    markdownTable(timeTable(plan, trials).cells),
  ];
  assertGreater(tables.length, 3);
  const document = plain(await Deno.readTextFile("docs/study_language.md"));
  for (const table of tables) assertStringIncludes(document, plain(table));
  assertStringIncludes(document, planDigest(plan));
});
