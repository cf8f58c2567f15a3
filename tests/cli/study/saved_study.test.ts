/** A plan or results that were changed by hand are refused, whichever part of them it is. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import { bestPoint, isStudyResults } from "../../../cli/study/results.ts";
import { primaryOf } from "../../../cli/study/primary.ts";
import {
  isStudyFinished,
  keepPlan,
  readPlan,
  readStudy,
  writeResults,
} from "../../../cli/study/saved_study.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { inFolder } from "../command.ts";

const arm = { name: "sft", about: "more", settings: { objective: "sft" } };
const plan = {
  ...{ seeds: 2, selectionSeeds: 1, rates: [0.1, 0.2], isWholeGrid: false, samples: 3 },
  ...{ arms: [arm], helpers: [arm], base: {}, shared: {} },
};

/** Parts of a plan that are none. */
const wrong: readonly Readonly<Record<string, unknown>>[] = [
  ...[10_001, -1, 0.5, "2", null].map((seeds) => ({ seeds })),
  ...[-1, 1.5, "1", null].map((selectionSeeds) => ({ selectionSeeds })),
  ...[2 ** 31, -1, 0.5, "0"].map((firstSeed) => ({ firstSeed })),
  ...[-1, null].flatMap((count) => [{ samples: count }, { probed: count }, { projected: count }]),
  ...[null, {}, "0.1", [0.1, "0.2"], ["0.1", 0.2]].map((rates) => ({ rates })),
  ...[null, {}, [arm, 1], [arm, { ...arm, name: 1 }], [arm, { ...arm, settings: 1 }], [[]]].flatMap(
    (list) => [{ arms: list }, { helpers: list }],
  ),
  ...[null, 1, []].flatMap((part) => [{ base: part }, { shared: part }]),
  ...[null, 1, ["deno"]].map((command) => ({ command })),
];

const right: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { seeds: 10_000, firstSeed: 2 ** 31 - 1, probed: 0, projected: 0, command: "deno task compare" },
  { seeds: 0, selectionSeeds: 0, firstSeed: 0, samples: 0, rates: [], arms: [], helpers: [] },
];

inFolder("a plan is read if each of its parts is one", async (folder) => {
  const write = (value: unknown) =>
    Deno.writeTextFile(`${folder}/study.json`, JSON.stringify(value));
  for (const part of right) {
    await write({ ...plan, ...part });
    assertEquals(await readPlan(folder), { ...plan, ...part });
  }
  for (const value of [...wrong.map((part) => ({ ...plan, ...part })), null, [], 1]) {
    await write(value);
    await assertRejects(() => readPlan(folder), UserError, "is not a study's plan: it was changed");
  }
});

const result = {
  ...{ arm: "sft", point: "p", seed: 0, run: "runs/sft", measures: { exact_match: 0.5 } },
  ...{ cost: { examples: 1, forwardTokens: 2, backwardTokens: 3 }, weights: "" },
};

Deno.test("results are those of a study if each of them is one", () => {
  const isTaken = (results: unknown, chosen: unknown = { sft: "p" }) =>
    isStudyResults({ chosen, results });
  assertEquals([isTaken([result]), isTaken([]), isTaken([result], {})], [true, true, true]);
  for (const chosen of [null, [], "p", { sft: 1 }, { sft: "p", ift: null }]) {
    assertEquals(isTaken([result], chosen), false, JSON.stringify(chosen));
  }
  for (const results of [null, {}, [null], [result, {}], [{}, result]]) {
    assertEquals(isTaken(results), false, JSON.stringify(results));
  }
  for (const value of [null, 1, [], "results"]) assertEquals(isStudyResults(value), false);
});

Deno.test("the best point has most of what decides, or least of it; what was not measured is worst", () => {
  const point = (name: string) => ({ name, settings: {} });
  const tried = (name: string, measure: string, values: readonly (number | undefined)[]) => ({
    point: point(name),
    results: values.map((value) => ({
      ...result,
      measures: value === undefined ? {} : { [`validation/${measure}`]: value },
    })),
  });
  const best = (
    name: "exact_match" | "own_kl",
    points: Readonly<Record<string, readonly (number | undefined)[]>>,
  ) =>
    bestPoint(
      Object.entries(points).map(([point, values]) => tried(point, name, values)),
      primaryOf({ primary: name }),
    )?.name;
  assertEquals(best("exact_match", { a: [0.5, 0.5], b: [0.25, 0.5], c: [0.5, undefined] }), "a");
  assertEquals(
    best("exact_match", { a: [0.25, 0], b: [0.25, undefined], c: [0.5, undefined] }),
    "c",
  );
  // Of equally good ones the first.
  assertEquals(best("exact_match", { a: [undefined, 0.5], b: [0, 0.5] }), "a");
  assertEquals(best("exact_match", { b: [0, 0.5], a: [undefined, 0.5] }), "b");
  assertEquals(best("own_kl", { a: [0.5, 0.5], b: [0.25, 0.5], c: [0.1, undefined] }), "b");
  assertEquals(best("own_kl", {}), undefined);
});

inFolder("a study is kept as text, held by one process, and known by its plan", async (folder) => {
  const path = `${folder}/study`;
  const small = studyPlan({ quick: true, noise: 0, arms: "dpo" });
  const command = "deno task compare --quick";
  {
    using _ = await keepPlan(path, small, command);
    assertEquals(
      await Deno.readTextFile(`${path}/study.json`),
      `${JSON.stringify({ command, ...small }, null, 1)}\n`,
    );
    await assertRejects(() => keepPlan(path, small, command), UserError, "another process");
  }
  {
    using _ = await keepPlan(path, small, "another command");
    assertEquals(await readPlan(path), { command, ...small });
    assertEquals(await isStudyFinished(path), false);
    const results = { chosen: { sft: "p" }, results: [result] };
    await writeResults(path, results);
    assertEquals(
      await Deno.readTextFile(`${path}/results.json`),
      `${JSON.stringify(results, null, 1)}\n`,
    );
    assertEquals(await isStudyFinished(path), true);
    assertEquals(await readStudy(path), { command, plan: small, results });
  }
  const { message } = await assertRejects(
    () => keepPlan(path, studyPlan({ quick: true, noise: 0, arms: "ift" }), command),
    UserError,
  );
  assertEquals(message, `${path} holds another study: resume it by ${command}, or give --out`);
  // Nobody holds it now.
  (await keepPlan(path, small, command))[Symbol.dispose]();
});
