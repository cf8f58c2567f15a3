/** Mutants in copies of a small tree: tests notice them, come to no end, or pass. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copyTree } from "../../scripts/mutate/copy.ts";
import { judge, type Runner, timingsOf } from "../../scripts/mutate/judge.ts";
import { mutantsOf } from "../../scripts/mutate/mutants.ts";
import { runTests, type TestUnit } from "../../scripts/mutate/run.ts";
import { smallTree, withTree } from "./small_tree.ts";

const [double, quarter]: readonly TestUnit[] = [
  { name: "double", args: ["tests/low/double.test.ts"] },
  { name: "quarter", args: ["tests/high/quarter.test.ts"] },
];

/** `deno.lock` names nothing, since nothing outside of the tree is imported. */
const tree = { ...smallTree, "deno.lock": '{"version":"5"}' };

Deno.test("a mutant is killed by the test that fails, and the tree stays as it is", () =>
  withTree(tree, async ({ root, files }, place) => {
    assert(double !== undefined && quarter !== undefined);
    const changed = copyTree(root, `${place}changed/`);
    const unchanged = copyTree(root, `${place}unchanged/`);
    const timings = timingsOf(runTests, unchanged);
    const file = "low/double.ts";
    const text = files.get(file) ?? "";
    const verdictOf = (text: string) =>
      judge({ file, text }, [double, quarter], changed, runTests, timings);

    const killed = await verdictOf(text.replace("2 * x", "3 * x"));
    assertEquals(killed.kind === "killed" && killed.by, "double");
    assertStringIncludes(killed.kind === "killed" ? killed.outcome.output : "", "2 * 2 is 4");
    assertEquals(await verdictOf(text.replace("2 * x", "x + x")), { kind: "survived" });
    assertEquals(timings.failing(), []);
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
    const { kind } = await runTests(unit, copy, 300, stop.signal);
    clearInterval(watcher);
    assertEquals(kind, "timed out");
    // Asked to stop before: nothing is waited for.
    const late = await runTests(unit, copy, 300, AbortSignal.abort());
    assertEquals(late.kind, "timed out");
  }));

/** A runner that answers from a table and notes the limits that it was given. */
function scripted(answers: Readonly<Record<string, "passed" | "failed" | "timed out">>) {
  const limits: [string, number][] = [];
  const run: Runner = ({ name }, { temporary: where }, limit) => {
    limits.push([`${name} ${where}`, limit]);
    return Promise.resolve({
      kind: answers[`${name} ${where}`] ?? "passed",
      seconds: 2,
      output: "",
    });
  };
  return { run, limits };
}

Deno.test("only what passes without the change can kill, in a time relative to that", () =>
  withTree(tree, async ({ root }) => {
    const [changed, unchanged] = ["changed", "unchanged"].map((temporary) => ({ root, temporary }));
    assert(changed !== undefined && unchanged !== undefined);
    const mutant = { file: "low/double.ts", text: "" };
    const units = ["first", "second"].map((name) => ({ name, args: [] }));
    const verdictOf = (run: Runner) =>
      judge(mutant, units, changed, run, timingsOf(run, unchanged));

    const late = scripted({ "second changed": "timed out" });
    const verdict = await verdictOf(late.run);
    assertEquals(verdict.kind === "killed" && [verdict.by, verdict.outcome.kind], [
      "second",
      "timed out",
    ]);
    assertEquals(late.limits.map(([name]) => name), [
      "first changed",
      "second changed",
      "second unchanged",
    ]);

    const broken = scripted({ "second changed": "failed", "second unchanged": "failed" });
    assertEquals(await verdictOf(broken.run), { kind: "survived" });

    const again = scripted({});
    const timings = timingsOf(again.run, unchanged);
    await judge(mutant, units, changed, again.run, timings);
    await judge(mutant, units, changed, again.run, timings);
    // 2 s without the change: 5 times that, and 20 s to start.
    assertEquals(again.limits.slice(2).map(([, limit]) => limit), [30, 30]);
  }));

Deno.test("a mutant of the small tree that loops forever is one of those that are killed", () => {
  const ids = mutantsOf("low/half.ts", smallTree["low/half.ts"] ?? "").map(({ after }) => after);
  assert(ids.some((after) => after.includes("y += 0.5")), ids.join("\n"));
});
