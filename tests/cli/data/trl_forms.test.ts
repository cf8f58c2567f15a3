/** Rows as TRL's own functions read them; scripts/data/forms.py has written what they give. */
import { assert, assertEquals } from "@std/assert";
import { jsonl } from "./jsonl.ts";

const golden: {
  readonly pairs: readonly { readonly row: unknown; readonly read: Record<string, unknown> }[];
  readonly conversations: readonly { readonly row: unknown; readonly read: unknown }[];
} = JSON.parse(await Deno.readTextFile(new URL("trl_forms.json", import.meta.url)));

/** The first row of a dataset of such rows, without its place. */
async function firstOf(row: unknown): Promise<unknown> {
  const { train: [first] } = await jsonl([row, row]);
  assert(typeof first === "object");
  const { source: _, ...read } = first;
  return read;
}

/** A text as the message that it is read as. */
const side = (value: unknown, role: string) =>
  typeof value === "string" ? [{ role, content: value }] : value;

Deno.test("the prompt that two answers begin with is the one that TRL finds", async () => {
  assertEquals(golden.pairs.length, 10);
  for (const { row, read: { prompt, chosen, rejected } } of golden.pairs) {
    assertEquals(await firstOf(row), {
      prompt: side(prompt, "user"),
      chosen: side(chosen, "assistant"),
      rejected: side(rejected, "assistant"),
      ...typeof prompt === "string" && { rendering: { plain: true } },
    });
  }
});

Deno.test("messages of ShareGPT are those that TRL converts them to", async () => {
  for (const { row, read } of golden.conversations) assertEquals(await firstOf(row), read);
});
