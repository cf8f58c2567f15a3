/** Commands that messages suggest: what a shell makes of them. */
import { assert, assertEquals } from "@std/assert";
import { taskCommand } from "../../../cli/terminal/shell.ts";
import { shellQuote } from "@unitune/cli";
import fc from "fast-check";
import {
  commandsIn,
  inFolder,
  sample,
  start,
  tiny,
  train,
  trained,
  wordsOf,
  writeRows,
} from "../command.ts";

Deno.test("a shell reads quoted words as they were", async () => {
  // Everything but control characters, for which not every `sh` has escapes.
  const word = fc.oneof(
    fc.string(),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom(..."'\"\\$`!#&|;<>(){}[]*?~= %^-") }),
  ).filter((text) => !/\p{C}/u.test(text));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 20 }), async (words) => {
      assertEquals(await wordsOf(words.map(shellQuote).join(" ")), words);
    }),
    { numRuns: 30 },
  );
});

Deno.test("plain paths are not quoted, all others are", () => {
  for (const path of ["runs/sft-tasks", "/tmp/a_b/c-1.2", "a@b:c,d+e%f=g", "läufe/é"]) {
    assertEquals(shellQuote(path), path);
  }
  for (const path of ["", "a b", "b#c", "~/runs", "$HOME", "a'b", "a*b", "(a)", "a\\b"]) {
    assert(/^'.*'$/.test(shellQuote(path)), path);
  }
});

Deno.test("control characters are written as escapes, which end where they have to", () => {
  assertEquals(shellQuote("a\x1b]0;b"), "$'a\\x1b]0;b'");
  assertEquals(shellQuote("it's\n\\"), "$'it\\'s\\x0a\\\\'");
  // A right-to-left override, three bytes of UTF-8.
  assertEquals(shellQuote("a\u202ez"), "$'a\\xe2\\x80\\xaez'");
  // Where another hexadecimal digit follows, some shells would read on.
  assertEquals(shellQuote("\x01f"), "$'\\x01'$'f'");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert(!/[\p{C}]/u.test(shellQuote(text)));
  }));
});

Deno.test("a value that begins with a dash is joined to its flag", () => {
  assertEquals(
    taskCommand("sample", { run: "-r x", prompt: "a b" }),
    "deno task sample '--run=-r x' --prompt 'a b'",
  );
  assertEquals(taskCommand("train"), "deno task train");
});

inFolder("what a run and its errors suggest can be pasted, whatever its folder", async (folder) => {
  const run = `${folder}/it's a run #1`;
  const data = await writeRows(`${folder}/rows.jsonl`);
  const { stdout } = await trained("--data", data, ...tiny, "--out", run);
  const suggested = [
    [stdout, ["deno", "task", "sample", "--run", run, "--prompt", "..."]],
    [
      (await train("--data", data, ...tiny, "--out", run)).stderr,
      ["deno", "task", "train", "--resume", run],
    ],
    [
      new TextDecoder().decode(
        (await start("report", ["--run", run, "--prompt", "a b"]).output()).stderr,
      ),
      ["deno", "task", "sample", "--run", run, "--prompt", "a b"],
    ],
  ] as const;
  for (const [text, words] of suggested) {
    const [command = "", ...others] = commandsIn(text);
    assertEquals(others, [], text);
    assertEquals(await wordsOf(command), [...words]);
  }
  const started = `${folder}/started only`;
  await Deno.mkdir(`${started}/checkpoints`, { recursive: true });
  await Deno.copyFile(`${run}/config.json`, `${started}/config.json`);
  const { stderr } = await sample("--run", started, "--prompt", "a");
  assertEquals(await wordsOf(commandsIn(stderr).join("")), [
    ...["deno", "task", "train", "--resume", started],
  ]);
});
