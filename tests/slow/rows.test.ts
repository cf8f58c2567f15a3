/** Two million rows, more than the engine's heap holds at its usual size. */
import { assertRefused, inFolder, tiny, train } from "../cli/command.ts";

inFolder("two million rows are refused with a sentence, not by the engine", async (folder) => {
  const path = `${folder}/rows.jsonl`;
  const file = await Deno.open(path, { write: true, create: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  const text = "what is the answer to the question of all the questions there are?";
  for (let first = 0; first < 2_000_000; first += 10_000) {
    const rows = Array.from(
      { length: 10_000 },
      (_, i) => JSON.stringify({ prompt: `${first + i} ${text}`, completion: `${text} ${i}` }),
    );
    await writer.write(encoder.encode(`${rows.join("\n")}\n`));
  }
  await writer.close();
  const run = ["--objective", "sft", ...tiny, "--context", "200", "--out", `${folder}/run`];
  const refused = await train("--data", path, ...run);
  assertRefused(refused, 1, "rows.jsonl needs about ");
});
