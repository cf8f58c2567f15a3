/** The second study: its document has what the command prints from the committed results. */
import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { openCompact } from "../../../cli/study/compact.ts";
import { planDigest } from "../../../cli/study/plan.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { compare, inFolder } from "../command.ts";

/** A Markdown text without what its formatter changes. */
const plain = (text: string) => text.replaceAll(/-+:?/g, "-").replaceAll(/\s+/g, " ").trim();

inFolder("docs/study_two.md has the tables of docs/study_two.json", async (folder) => {
  const study = `${folder}/study`;
  // All trials are in the file, so nothing is trained.
  const given = ["--results", "docs/study_two.json", "--out", study];
  const { code, stdout } = await compare("--study", "exposure", ...given);
  assertEquals(code, 0);
  // The claims follow the arms.
  assertMatch(stdout, /^claim .*\nift > sft /m);
  assertStringIncludes(stdout, "adjusted by Holm");
  const printed = (await Deno.readTextFile(`${study}/study.md`)).split("\n\n");
  const tables = printed.filter((part) => part.startsWith("|"));
  assertGreater(tables.length, 4);
  const document = plain(await Deno.readTextFile("docs/study_two.md"));
  for (const table of tables) assertStringIncludes(document, plain(table));
  const plan = planDigest(studyPlan({ study: "exposure", quick: false, noise: 0 }));
  assertStringIncludes(document, plan);
  // Of every trial it is known by what code, from what settings, and to what weights.
  const path = "docs/study_two.json";
  const trials = (await openCompact({ path, study: "exposure", plan, commit: undefined })).all();
  assertGreater(trials.length, 300);
  for (const { commit, settings, weights } of trials) {
    for (const digest of [commit, settings, weights]) assertMatch(digest, /^[0-9a-f]{16,}$/);
  }
});
