/** `deno task data`: what is said of rows of every kind. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { histogramLines } from "../../../cli/report/histogram.ts";
import { assertRefused, data, ended, inFolder, reversals, start, writeRows } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";
import fc from "fast-check";

inFolder("data is told with its form, oddities, lengths, fit and first example", async (folder) => {
  const path = await writeRows(`${folder}/rows.jsonl`, [
    { prompt: "ab", completion: "ba" },
    { prompt: "ab", completion: "ba" },
    { prompt: "ab", completion: " " },
    { prompt: "ab", completion: "ab".repeat(10) },
  ]);
  // With the permissions of the task.
  const { code, stdout, stderr } = await ended(start("data", [path, "--context", "12"]));
  assertEquals(code, 0, stderr);
  assertEquals(stdout.trimEnd().split("\n"), [
    "4 rows of the form completions: prompts with answers (prompt, completion)",
    `  duplicates: 1 (first at ${path}:2)`,
    `  empty texts to learn: 1 (first at ${path}:3)`,
    "",
    "lengths in tokens of 4 sequences; 1 do not fit the context of 12",
    "   5-9   3  ████████████████████████████████████████",
    "  25-29  1  █████████████",
    "",
    "sft: 3 examples to train on, 1 for validation",
    "1 of 1 validation examples exceed the context of 12 tokens: 1 cut at the end of the answer. " +
    "--context 24 fits all of them.",
    "",
    "example: 7 tokens, of which 3 are learned",
    ...['  0  3  given    "<user>"', '  1  6  given    "a"', '  2  7  given    "b"'],
    ...['  3  4  given    "<assistant>"', '  4  7  learned  "b"', '  5  6  learned  "a"'],
    '  6  1  learned  "<stop>"',
  ]);
});

inFolder("of data in several files, the first one is named", async (folder) => {
  const paths = ["a", "b"].map((name) => `${folder}/${name}.jsonl`);
  for (const path of paths) await writeRows(path);
  const { code, stdout, stderr } = await data(folder, "--context", "12");
  assertEquals(code, 0, stderr);
  assertEquals(stdout.split("\n").slice(0, 2), [
    `2 files, the first of them ${paths[0]}`,
    `${
      2 * reversals.length
    } rows of the form completions: prompts with answers (prompt, completion)`,
  ]);
});

inFolder("rows longer than any context are counted so far as they are encoded", async (folder) => {
  const texts = ["a", "ab".repeat(40_000)].map((text) => ({ text }));
  const path = await writeRows(`${folder}/rows.jsonl`, texts);
  const { code, stdout, stderr } = await data(path, "--context", "12");
  assertEquals(code, 0, stderr);
  assertStringIncludes(
    stdout,
    "lengths in tokens of 2 sequences; 1 do not fit the context of 12; longer ones than 65,538 " +
      "count as that\n      0-9999   1",
  );
});

inFolder("rows that are refused are all told, by the reason", async (folder) => {
  const same = { prompt: "ab", chosen: "a", rejected: "a" };
  const path = await writeRows(`${folder}/rows.jsonl`, [
    { ...same, rejected: "b" },
    same,
    { ...same, chosen: 5 },
    same,
    { text: "a" },
  ]);
  const { code, stdout, stderr } = await data(path, "--objective", "dpo");
  assertEquals(code, 1);
  assertEquals(stdout.trimEnd().split("\n"), [
    "5 rows of the form pairs: preferences between two answers (prompt, chosen, rejected)",
    `  refused: "chosen" and "rejected" are the same: no preference to learn from: 2 (first at ${path}:2)`,
    `  refused: "chosen" is a text, not a number: 1 (first at ${path}:3)`,
    `  refused: this row has "text", but the rows before it have "prompt" and "chosen" and "rejected": ` +
    `keep one format in a file: 1 (first at ${path}:5)`,
  ]);
  assertStringIncludes(stderr, "dpo does not train on data with rows that are refused");
});

inFolder("each form of rows is told, with the lengths of all its answers", async (folder) => {
  const said = [{ role: "user", content: "ab" }, { role: "assistant", content: "a" }];
  const forms: Record<string, [row: unknown, objective: string, sequences: number]> = {
    text: [{ text: "abab" }, "sft", 4],
    messages: [{ messages: said }, "sft", 4],
    pairs: [{ prompt: "ab", chosen: "a", rejected: "b" }, "dpo", 8],
    labels: [{ prompt: "ab", completion: "a", label: true }, "kto", 4],
    scores: [{ prompt: "ab", answers: ["a", "b", "bb"], scores: [1, 2, 3] }, "dpo", 12],
    prompts: [{ prompt: "ab", gold: "a" }, "grpo", 4],
  };
  for (const [form, [row, objective, sequences]] of Object.entries(forms)) {
    const rows = Array.from({ length: 4 }, () => row);
    const path = await writeRows(`${folder}/${form}.jsonl`, rows);
    const { stdout } = await data(path, "--objective", objective);
    assertStringIncludes(stdout, `4 rows of the form ${form}: `);
    assertStringIncludes(stdout, `lengths in tokens of ${sequences} sequences; 0 do not fit`);
  }
});

inFolder("of a pretrained model, no weights are read", async (folder) => {
  const path = await writeRows(`${folder}/rows.jsonl`, [
    { prompt: "ab", completion: "ba" },
    { prompt: "a", completion: "b" },
  ]);
  const model = await writeTinyModel(`${folder}/model`);
  // Whatever reads it refuses a weight that is no number.
  const weights = await Deno.readFile(`${model}/model.safetensors`);
  weights.set([0, 0, 0xc0, 0x7f], weights.length - 4);
  await Deno.writeFile(`${model}/model.safetensors`, weights);
  const { code, stdout, stderr } = await data(path, "--model", model, "--lora");
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "<|im_start|>");
});

inFolder("data that nothing can be said of is refused", async (folder) => {
  assertRefused(await data(), 2, "name the data first: deno task data rows.jsonl");
  assertRefused(await data(`${folder}/none.jsonl`), 1, "it does not exist");
  const empty = await writeRows(`${folder}/empty.jsonl`, []);
  const { code, stdout, stderr } = await data(empty);
  assertEquals([code, stdout], [1, "0 rows, none of which can be read\n"]);
  assertEquals(stderr, `error: ${empty} is empty: there is nothing to train on\n`);
  await Deno.writeTextFile(`${folder}/text.txt`, "a text that runs\n".repeat(20));
  const text = await data(`${folder}/text.txt`);
  assertEquals(text.code, 0, text.stderr);
  assert(text.stdout.startsWith("running text\n\nsft: 306 tokens to train on"), text.stdout);
});

Deno.test("a histogram has every number in the range that its line names", () => {
  fc.assert(fc.property(fc.array(fc.nat(5000), { minLength: 1 }), (numbers) => {
    const lines = histogramLines(numbers);
    let total = 0;
    for (const line of lines) {
      const [, from = "", to = from, count = ""] =
        /^ *(\d+)(?:-(\d+))? +([\d,]+) {2}█+$/.exec(line) ??
          [];
      const own = numbers.filter((number) => Number(from) <= number && number <= Number(to)).length;
      assertEquals(own, Number(count.replaceAll(",", "")), line);
      total += own;
    }
    assertEquals(total, numbers.length);
    assert(lines.length <= 13);
  }));
  assertEquals(histogramLines([]), []);
});
