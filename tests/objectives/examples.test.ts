import { assert, assertAlmostEquals } from "@std/assert";
import { main as ownPolicy } from "../../examples/objectives/own_policy.ts";
import { main as unnamed } from "../../examples/objectives/unnamed.ts";

Deno.test("a bigram table and a recurrent net are trained by five objectives", async () => {
  for (const [policy, courses] of Object.entries(await ownPolicy())) {
    for (const { objective, measure, first, last } of courses) {
      const better = measure === "reward" ? last > first + 0.1 : last < 0.8 * first;
      assert(better, `${policy}, ${objective}: ${measure} from ${first} to ${last}`);
    }
    const start = courses.find(({ objective }) => objective === "dpo")?.first;
    assertAlmostEquals(start ?? NaN, Math.LN2, 1e-4);
  }
});

Deno.test("combinations without a name train", async () => {
  for (const [name, { description, first, last }] of Object.entries(await unnamed())) {
    assert(last < first, `${name}: from ${first} to ${last}`);
    assert(/^(?:rejected )?\(1 - lambda\)/.test(description), description);
  }
});
