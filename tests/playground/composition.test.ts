/** Compositions of the three columns: what fits, why not, and what is made of them. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import * as objectives from "@unitune/objectives";
import { describeEntry, type ObjectiveDescription } from "@unitune/objectives";
import { UserError } from "@unitune/training";
import {
  codeOf,
  composedEntry,
  compositions,
  misfit,
  moduleOf,
  nameOf,
  presets,
  readComposition,
} from "../../examples/playground/compose/composition.ts";
import { compareEvidence } from "../../examples/playground/compose/evidence.ts";

const fitting = [...compositions()];
const known = presets();

/** The objective that code makes, run with the package's names in reach. */
function run(code: string): { readonly description: ObjectiveDescription } {
  const { modelOfLogits, ...names } = objectives;
  const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
  const made = new Function(...Object.keys(names), "model", `return ${code}`);
  return made(...Object.values(names), model);
}

/** Without formulas, which are compared as text. */
const shown = ({ formula, ...row }: ObjectiveDescription) => ({
  ...row,
  formula: objectives.formulaText(formula),
});

Deno.test("the code of every composition makes the objective that the page describes", () => {
  assert(fitting.length > 300);
  for (const composition of fitting) {
    const entry = composedEntry(nameOf(composition));
    assertEquals(
      shown(run(codeOf(composition)).description),
      shown(describeEntry(entry)),
      entry.name,
    );
  }
});

Deno.test("code has the options that were chosen", () => {
  const composition = readComposition("best*indicator*propagated");
  const code = codeOf(composition, { groupSize: 4, gamma: 0.5 });
  assertEquals(
    code,
    "objective(\n  best(estimate(sampled, indicator), { groupSize: 4 }),\n  propagated({ gamma: 0.5 }),\n)",
  );
  assertEquals(
    moduleOf(code).split("\n")[0],
    'import { best, estimate, indicator, objective, propagated, sampled } from "@unitune/objectives";',
  );
});

Deno.test("objectives of the registry are found among the compositions, by their row of Table 1", () => {
  const names = known.map(({ entry }) => entry.name);
  for (
    const name of ["sft", "ift", "dpo", "orpo", "simpo", "kto", "grpo", "grpo-kl", "ppo", "rloo"]
  ) {
    assert(names.includes(name), `${name} is none of ${names}`);
  }
  const nameFor = (preset: string) => known.find(({ entry }) => entry.name === preset)?.composition;
  const [ift, online] = [nameFor("ift"), nameFor("online-dpo")];
  assertEquals(ift && nameOf(ift), "intuitive*indicator*propagated");
  assertEquals(online && nameOf(online), "sampled*reference*pairs-dpo");
});

Deno.test("an entry reads the data of its parts, and has their options once", () => {
  const of = (name: string) => {
    const { data, reference, values, teacher, options } = composedEntry(name);
    return [data, reference, values, teacher, Object.keys(options).join()];
  };
  assertEquals(of("gold*indicator*nll"), ["demonstrations", "none", false, false, ""]);
  assertEquals(of("gold*reference*pairs-dpo"), ["pairs", "log-probs", false, false, "beta"]);
  assertEquals(of("gold*labelled*kahneman-tversky"), ["labels", "log-probs", false, false, ""]);
  assertEquals(of("intuitive*group-mean*clipped-grpo"), [
    ...["rollouts", "none", false, false, "lambda,groupSize"],
  ]);
  assertEquals(of("sampled*penalized-gae*clipped-and-values").slice(0, 3), [
    ...["rollouts", "log-probs", true],
  ]);
  assertEquals(of("sampled*reference*pairs-ipo")[4], "beta,groupSize");
  assertEquals(of("gold*teacher*distilled")[3], true);
});

Deno.test("what does not fit is refused with the type's reason", () => {
  const reason = (name: string) => misfit(readComposition(name)) ?? "";
  assertStringIncludes(
    reason("gold*indicator*pairs-dpo"),
    "needs log-probabilities under a reference",
  );
  assertStringIncludes(reason("gold*group-mean*nll"), "ignores what the signal gives: advantages");
  assertStringIncludes(reason("sampled*gae*nll"), "ignores what the signal gives: advantages");
  assertStringIncludes(reason("gold*labelled*importance-weighted"), "gives: labels");
  assertStringIncludes(reason("sampled*labelled*kahneman-tversky"), "no data has labels");
  assertStringIncludes(reason("best*indicator*odds-ratio"), "nothing to compare it with");
  assertStringIncludes(reason("best*group-mean*clipped-ppo"), "nothing to compare it with");
  assertEquals(reason("best*indicator*nll"), "");
  assertThrows(() => composedEntry("gold*indicator*pairs-dpo"), UserError, "does not fit together");
  assertThrows(() => composedEntry("gold*indicator"), UserError, 'no optimization ""');
  assertThrows(() => composedEntry("gold*x*nll"), UserError, 'no signal "x": indicator, ');
  assertThrows(() => composedEntry("a*b*c*d"), UserError, "more than three parts");
});

Deno.test("returns are read for the purpose of advantages", () => {
  assertEquals(compareEvidence(["mask", "returns", "values"], ["mask", "advantages"]), {
    missing: ["advantages"],
    ignored: [],
  });
  assertEquals(compareEvidence(["labels", "returns", "advantages"], []).ignored, [
    ...["labels", "advantages"] as const,
  ]);
});
