/** What is told of the studies is what was last looked at. */
import { assertEquals } from "@std/assert";
import { documents, known } from "./documents.ts";

Deno.test("the documents of made-up results are those of documents.txt", async () => {
  // Where they are meant to tell something else: see documents.ts.
  assertEquals(documents().split("\n"), (await Deno.readTextFile(known)).split("\n"));
});
