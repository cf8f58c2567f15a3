/** Mutants in copies of a small tree: tests notice them, come to no end, or pass. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  baselinesOf,
  type CoveredRunner,
  linesIn,
  linesRun,
} from "../../scripts/mutate/baselines.ts";
import { copyTree } from "../../scripts/mutate/copy.ts";
import { judge, type Runner } from "../../scripts/mutate/judge.ts";
import { mutantsOf } from "../../scripts/mutate/mutants.ts";
import { runTests, type TestUnit } from "../../scripts/mutate/run.ts";
import { smallTree, withTree } from "./small_tree.ts";

const [double, quarter]: readonly TestUnit[] = [
  { name: "double", args: ["tests/low/double.test.ts"] },
  { name: "quarter", args: ["tests/high/quarter.test.ts"] },
];

/** `deno.lock` names nothing, since nothing outside of the tree is imported. */
const tree = { ...smallTree, "deno.lock": '{"version":"5"}' };

/** Runs tests, and notes the lines in a folder. */
const covered = (folder: string): CoveredRunner => async (unit, copy, limit) => {
  const coverage = `${folder}${unit.name}`;
  const outcome = await runTests(unit, copy, limit, { coverage });
  return { outcome, lines: await linesRun(coverage, copy) };
};

Deno.test("a mutant is killed by the test that fails, and the tree stays as it is", () =>
  withTree(tree, async ({ root, files }, place) => {
    assert(double !== undefined && quarter !== undefined);
    const changed = copyTree(root, `${place}changed/`);
    const unchanged = copyTree(root, `${place}unchanged/`);
    const baselines = baselinesOf(covered(`${place}coverage/`), unchanged);
    const file = "low/double.ts";
    const text = files.get(file) ?? "";
    const verdictOf = (text: string) =>
      judge({ file, line: 3, text }, [double, quarter], changed, runTests, baselines);

    const killed = await verdictOf(text.replace("2 * x", "3 * x"));
    assertEquals(killed.kind === "killed" && killed.by, "double");
    assertStringIncludes(killed.kind === "killed" ? killed.outcome.output : "", "2 * 2 is 4");
    assertEquals(await verdictOf(text.replace("2 * x", "x + x")), { kind: "survived" });
    assertEquals(baselines.failing(), []);
    const lines = (await baselines.of(quarter))?.lines;
    assertEquals([...lines?.get(file) ?? []], [2, 3, 4]);
    assertEquals(lines?.has("tests/high/quarter.test.ts"), false);
    for (const copy of [root, changed.root]) {
      assertEquals(await Deno.readTextFile(copy + file), text);
    }
  }));

Deno.test("a test that comes to no end is ended, with all that it started", () =>
  withTree({
    ...tree,
    "tests/endless.test.ts": 'Deno.test("endless", async () => {\n' +
      "  const child = new Deno.Command(Deno.execPath(), {\n" +
      '    args: ["eval", "setInterval(() => {}, 1000)"],\n' +
      "  }).spawn();\n" +
      "  await Deno.writeTextFile(`${Deno.cwd()}/pid`, String(child.pid));\n" +
      "  await child.status;\n});\n",
  }, async ({ root }, place) => {
    const copy = copyTree(root, `${place}changed/`);
    const unit = { name: "endless", args: ["tests/endless.test.ts"] };
    // Ended as soon as it has started a process, which writes to the same output: as long as that
    // lives, the output is not at its end.
    const stop = new AbortController();
    const watcher = setInterval(() => {
      try {
        if (Deno.readTextFileSync(`${copy.root}pid`) !== "") stop.abort();
      } catch {
        // Not yet written.
      }
    }, 50);
    const { kind } = await runTests(unit, copy, 300, { signal: stop.signal });
    clearInterval(watcher);
    assertEquals(kind, "timed out");
    // Asked to stop before: nothing is waited for.
    const late = await runTests(unit, copy, 300, { signal: AbortSignal.abort() });
    assertEquals(late.kind, "timed out");
  }));

/** Answers of tests from a table, by the names of test and copy; they note what was run. */
function scripted(
  answers: Readonly<Record<string, "passed" | "failed" | "timed out">>,
  lines: Readonly<Record<string, readonly number[]>>,
) {
  const runs: [string, number][] = [];
  const run: Runner = ({ name }, { environment: { TMPDIR: where } }, limit) => {
    runs.push([`${name} ${where}`, limit]);
    const kind = answers[`${name} ${where}`] ?? "passed";
    return Promise.resolve({ kind, seconds: 2, output: "" });
  };
  const runCovered: CoveredRunner = async (unit, copy, limit) => {
    const ran = lines[unit.name];
    return {
      outcome: await run(unit, copy, limit),
      lines: new Map(ran === undefined ? [] : [["low/double.ts", new Set(ran)]]),
    };
  };
  const places = { root: "", environment: { TMPDIR: "unchanged" } };
  return { run, runs, baselines: baselinesOf(runCovered, places) };
}

