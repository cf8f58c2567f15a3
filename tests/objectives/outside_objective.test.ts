/** An objective from outside: a registry with another entry, and none of our files touched. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { sgd } from "@unitune/autodiff";
import { compile, key } from "@unitune/core";
import {
  againstReference,
  defineObjective,
  describeEntry,
  entryNamed,
  estimate,
  gold,
  initTrainingState,
  nll,
  objective,
  type ObjectiveRegistry,
  objectiveRegistry,
  onChosen,
  paired,
  pairwise,
  sumOf,
  trainingStep,
  weight,
} from "@unitune/objectives";
import { policy } from "./arbitrary.ts";
import { worldOf } from "./worlds.ts";

/** DPO with a part of the likelihood of the rejected answer's rival, and two options of its own. */
const anchored = defineObjective({
  name: "anchored-dpo",
  aliases: ["adpo"],
  data: "pairs",
  reference: "log-probs",
  teacher: false,
  values: false,
  trains: "policy",
  options: {
    sharpness: { kind: "number", above: 0, default: 0.5, help: "The strength of the preference." },
    form: {
      kind: "choice",
      choices: ["dpo", "hinge"],
      default: "dpo",
      help: "The loss of a pair.",
    },
    anchor: { kind: "number", min: 0, max: 1, default: 0, help: "The weight of the likelihood." },
  },
  make({ sharpness, form, anchor }) {
    const estimation = paired(estimate(gold, againstReference("precomputed")));
    const preference = pairwise({ form, beta: sharpness });
    return anchor === 0
      ? objective(estimation, preference)
      : objective(estimation, sumOf(preference, weight(anchor, onChosen(nll()))));
  },
});

const registry: ObjectiveRegistry = [...objectiveRegistry, anchored];

Deno.test("an objective from outside is found, described and checked like the others", () => {
  for (const word of ["anchored-dpo", "anchoredDpo", "ADPO"]) {
    assertEquals(entryNamed(registry, word), anchored);
  }
  assertEquals(entryNamed(objectiveRegistry, "anchored-dpo"), undefined);
  assertEquals(describeEntry(anchored).formula.where, { beta: "0.5" });
  assertEquals(describeEntry(anchored, { form: "hinge" }).stepZero, 1);
  assertEquals(describeEntry(anchored, { anchor: 0.5 }).stepZero, undefined);
  const wrong: readonly (readonly [Record<string, number | string>, string])[] = [
    [{ sharpness: 0 }, "anchored-dpo: sharpness must be a number, above 0, not 0"],
    [{ sharpness: "1" }, `anchored-dpo: sharpness must be a number, above 0, not "1"`],
    [{ anchor: 2 }, "anchored-dpo: anchor must be a number, at least 0, at most 1, not 2"],
    [{ form: "ipo" }, `anchored-dpo: form must be one of dpo, hinge, not "ipo"`],
    [{ beta: 1 }, `unknown option "beta"; its options are sharpness, form, anchor`],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => anchored.make(options), RangeError, message);
  }
});

Deno.test("an objective from outside trains", async () => {
  const { params, pairs } = worldOf({ seed: 3, distance: 0, dtype: "f32" });
  const training = { policy, objective: anchored.make({ sharpness: 2 }), optimizer: sgd(0.5) };
  const step = compile(trainingStep(training), { donate: [0] });
  let state = initTrainingState(params, training.optimizer, key(0));
  const losses: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { state: next, metrics } = step(state, pairs);
    losses.push(await metrics.loss?.item() ?? NaN);
    state = next;
  }
  assertAlmostEquals(losses[0] ?? NaN, Math.LN2, 1e-6);
  assert((losses.at(-1) ?? NaN) < (losses[0] ?? NaN), losses.join());
});

Deno.test("a row whose models or batches are not those that it names does not type-check", () => {
  const row = {
    name: "x",
    data: "pairs",
    reference: "none",
    teacher: false,
    values: false,
    trains: "policy",
    options: { beta: { kind: "number", default: 1, help: "The strength." } },
  } as const;
  // @ts-expect-error: the batches of a row without a reference have no log-probabilities of it.
  defineObjective({ ...row, make: () => anchored.make() });
  const scored = { ...row, reference: "log-probs" } as const;
  // @ts-expect-error: there is no such option.
  defineObjective({ ...scored, make: ({ alpha }) => anchored.make({ alpha }) });
  // @ts-expect-error: the row asks no teacher.
  defineObjective({ ...scored, make: (_, { teacher }) => anchored.make({}, { teacher }) });
  assertEquals(defineObjective({ ...scored, make: () => anchored.make() }).aliases, []);
});
