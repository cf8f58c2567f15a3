/** What is printed fits 80 columns, broken between words only. */
import { assert, assertEquals } from "@std/assert";
import { sampleLines } from "../../../cli/report/summary.ts";
import { arms } from "../../../cli/study/arms.ts";
import type { StudyPlan } from "../../../cli/study/plan.ts";
import { shownMeasures, studyLines, studyRemarks, studyRows } from "../../../cli/study/table.ts";
import {
  alignTable,
  definitionList,
  showCount,
  WIDTH,
  wrapText,
  wrapWords,
} from "../../../cli/terminal/layout.ts";
import { estimateOf, fitTable } from "@unitune/cli";
import fc from "fast-check";
import { ended, inFolder, start, trained } from "../command.ts";
import { assertFits } from "../fits.ts";

const words = fc.array(
  fc.string({ minLength: 1, maxLength: 30 }).map((word) => word.replaceAll(/\s/g, "x")),
);

Deno.test("a number has three digits and a word for its power of 1000, up to trillions", () => {
  const shown = {
    ...{ 0: "0", 1: "1", 0.25: "0.25", 999: "999", 1000: "1 thousand", 9876: "9.88 thousand" },
    ...{ 999_499: "999 thousand", 1e6: "1 million", 2.5e9: "2.5 billion", 1e12: "1 trillion" },
    1e16: "10000 trillion",
  };
  for (const [count, text] of Object.entries(shown)) assertEquals(showCount(Number(count)), text);
});

Deno.test("wrapped words are the same words, and only a long one exceeds its line", () => {
  fc.assert(fc.property(words, fc.integer({ min: 1, max: 90 }), (words, columns) => {
    const lines = wrapWords(words.join(" "), columns);
    assertEquals(lines.join(" "), words.join(" "));
    for (const line of lines) assert(line.length <= columns || !line.includes(" "), line);
  }));
});

Deno.test("a paragraph is wrapped, a command is kept", () => {
  const command = `  deno task train --out ${"a".repeat(90)} --steps 3`;
  const paragraph = "word ".repeat(40).trimEnd();
  const [kept, ...lines] = wrapText(`${command}\n${paragraph}`, "    ").split("\n");
  assertEquals(kept, command);
  assertEquals(lines.map((line) => /^ */.exec(line)?.[0].length), [0, 4, 4]);
  assertEquals(lines.map((line) => line.trim()).join(" "), paragraph);
  for (const line of lines) assert(line.length <= WIDTH);
});

Deno.test("a wide table is broken between columns: every cell is there, under its head", () => {
  const cell = fc.stringMatching(/^[a-z0-9.]{1,14}$/);
  const rows = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.array(fc.array(cell, { minLength: count, maxLength: count }), {
      minLength: 1,
      maxLength: 4,
    })
  );
  fc.assert(fc.property(rows, fc.integer({ min: 30, max: 90 }), (rows, columns) => {
    const lines = fitTable(rows, columns);
    for (const line of lines) assert(line.length <= columns, line);
    const blocks = lines.join("\n").split("\n\n").map((block) =>
      block.split("\n").map((line) => line.split(/ +/))
    );
    assertEquals(
      rows.map((row, i) => [
        row[0],
        ...blocks.flatMap((block) => (block[i] ?? []).slice(1)),
      ]),
      rows,
    );
  }));
});

Deno.test("the help of every command fits", async () => {
  for (const task of ["train", "sample", "report", "compare", "objectives"] as const) {
    const { code, stdout } = await ended(start(task, ["--help"]));
    assertEquals(code, 0, task);
    assertFits(stdout);
  }
});