/** The verdict of scripted tests on a change of the third line, with what was run for it. */
async function scriptedVerdict(
  answers: Parameters<typeof scripted>[0],
  lines: Parameters<typeof scripted>[1],
  within?: number,
) {
  const { run, runs, baselines } = scripted(answers, lines);
  const units = ["first", "second", "third"].map((name) => ({ name, args: [] }));
  let verdict: Awaited<ReturnType<typeof judge>> | undefined;
  await withTree(tree, async ({ root }) => {
    const mutant = { file: "low/double.ts", line: 3, text: "" };
    verdict = await judge(
      mutant,
      units,
      { root, environment: { TMPDIR: "changed" } },
      run,
      baselines,
      within,
    );
  });
  const names = runs.map(([name]) => name).filter((name) => name.endsWith(" changed"));
  return { verdict, changed: names, runs, failing: baselines.failing() };
}

Deno.test("only tests that run the line are run, each in a time relative to that without the change", async () => {
  const { verdict, changed, runs } = await scriptedVerdict(
    { "second changed": "timed out" },
    { first: [1, 2], second: [2, 3], third: [3] },
  );
  assertEquals(verdict?.kind === "killed" && [verdict.by, verdict.outcome.kind], [
    "second",
    "timed out",
  ]);
  assertEquals(changed, ["second changed"]);
  // 10 minutes at most without the change; with it, 5 times its 2 s, and 20 s to start.
  assertEquals(runs, [
    ["first unchanged", 600],
    ["second unchanged", 600],
    ["second changed", 30],
  ]);
});

Deno.test("a test that fails without the change judges nothing", async () => {
  const { verdict, changed, failing } = await scriptedVerdict(
    { "second unchanged": "failed", "second changed": "failed" },
    { first: [3], second: [3], third: [3] },
  );
  assertEquals(verdict, { kind: "survived" });
  assertEquals(changed, ["first changed", "third changed"]);
  assertEquals(failing, ["second"]);
});

Deno.test("where no test runs the line, those are run that load the file, or import it", async () => {
  const { verdict, changed } = await scriptedVerdict(
    { "third changed": "failed" },
    { first: [1], third: [] },
  );
  assertEquals(verdict?.kind === "killed" && verdict.by, "third");
  assertEquals(changed, ["first changed", "third changed"]);
  const passing = await scriptedVerdict({}, { first: [1], third: [] });
  assertEquals(passing.verdict, { kind: "survived" });
  // A thread of its own, whose lines nobody notes.
  const unseen = await scriptedVerdict({ "third changed": "failed" }, {});
  assertEquals(unseen.verdict?.kind, "killed");
  assertEquals(unseen.changed, ["first changed", "second changed", "third changed"]);
});

Deno.test("tests that run the line are begun within the time", async () => {
  for (const covered of [[3], []]) {
    const lines = { first: covered, second: covered, third: covered };
    const answers = { "third changed": "failed" } as const;
    const short = await scriptedVerdict(answers, lines, 4);
    assertEquals(short.verdict, { kind: "survived" });
    assertEquals(short.changed, ["first changed", "second changed"]);
    const long = await scriptedVerdict(answers, lines, 5);
    assertEquals(long.verdict?.kind, "killed");
  }
});

Deno.test("a test is run once without the change, however many mutants it judges", async () => {
  const { baselines, runs } = scripted({}, { first: [3] });
  const unit = { name: "first", args: [] };
  assertEquals(baselines.known(unit), undefined);
  const [a, b] = await Promise.all([baselines.of(unit), baselines.of(unit)]);
  assert(a !== null && a === b);
  assertEquals([runs.length, baselines.known(unit)], [1, 2]);
  // It counts as its fastest run.
  assertEquals([baselines.passed(unit, 3), baselines.passed(unit, 1)], [2, 1]);
  assertEquals(baselines.known(unit), 1);
});

Deno.test("a report of coverage has the lines that were run, by file", () => {
  const report = "TN:\nSF:/tree/low/a.ts\nFN:1,f\nDA:1,2\nDA:2,0\nDA:10,1\nLH:2\nend_of_record\n" +
    "SF:/tree/b.ts\nDA:1,0\nend_of_record\nSF:/elsewhere/c.ts\nDA:1,1\nend_of_record\n";
  const lines = linesIn(report, "/tree/");
  assertEquals([...lines].map(([file, ran]) => [file, [...ran]]), [
    ["low/a.ts", [1, 10]],
    ["b.ts", []],
  ]);
});

Deno.test("a mutant of the small tree that loops forever is one of those that are killed", () => {
  const ids = mutantsOf("low/half.ts", smallTree["low/half.ts"] ?? "").map(({ after }) => after);
  assert(ids.some((after) => after.includes("y += 0.5")), ids.join("\n"));
});
