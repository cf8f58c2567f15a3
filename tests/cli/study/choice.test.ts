/** Which arms, seeds and points a study has, of those that are chosen. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import { gridOf } from "../../../cli/study/arms.ts";
import { byKind } from "../../../cli/study/exposure/readings.ts";
import { seedsOf, validationSplit } from "../../../cli/study/plan.ts";
import { type StudyChoice, studyPlan } from "../../../cli/study/studies.ts";
import { primaryOf, validationOf } from "../../../cli/study/primary.ts";
import { errorOf, failedReply, ownHands } from "../../../cli/study/workers.ts";
import { bestPoint, isStudyResults, measuresBySeed } from "../../../cli/study/results.ts";

/** A plan in short: its arms, seeds and claims. */
function told(choice: Partial<StudyChoice>) {
  const plan = studyPlan({ quick: true, noise: 0, ...choice });
  const { arms, claims = [], firstSeed, base, shared } = plan;
  return {
    arms: arms.map(({ name }) => name).join(" "),
    claims: claims.map(({ arm, against }) => `${arm} ${against}`).join(", "),
    seeds: seedsOf(plan).join(" "),
    firstSeed,
    noise: [base.noise, shared.noise],
  };
}

Deno.test("a study has the arms that are asked for, and the claims on them", () => {
  const of = (choice: Partial<StudyChoice>) => told(choice).arms;
  assertEquals(of({}), "sft sft-early dft ift dpo orpo ppo grpo");
  assertEquals(of({ arms: "dpo" }), "sft dpo");
  // One that only the whole study has, in the settings of the whole study.
  assertEquals(of({ arms: "Rloo,sft" }), "sft rloo");
  assertThrows(() => of({ arms: "xyz" }), UserError, "xyz");
  const exposure = { study: "exposure", arms: "ift,luffy" } as const;
  assertEquals(told({ ...exposure, quick: false }).claims, "ift sft");
  assertEquals(
    told({ ...exposure, quick: false, arms: "sft-then-grpo,luffy" }).claims,
    [
      ...["sft-then-grpo sft", "sft-then-grpo luffy"],
    ].join(", "),
  );
  // A quick form has settings of its own for an arm.
  const steps = (arms?: string) =>
    studyPlan({ quick: true, noise: 0, ...arms !== undefined && { arms } }).arms
      .find(({ name }) => name === "sft-early")?.tried;
  assertEquals(steps("sft-early"), steps());
});

Deno.test("a study has seeds from its first one, and noise where its rows are made", () => {
  const { arms: _, claims: __, ...plain } = told({ seeds: 2 });
  assertEquals(plain, { seeds: "0 1", firstSeed: undefined, noise: [0, 0] });
  assertEquals(told({ seeds: 2, firstSeed: 5 }).seeds, "5 6");
  assertEquals(told({ seeds: 2, firstSeed: 0 }).firstSeed, undefined);
  assertEquals(told({ seeds: 2, firstSeed: 1 }).firstSeed, 1);
  assertEquals(told({ noise: 0.5 }).noise, [0.5, 0.5]);
  assertEquals(told({ study: "exposure" }).noise, [undefined, undefined]);
  assertEquals(told({ study: "exposure", noise: 0.25 }).noise, [0.25, 0.25]);
  assertThrows(
    () => told({ study: "language", noise: 0.5 }),
    UserError,
    "--noise: the rows of --study language are those of a file, as they are",
  );
  assertThrows(() => told({ study: "language" }), RangeError, "a language study without its files");
  assertEquals([{}, { data: "rows" }].map((shared) => validationSplit({ shared })), [
    ...["held-out", "validation"],
  ]);
});

Deno.test("points have the rates of their arm to two digits, and all values or the first", () => {
  const arm = { name: "a", about: "", settings: {}, tried: { beta: [0.1, 0.5], steps: [3] } };
  const names = (isWhole: boolean, rateScale = 1) =>
    gridOf({ ...arm, rateScale }, [0.01234, 1], isWhole).map(({ name }) => name);
  assertEquals(names(false), [
    ...["learningRate-0.012,beta-0.1,steps-3", "learningRate-1,beta-0.1,steps-3"],
  ]);
  assertEquals(names(true, 0.1), [
    "learningRate-0.0012,beta-0.1,steps-3",
    "learningRate-0.0012,beta-0.5,steps-3",
    "learningRate-0.1,beta-0.1,steps-3",
    "learningRate-0.1,beta-0.5,steps-3",
  ]);
  assertEquals(gridOf(arm, [1], false)[0]?.settings, { learningRate: 1, beta: 0.1, steps: 3 });
  const { tried: _, ...plain } = arm;
  assertEquals(gridOf(plain, [2], true), [{
    name: "learningRate-2",
    settings: { learningRate: 2 },
  }]);
});

