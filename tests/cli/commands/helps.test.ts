/** The help of each command is the one that was last looked at. */
import { assertEquals } from "@std/assert";
import { helps, known } from "./helps.ts";

Deno.test("the help of all commands is that of helps.txt", async () => {
  // Where it is meant to tell something else: see helps.ts.
  assertEquals((await helps()).split("\n"), (await Deno.readTextFile(known)).split("\n"));
});
