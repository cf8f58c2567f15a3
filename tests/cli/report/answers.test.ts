/** How many answers, rows and columns are shown, and what stands for the rest. */
import { assertEquals } from "@std/assert";
import { placeOf } from "@unitune/training";
import { columnsOf } from "../../../cli/data/forms/recognition.ts";
import { answerSection, rolloutSection } from "../../../cli/report/run_answers.ts";

const rollouts = Array.from({ length: 14 }, (_, step) => ({
  ...{ step, split: "rollouts", prompt: `p${step}`, answer: "a", reward: step % 2 ? step : null },
}));

/** The rows of the table in the only section, each as its texts. */
function rowsIn(sections: ReturnType<typeof rolloutSection>): readonly (readonly string[])[] {
  const [section] = sections;
  const rows = [...(section?.body.html ?? "").matchAll(/<tr>(.*?)<\/tr>/gs)];
  return rows.map(([, row = ""]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = ""]) =>
      cell.replaceAll(/<[^>]*>/g, "").trim()
    )
  );
}

Deno.test("the latest twelve rewarded answers are shown, with those that nobody can judge", () => {
  const [head, ...rows] = rowsIn(rolloutSection(rollouts));
  assertEquals(head, ["prompt", "answer", "reward", "step"]);
  assertEquals(rows.map(([prompt]) => prompt), rollouts.slice(2).map(({ prompt }) => prompt));
  assertEquals(rows.slice(0, 2).map(([, , reward]) => reward), ["unscorable", "3.00"]);
  assertEquals(rolloutSection(rollouts.slice(0, 0)), []);
  assertEquals(answerSection(rollouts), []);
});

Deno.test("answers of the first and the last evaluation stand beside each other", () => {
  const line = (step: number, split: string, prompt: string, answer: string, right?: boolean) => ({
    ...{ step, split, prompt, gold: "g", answer },
    ...right !== undefined && { right },
  });
  const samples = [
    ...[line(0, "a", "p", "x", false), line(0, "b", "p", "y"), line(5, "a", "p", "z")],
    ...[line(9, "a", "p", "g", true), line(9, "a", "q", "w", false), ...rollouts],
  ];
  assertEquals(rowsIn(answerSection(samples)), [
    ["split", "prompt", "gold", "step 0", "step 9"],
    ["a", "p", "g", "x ✗", "g ✓"],
    ["a", "q", "g", "", "w ✗"],
  ]);
  assertEquals(rowsIn(answerSection(samples.slice(0, 2))), [
    ["split", "prompt", "gold", "step 0"],
    ["a", "p", "g", "x ✗"],
    ["b", "p", "g", "y"],
  ]);
});

Deno.test("errors name three rows and twelve columns, and count the rest", () => {
  const answered = (lines: readonly number[]) =>
    lines.map((line) => ({
      ...{ prompt: "p", answer: "a", ids: [], isEnded: true, columns: {} },
      source: { file: "r.jsonl", line },
    }));
  assertEquals(placeOf(answered([3])), "an answer to r.jsonl:3");
  assertEquals(placeOf(answered([3, 3, 5, 8])), "4 answers to r.jsonl:3, r.jsonl:5, r.jsonl:8");
  assertEquals(
    placeOf(answered([1, 2, 3, 4, 5])),
    "5 answers to r.jsonl:1, r.jsonl:2, r.jsonl:3 and 2 more rows",
  );
  const row = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [String.fromCharCode(97 + i), 1]));
  const named = (letters: string) => [...letters].map((name) => `"${name}"`).join(", ");
  assertEquals(columnsOf({}), "none");
  assertEquals(columnsOf(row(12)), named("abcdefghijkl"));
  assertEquals(columnsOf(row(13)), `${named("abcdefghijkl")}, and 1 more`);
  assertEquals(columnsOf({ ["x".repeat(40)]: 1 }), `"${"x".repeat(40)}"`);
  assertEquals(columnsOf({ ["x".repeat(41)]: 1 }), `"${"x".repeat(40)}…" (41 characters)`);
});
