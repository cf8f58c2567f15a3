/** Formulas of losses: sums, multiples, and the definitions that their terms share or do not. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  clipped,
  formulaText,
  grpoKl,
  mpo,
  nll,
  onChosen,
  orpo,
  pairwise,
  ppo,
  rpo,
  sumOf,
  weight,
} from "@unitune/objectives";

Deno.test("a sum joins the expressions, and lists the definitions of all of them once, at its end", () => {
  const { formula } = rpo().description;
  assertEquals(formula.where, { beta: "0.1", l: "-log p" });
  assertEquals(
    formulaText(formula),
    "(mean -log sigmoid(beta d)) + 1 (chosen: sum_b sum_t l_bt / sum_b M_b), " +
      "where beta = 0.1, l = -log p",
  );
  assertEquals(mpo().description.formula.where, { beta: "0.1", l: "-log p" });
  for (const { description: { formula } } of [grpoKl(), ppo(), orpo()]) {
    assertEquals(formula.terms.length, 2);
    const text = formulaText(formula);
    const last = formula.terms.at(-1)?.expression ?? "";
    assertEquals(text.indexOf(", where") > text.indexOf(last), true, text);
  }
});

Deno.test("a definition stays beside its term where the other term's differs", () => {
  const { formula } = sumOf(
    weight(2, pairwise({ beta: 0.1 })),
    pairwise({ form: "hinge", beta: 0.3 }),
  ).description;
  assertEquals(
    formulaText(formula),
    "(2 (mean -log sigmoid(beta d)), where beta = 0.1) + (mean relu(1 - beta d), where beta = 0.3)",
  );
});

Deno.test("a multiple of a sum multiplies all of it", () => {
  const { formula } = weight(3, sumOf(onChosen(nll()), weight(2, onChosen(nll())))).description;
  const term = "chosen: sum_b sum_t l_bt / sum_b M_b";
  assertEquals(formulaText(formula), `3 ((${term}) + 2 (${term})), where l = -log p`);
});

Deno.test("the limits of clipped ratios are shown with six digits", () => {
  const shown = formulaText(clipped({ epsilon: 0.1234567, epsilonHigh: 0.1 }).description.formula);
  assertStringIncludes(shown, "clip(rho, 0.876543, 1.1)");
});
