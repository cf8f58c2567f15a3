/** Words for the user: names that were meant, errors, and what is known before the first step. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  addCost,
  checkIdentities,
  DeviceFailedError,
  DivergedError,
  editDistance,
  evaluationSizes,
  identitiesOf,
  nearest,
  noCost,
  trainSettings,
  UserError,
} from "@unitune/training";
// Not public: the tokens of sequences.
import { tokensOf } from "../../training/learner/cost.ts";

/** The fewest edits by their definition: of the last letters, one is edited, or two are swapped. */
function fewestEdits(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [x, y] = [a.slice(0, -1), b.slice(0, -1)];
  const ways = [
    fewestEdits(x, y) + Number(a.at(-1) !== b.at(-1)),
    fewestEdits(x, b) + 1,
    fewestEdits(a, y) + 1,
  ];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    ways.push(fewestEdits(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return Math.min(...ways);
}

Deno.test("the distance of words is the number of edits", () => {
  const word = fc.stringMatching(/^[abc]{0,5}$/);
  fc.assert(fc.property(word, word, (a, b) => {
    assertEquals(editDistance(a, b), fewestEdits(a, b));
  }));
});

Deno.test("a name is meant up to two edits, or a third of its letters", () => {
  assertEquals(nearest("steps", ["stop", "step"]), "step");
  // Of equally near ones, the first.
  assertEquals(nearest("bat", ["cat", "rat"]), "cat");
  assertEquals(nearest("abcdefgh".replace("cd", "xy"), ["abcdefgh"]), "abcdefgh");
  assertEquals(nearest("abcdefgh".replace("cde", "xyz"), ["abcdefgh"]), undefined);
  assertEquals(nearest("abcdefghi".replace("cde", "xyz"), ["abcdefghi"]), "abcdefghi");
  assertEquals(nearest("abcdefghi".replace("cdef", "wxyz"), ["abcdefghi"]), undefined);
  // All letters of a short name may not be others.
  assertEquals([nearest("xy", ["ab"]), nearest("xb", ["ab"])], [undefined, "ab"]);
  assertEquals(nearest("step", []), undefined);
  // Two letters fewer, and three.
  assertEquals([nearest("abcd", ["abcdef"]), nearest("abc", ["abcdef"])], ["abcdef", undefined]);
});

Deno.test("an error says where a run failed, and no more than a message holds", () => {
  const diverged = (step: number) =>
    new DivergedError({ loss: NaN, grad_norm: Infinity }, {
      ...{ step, saved: undefined },
    });
  const happened = (step: number) =>
    `training stopped at step ${step}, where the loss is NaN and the grad_norm is Infinity`;
  assertEquals(diverged(3).message, `${happened(3)}: a lower learning rate usually helps`);
  assertEquals(
    diverged(0).message,
    `${happened(0)}: the model that it starts from is broken, take another`,
  );
  assertEquals(diverged(1).happened, happened(1));
  const cause = new Error("the device is gone");
  const failed = new DeviceFailedError(cause, { step: 7, saved: 5 });
  assertEquals(failed.message, "training stopped at step 7: the device is gone");
  assertEquals([failed.cause, failed.place.saved], [cause, 5]);
  assertEquals(new UserError("a".repeat(800)).message, "a".repeat(800));
  assertStringIncludes(new UserError("a".repeat(801)).message, "(1 characters left out)");
  assertEquals(new UserError("no", { command: "do\x07 it" }).message, "no\n  do\\u0007 it");
});

Deno.test("what is known before the first step is checked within its tolerance", () => {
  const check = (value: number, found: number, tolerance?: number) => () =>
    checkIdentities(
      "dpo",
      [{
        ...{ metric: "loss", value, because: "all is equal", otherwise: "it is not" },
        ...tolerance !== undefined && { tolerance },
      }],
      { loss: found },
    );
  const refused = (value: number, found: number, tolerance?: number) =>
    assertThrows(check(value, found, tolerance), UserError, "stopped before its first step");
  check(0, 0.99e-4)();
  refused(0, 1.01e-4);
  refused(0, -1.01e-4);
  // Relative to what is larger than 1.
  check(100, 100.0099)();
  refused(100, 100.0101);
  check(-100, -100.0099)();
  refused(-100, -99.98);
  check(0.5, 0.50009)();
  refused(0.5, 0.50011);
  check(0, 0.5, 0.5)();
  refused(0, 0.51, 0.5);
  refused(0, NaN);
  checkIdentities("dpo", [{ metric: "none", value: 1, because: "", otherwise: "" }], {});
  assertThrows(
    check(0.5, 0.75),
    UserError,
    "its loss is 0.750000, and has to be 0.500000, since all is equal. So it is not",
  );
});

Deno.test("the tolerance of ratios grows where the temperature divides logits", () => {
  const tolerances = (temperature: number) =>
    identitiesOf(trainSettings({ objective: "grpo", temperature })).map(({ metric, tolerance }) => [
      metric,
      tolerance,
    ]);
  const clips = [["clip_ratio/low", undefined], ["clip_ratio/high", undefined]];
  assertEquals(tolerances(1), [["log_ratio", 1e-3], ...clips]);
  assertEquals(tolerances(2), [["log_ratio", 1e-3], ...clips]);
  assertEquals(tolerances(0.5), [["log_ratio", 2e-3], ...clips]);
  assertEquals(identitiesOf(trainSettings({ objective: "sft" })), []);
});

Deno.test("costs are added, and tokens counted", () => {
  const cost = (examples: number, forwardTokens: number, backwardTokens: number) => ({
    ...{ examples, forwardTokens, backwardTokens },
  });
  assertEquals(addCost(cost(1, 10, 100), cost(2, 20, 200)), cost(3, 30, 300));
  assertEquals(addCost(noCost, noCost), cost(0, 0, 0));
  assertEquals(tokensOf([{ ids: [1, 2] }, { ids: [] }, { ids: [3] }]), 3);
});

Deno.test("an evaluation takes a part of the rows between two of them", () => {
  const stage = {
    ...{ steps: 100, batchSize: 8, gradientAccumulation: 2, evalSteps: 30 },
    ...{ evalExamples: undefined, evalAnswers: undefined },
  };
  // 1,600 rows between five evaluations, the first of them before the first step.
  assertEquals(evaluationSizes([stage]), {
    ...{ evalExamples: 320 / 4, evalAnswers: Math.floor(320 / 24), trainedRows: 320 },
  });
  assertEquals(evaluationSizes([stage, { ...stage, steps: 90 }]).trainedRows, 337);
  const long = evaluationSizes([{ ...stage, steps: 10_000, evalSteps: 10_000 }]);
  assertEquals([long.evalExamples, long.evalAnswers], [1024, 256]);
  const short = evaluationSizes([{ ...stage, steps: 1 }]);
  assertEquals([short.evalExamples, short.evalAnswers], [64, 8]);
  const given = evaluationSizes([{ ...stage, evalExamples: 3, evalAnswers: 2 }, stage]);
  assertEquals([given.evalExamples, given.evalAnswers], [3, 2]);
  assert(Number.isNaN(evaluationSizes([]).trainedRows));
});
