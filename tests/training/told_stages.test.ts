/** What is told of stages before their first step is compared with a text. */
import { assertEquals } from "@std/assert";
import { known, toldStages } from "./told_stages.ts";

Deno.test("what is told of rows of each kind, and planned for them, is as it was", async () => {
  assertEquals((await toldStages()).split("\n"), (await Deno.readTextFile(known)).split("\n"));
});
