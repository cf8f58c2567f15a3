/** What is told of stages before their first step is compared with a text. */
import { assertEquals } from "@std/assert";
import { known, runs, toldOf } from "./told_stages.ts";

/** What is known to be told of each run, under its settings. */
const texts = new Map(
  (await Deno.readTextFile(known)).split(/^# /m).slice(1).map((text) => {
    const [title = "", ...lines] = text.trimEnd().split("\n");
    return [title, lines] as const;
  }),
);

for (const run of runs) {
  const title = JSON.stringify(run);
  Deno.test(`what is told of a run, and planned for it, is as it was: ${title}`, async () => {
    assertEquals(await toldOf(run), texts.get(title));
  });
}
