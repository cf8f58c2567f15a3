/** What commands say is what was last looked at. */
import { assertEquals } from "@std/assert";
import { inFolder } from "../command.ts";
import { known, sessions } from "./sessions.ts";

inFolder("what commands say is that of sessions.txt", async (folder) => {
  // Where they are meant to say something else: see sessions.ts.
  const lines = (await sessions(folder)).split("\n");
  assertEquals(lines, (await Deno.readTextFile(known)).split("\n"));
});
