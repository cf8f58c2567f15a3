/** What is reported of mutants, and which are explained. */
import { assertEquals } from "@std/assert";
import { equal, tuned } from "../../scripts/mutate/equal.ts";
import { explains, isMeasured } from "../../scripts/mutate/explained.ts";
import { mutantsOf } from "../../scripts/mutate/mutants.ts";
import {
  type Findings,
  isEnough,
  type Judged,
  reportJson,
  reportText,
} from "../../scripts/mutate/report.ts";

const source = "function f(x: number) {\n  return x < 1;\n}\n";
const [mutant] = mutantsOf("core/a.ts", source).filter(({ id }) => id.endsWith("swap"));

function judged(kind: Judged["verdict"]["kind"]): Judged {
  if (mutant === undefined) throw new Error("the source has a comparison");
  const outcome = { kind: "failed", seconds: 1, output: "" } as const;
  const verdicts = {
    killed: { kind: "killed", by: "a.test.ts", outcome },
    survived: { kind: "survived" },
    explained: { kind: "explained", because: "x is an integer" },
    refused: { kind: "refused" },
  } as const;
  return { mutant, verdict: verdicts[kind] };
}

const findings = (kinds: readonly Judged["verdict"]["kind"][]): Findings => ({
  seed: 3,
  judged: kinds.map(judged),
  failing: [],
});

Deno.test("the report has survivors with their change, and ends with the counts", () => {
  const text = reportText(findings(["killed", "survived", "explained", "refused"]));
  assertEquals(text.split("\n"), [
    "survived: core/a.ts:2 (f)",
    "  - return x < 1;",
    "  + return x <= 1;",
    "  deno task mutate --only core/a.ts:2:12:swap",
    "explained: core/a.ts:2:12:swap: x is an integer",
    "seed 3: 50.0 % killed, expected at least 95 %; 1 more do not type-check",
    "3 mutants, 1 killed, 1 survived, 1 explained",
  ]);
});

Deno.test("JSON has the counts and every mutant, without the text of its file", () => {
  const { mutants, ...rest } = JSON.parse(reportJson(findings(["killed", "refused"])));
  assertEquals(rest, { seed: 3, failing: [], killed: 1, survived: 0, explained: 0, refused: 1 });
  assertEquals(mutants[0], {
    id: "core/a.ts:2:12:swap",
    file: "core/a.ts",
    line: 2,
    inside: "f",
    before: "  return x < 1;",
    after: "  return x <= 1;",
    kind: "killed",
    by: "a.test.ts",
    how: "failed",
  });
});

Deno.test("19 of 20 are enough, without those that are explained or refused", () => {
  const killed = Array.from({ length: 19 }, () => "killed" as const);
  assertEquals(isEnough(findings([...killed, "survived"])), true);
  assertEquals(isEnough(findings([...killed.slice(1), "explained", "refused", "survived"])), false);
  assertEquals(isEnough(findings([])), true);
});

Deno.test("every explanation is about a change of the code as it is, and gives a reason", async () => {
  const root = new URL("../../", import.meta.url);
  for (const [file, own] of Map.groupBy([...equal, ...tuned], ({ file }) => file)) {
    const mutants = mutantsOf(file, await Deno.readTextFile(new URL(file, root)));
    for (const explanation of own) {
      const isFound = mutants.some((mutant) => explains(explanation, mutant));
      assertEquals(isFound && explanation.because !== "", true, JSON.stringify(explanation));
    }
  }
});

Deno.test("all mutants are explained of constants of numbers only, never of what decides by them", async () => {
  const root = new URL("../../", import.meta.url);
  for (const { file, inside } of tuned) {
    assertEquals(isMeasured(await Deno.readTextFile(new URL(file, root)), inside), true, inside);
  }
  for (
    const [declared, expected] of [
      ["const A = 2 ** 20;", true],
      ["const A: Costs = { exp: 10, of: { log: 3 - 1 } } as const;", true],
      ["let A = 2;", false],
      ["const A = x < 2;", false],
      ["const A = { exp: () => 2 };", false],
      ["const A = f(2);", false],
      ["function A() { return 2; }", false],
      ["const B = 2;", false],
    ] as const
  ) assertEquals(isMeasured(declared, "A"), expected, declared);
  const table = "const A = { of: { exp: 3, f: () => 2 }, log: 4 };";
  for (
    const [path, expected] of [
      ["A", false],
      ["A.of", false],
      ["A.of.exp", true],
      ["A.of.f", false],
      ["A.exp", false],
      ["A.log", true],
      ["A.log.exp", false],
    ] as const
  ) assertEquals(isMeasured(table, path), expected, path);
  const tuning = { file: "a.ts", inside: "A", because: "of its speed" };
  const mutant = (inside: string) => ({ file: "a.ts", inside, before: "1", after: "2" });
  assertEquals(["A", "A.exp", "AB", "B.A"].map((inside) => explains(tuning, mutant(inside))), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("an explanation is told by file, function and lines, whatever the indentation", () => {
  if (mutant === undefined) throw new Error("the source has a comparison");
  const explanation = {
    file: "core/a.ts",
    inside: "f",
    before: "return x < 1;",
    after: "return x <= 1;",
    because: "x is an integer",
  };
  assertEquals(explains(explanation, mutant), true);
  for (const other of ["file", "inside", "before", "after"] as const) {
    assertEquals(explains({ ...explanation, [other]: "another" }, mutant), false);
  }
});
