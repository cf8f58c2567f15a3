/** The plans of studies are those that were last looked at: a folder belongs to one of them. */
import { assertEquals } from "@std/assert";
import { known, plans } from "./plans.ts";

Deno.test("the plans of all studies are those of plans.txt", async () => {
  // Where a plan is meant to be another: see plans.ts.
  assertEquals(plans().split("\n"), (await Deno.readTextFile(known)).split("\n"));
});
