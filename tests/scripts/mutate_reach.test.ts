/** Which tests run which files, and in what order they are run. */
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { mutantsOf } from "../../scripts/mutate/mutants.ts";
import { reachOf } from "../../scripts/mutate/reach.ts";
import { readRepository } from "../../scripts/mutate/repository.ts";
import { inOrder, testsFor } from "../../scripts/mutate/tests.ts";
import { smallTree, withTree } from "./small_tree.ts";

Deno.test("a file runs the files that have the names it takes, types left out", () =>
  withTree(smallTree, (repository) => {
    const reach = reachOf(repository);
    assertEquals(Object.fromEntries(reach.from("tests/high/quarter.test.ts")), {
      "tests/high/quarter.test.ts": 0,
      "high/quarter.ts": 1,
      // Past mod.ts, which has none of the names.
      "low/half.ts": 2,
      "low/double.ts": 3,
    });
    assertEquals([...reach.from("tests/low/double.test.ts").keys()], [
      "tests/low/double.test.ts",
      "low/double.ts",
    ]);
    assertEquals(
      reach.from("tests/high/program.test.ts").get("high/program.ts"),
      1,
      "a program is started by the name of its task",
    );
  }));

Deno.test("resolution knows packages, their entries and relative paths", () =>
  withTree(smallTree, ({ resolve }) => {
    assertEquals(resolve("@small/low", "high/quarter.ts"), "low/mod.ts");
    assertEquals(resolve("@small/high/quarter", "low/half.ts"), "high/quarter.ts");
    assertEquals(resolve("../low/half.ts", "high/quarter.ts"), "low/half.ts");
    assertEquals(resolve("npm:typescript", "low/half.ts"), undefined);
  }));

Deno.test("tests of the package come first, and among them what is near and quick", () => {
  const tests = [
    { name: "other", args: [], isOwn: false, distance: 1 },
    { name: "far", args: [], isOwn: true, distance: 11 },
    { name: "quick and far", args: [], isOwn: true, distance: 10 },
    { name: "slow", args: [], isOwn: true, distance: 1 },
    { name: "quick", args: [], isOwn: true, distance: 1 },
    { name: "examples", args: [], isOwn: true, distance: 0 },
  ];
  const seconds: Readonly<Record<string, number>> = {
    "slow": 60,
    "quick": 0.4,
    "quick and far": 2,
  };
  assertEquals(
    inOrder(tests, ({ name }) => seconds[name]).map(({ name }) => name),
    ["quick", "examples", "slow", "quick and far", "far", "other"],
  );
});

Deno.test("every file of the packages has tests, its own examples first of all", () => {
  const repository = readRepository(fileURLToPath(new URL("../../", import.meta.url)));
  const tests = testsFor(repository, reachOf(repository));
  const belonging = tests("core/ops/reduce.ts");
  assertEquals(belonging[0]?.args, ["--doc", "core/ops/reduce.ts"]);
  assert(belonging.some(({ name, isOwn }) => isOwn && name === "tests/core/reduce.test.ts"));
  assert(belonging.some(({ name, isOwn }) => !isOwn && name.startsWith("tests/objectives/")));
  assert(!belonging.some(({ name }) => name.startsWith("tests/cli/")), "those start programs");
  const near = tests("cli/terminal/errors.ts").filter(({ distance }) => distance === 0);
  assertEquals(near.map(({ name }) => name), [
    "the examples of cli/terminal/errors.ts",
    "tests/cli/terminal/errors.test.ts",
  ]);
  const files = [...repository.files].filter(([file, text]) =>
    /^(?:core|autodiff|models|objectives|training|cli)\//.test(file) &&
    mutantsOf(file, text).length > 0
  );
  assertEquals(files.filter(([file]) => !tests(file).some(({ isOwn }) => isOwn)), []);
});