Deno.test("the table of a study with every arm and measure fits, and its remarks", () => {
  const cost = { examples: 51_200, forwardTokens: 2_674_000, backwardTokens: 891_000 };
  const seeds = [0, 1, 2, 3, 4];
  const measures = Object.fromEntries(
    [
      ...shownMeasures.map(({ measure }) => measure),
      ...["validation/exact_match", "exact_match/pick", "pairs/margin", "pairs/margin_before"],
      "pairs/accuracy",
    ].map((name) => [name, -0.123]),
  );
  const names = ["base", ...arms.map(({ name }) => name)];
  const results = {
    chosen: Object.fromEntries(names.map((name) => [name, "learningRate-0.0003,lambda-0.2"])),
    results: names.flatMap((arm) =>
      seeds.map((seed) => ({
        ...{ arm, point: "learningRate-0.0003,lambda-0.2", seed, run: "runs/a", cost, weights: "" },
        measures: Object.fromEntries(
          Object.entries(measures).map(([name, value]) => [name, value * (seed + 1)]),
        ),
      }))
    ),
  };
  const plan: StudyPlan = {
    ...{ seeds: seeds.length, selectionSeeds: 2, arms, rates: [1e-3], isWholeGrid: true },
    ...{ helpers: [], base: {}, shared: { noise: 0.2 }, samples: 8 },
  };
  const lines = studyLines(studyRows(plan, results));
  for (const line of lines) assertFits(line);
  // Nothing is left out for it.
  for (const { title } of shownMeasures) assert(lines.some((line) => line.includes(title)), title);
  assertEquals(lines.filter((line) => line.startsWith("ift-propagation ")).length, 5);
  assertEquals(estimateOf([1]).mean, 1);
  for (const remark of studyRemarks(plan, results)) assertFits(wrapText(remark, "  "));
});

Deno.test("questions and answers fit on their lines, however long they are", () => {
  const text = "many words ".repeat(20);
  const question = {
    kind: "add",
    prompt: text,
    gold: text,
    ids: [],
    sequence: { ids: [], mask: [] },
  };
  const answer = { question, text, isRightForced: false };
  const lines = sampleLines([{ ...answer, isRight: false }, { ...answer, isRight: true }]);
  assertEquals(lines.length, 2);
  for (const line of [...lines, ...sampleLines([{ ...answer, isRight: undefined }])]) {
    assertFits(line);
  }
});

inFolder("the tables, answers and hints of a run in stages fit", async (folder) => {
  const { stdout, stderr } = await trained(
    ...["--layers", "1", "--heads", "1", "--width", "8", "--examples", "40", "--device", "wasm"],
    ...["--objective", "sft,reward-model,scheduled-sampling", "--steps", "2"],
    ...["--batch-size", "8", "--warmup-steps", "0", "--logging-steps", "1"],
    ...["--out", `${folder}/run`],
  );
  // What comes before are sentences, which are broken on a terminal only.
  const [introduction = "", results = ""] = stdout.split(/(?<=^run: .*)$/m);
  // The length of a user's path is theirs.
  const named = (text: string) => text.replaceAll(folder, "runs");
  assertFits(named(results));
  assertFits(wrapText(named(introduction)));
  assertFits(named(stderr));
  // The boundary between stages is there, for each of the splits.
  for (const stage of ["before", "after sft", "after reward-model", "after scheduled-sampling"]) {
    assertEquals(results.match(new RegExp(`^held-out, ${stage} `, "gm"))?.length, 3, stage);
  }
});

Deno.test("terms stand beside their lines, columns beside each other, as wide as they have to be", () => {
  assertEquals(definitionList([["a", ["one two", "three"]], ["long", []], ["bc", ["four"]]], 10), [
    ...["a     one", "      two", "      three", "bc    four"],
  ]);
  assertEquals(definitionList([]), []);
  const [line = "", ...more] = definitionList([["a", [`${"x".repeat(38)} ${"y".repeat(38)}`]]]);
  assertEquals([line.length, more], [3 + 77, []]);
  assertEquals(definitionList([["a", [`${"x".repeat(38)} ${"y".repeat(39)}`]]]).length, 2);
  // The first column is to the left, the others to the right; a short row has empty cells.
  assertEquals(alignTable([["a", "bb", "c"], ["long", "d"], []]), [
    ...["a     bb  c", "long   d", ""],
  ]);
});