const cost = { examples: 1, forwardTokens: 1, backwardTokens: 1 };
const result = (arm: string, point: string, seed: number, measures: Record<string, number>) => ({
  ...{ arm, point, seed, measures, cost, run: "", weights: "" },
});

Deno.test("measures are those of the chosen settings, and of finite numbers", () => {
  const results = {
    chosen: { a: "p" },
    results: [
      result("a", "p", 0, { m: 1 }),
      result("a", "q", 1, { m: 2 }),
      result("a", "p", 2, { m: NaN }),
      result("a", "p", 3, { n: 4 }),
      result("base", "", 4, { m: 5 }),
    ],
  };
  assertEquals(measuresBySeed(results, "a", "m"), new Map([[0, 1]]));
  assertEquals(measuresBySeed(results, "base", "m"), new Map([[4, 5]]));
  assertEquals(measuresBySeed(results, "b", "m"), new Map());
  const known = { ...results, results: results.results.slice(0, 2) };
  assertEquals(isStudyResults(known), true);
  for (
    const wrong of [null, { ...results, chosen: { a: 1 } }, { ...results, results: [{}] }, {
      chosen: {},
    }]
  ) assertEquals(isStudyResults(wrong), false);
});

Deno.test("the best point has the most of what is better, and what was not measured is the worst", () => {
  const best = (
    primary: "exact_match" | "own_kl",
    ...values: readonly (number | undefined)[][]
  ) => {
    const name = validationOf(primaryOf({ primary }));
    return bestPoint(
      values.map((own, i) => ({
        point: { name: `${i}`, settings: {} },
        results: own.map((value, seed) =>
          result("a", `${i}`, seed, value === undefined ? {} : { [name]: value })
        ),
      })),
      primaryOf({ primary }),
    )?.name;
  };
  assertEquals(best("exact_match", [0.1, 0.2], [0.3, 0.1], [0.4, undefined]), "1");
  assertEquals(best("own_kl", [0.5, 0.2], [0.1, undefined], [0.3, 0.2]), "2");
  // Of equal ones the first; an accuracy below 0 does not count for less than none.
  assertEquals(best("exact_match", [0.1], [0.1]), "0");
  assertEquals(best("exact_match", [undefined], [0]), "0");
  assertEquals(best("exact_match"), undefined);
});

Deno.test("measures of kinds stand beside those of all, where there are several kinds", () => {
  const question = (kind: string) => ({
    ...{ kind, ids: [], prompt: "", gold: "" },
    sequence: { ids: [], mask: [] },
  });
  const measure = (places: readonly number[]) => ({ n: places.length, first: places[0] ?? -1 });
  const of = (...kinds: readonly string[]) => byKind(kinds.map(question), measure);
  assertEquals(of(), {});
  assertEquals(of("a", "a"), { n: 2, first: 0 });
  assertEquals(of("a", "b", "b"), {
    ...{ n: 3, first: 0, "n/a": 1, "first/a": 0, "n/b": 2, "first/b": 1 },
  });
});

Deno.test("a failure in a worker is told as it was, and is the user's where it was his", () => {
  const told = (error: unknown) => {
    const reply = failedReply(error);
    if (reply.kind !== "failed") throw new Error("it has failed");
    const { isUserError, message } = reply;
    const again = errorOf(reply);
    assertEquals([again.message, again.stack, again instanceof UserError], [
      ...[message, reply.stack, isUserError],
    ]);
    return [isUserError, message];
  };
  assertEquals(told(new UserError("wrong")), [true, "wrong"]);
  assertEquals(told(new TypeError("a defect")), [false, "a defect"]);
  assertEquals(told("a text"), [false, "a text"]);
  assertEquals(
    errorOf({ kind: "failed", isUserError: false, message: "m", stack: undefined }).message,
    "m",
  );
  assertEquals([1, 3].map((jobs) => ownHands(jobs, 2).length), [1, 3]);
});
