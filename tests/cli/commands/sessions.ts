/**
 * What commands say, on tiny models and a few rows: their output, their errors and their exit codes.
 * Run as a program, this writes `sessions.txt`, which the test beside it compares with what is said:
 *
 *     deno run -A --lock=deno.lock --frozen tests/cli/commands/sessions.ts
 */
import { downloadCommand } from "@unitune/cli/download";
import { pushCommand } from "@unitune/cli/push";
import {
  data,
  endedHere,
  exposure,
  filesIn,
  type Here,
  merge,
  objectives,
  report,
  sample,
  tokenizer,
  train,
} from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

/** The place of what was said. */
export const known = new URL("sessions.txt", import.meta.url);

const commands: Readonly<Record<string, Here>> = {
  ...{ data, exposure, merge, objectives, report, sample, tokenizer, train },
  download: (...argv) => endedHere(() => downloadCommand(argv)),
  push: (...argv) => endedHere(() => pushCommand(argv)),
};

/** Command lines, in order; DIR is the folder of the session. */
const lines = [
  // What is needed, and what excludes what.
  ...["merge", "merge --adapter DIR/model", "merge --adapter DIR/model --out DIR/model"],
  ...["merge --adapter DIR/model --out DIR/new", "report", "report --run DIR/model"],
  ...[
    "report --run DIR/model --watch --out DIR/page",
    "tokenizer",
    "tokenizer --data DIR/text.txt",
  ],
  ...["tokenizer --data DIR/text.txt --out DIR/model", "data", "data DIR/none.jsonl"],
  ...["exposure", "exposure --run DIR/model --gradients --teacher DIR/model", "sample"],
  ...[
    "sample --prompt a",
    "sample --model DIR/model",
    "sample --run DIR/model --adapter DIR/model",
  ],
  ...[
    "sample --model DIR/model --prompt a --chat",
    "sample --model DIR/model --prompt a --out DIR/o",
  ],
  ...["sample --model DIR/model --prompts DIR/prompts.jsonl", "sample --model DIR/none --prompt a"],
  ...["sample --model DIR/model --prompts DIR/prompts.jsonl --out DIR/text.txt"],
  ...["sample --model DIR/model --prompt a --seed 1", "sample --model DIR/model --chat --count 2"],
  ...["sample --model DIR/model --prompt a --compare-base", "sample --model DIR/base --chat"],
  ...["sample --model DIR/base --prompt a --system b", "download", "download a/b --split x"],
  ...["download hub:a/b --revision v1", "push DIR/model"],
  ...["train --from-step 3", "train --config-format trl", "train --plan --resume DIR/model"],
  // What is said of data.
  ...["data DIR/rows.jsonl --context 20", "data DIR/text.txt", "data DIR/two --objective dpo"],
  ...["data DIR/wrong.jsonl", "data --data DIR/rows.jsonl --model DIR/model --context 9"],
  "tokenizer --data DIR/text.txt --vocabulary 300 --out DIR/bytes",
  "tokenizer --data DIR/rows.jsonl --vocabulary 262 --out DIR/bytes2 --validation-share 0",
  // What models say.
  "sample --model DIR/model --prompt hello --device wasm --max-new-tokens 3",
  "sample --model DIR/model --prompt hello --device wasm --max-new-tokens 3 --count 2 --temperature 1 --raw",
  "sample --model DIR/base --prompt hello --device wasm --max-new-tokens 3 --count 2 --temperature 1",
  "sample --model DIR/model --prompts DIR/prompts.jsonl --out DIR/answers.jsonl --device wasm --max-new-tokens 2",
  "train --device wasm --model DIR/model --data DIR/rows.jsonl --lora --steps 1 --batch-size 1 --out DIR/run",
  "sample --run DIR/run --prompt hello --device wasm --max-new-tokens 3 --compare-base",
  "sample --adapter DIR/run --prompt hello --device wasm --max-new-tokens 3",
  "merge --adapter DIR/run --out DIR/merged",
  "sample --model DIR/merged --prompt hello --device wasm --max-new-tokens 3",
  "report --run DIR/run",
  "report --run DIR/run --prompt hello",
  "train --resume DIR/run",
  "train --resume DIR/run --steps 3",
  "exposure --run DIR/run",
  "train --tasks order --examples 20 --steps 1 --batch-size 2 --layers 1 --heads 1 --width 8 " +
  "--context 64 --eval-examples 2 --eval-answers 1 --device wasm --show-example --out DIR/order",
  "exposure --run DIR/order --questions 2 --device wasm",
  "exposure --run DIR/order --teacher DIR/order --questions 2 --device wasm",
];

/** A text without what depends on the folder, the clock, and the last digits of numbers. */
const masked = (text: string, folder: string) =>
  text.replaceAll(folder, "DIR")
    .replaceAll(
      / · \d+s left( · [\d.,]+ (?:steps\/s|s\/step|tokens\/s|answers\/s|s\/answer))*/g,
      "",
    )
    .replaceAll(/\d+\.\d{3,}/g, (number) => number.replaceAll(/\d/g, "9"))
    .replaceAll(/\d+s in all/g, "TIME in all")
    // What a model without training says is no text.
    .replaceAll(/\ufffd+/gu, "\ufffd");

/** What the commands say in a folder that is empty at first. */
export async function sessions(folder: string): Promise<string> {
  const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
  const row = (i: number, more: object) => JSON.stringify({ prompt: `p${i}`, ...more });
  await writeTinyModel(`${folder}/model`);
  await writeTinyModel(`${folder}/base`, { isBase: true });
  await write("text.txt", "the cat sat on the mat and the rat sat on the hat\n".repeat(20));
  await write("prompts.jsonl", `${row(1, {})}\n${row(2, { note: "kept" })}\n`);
  await write(
    "rows.jsonl",
    [1, 2, 3, 4].map((i) => row(i, { completion: `answer ${i}` })).join("\n"),
  );
  await write("wrong.jsonl", `${row(1, { completion: "a" })}\n${row(2, {})}\n`);
  await Deno.mkdir(`${folder}/two`);
  for (const name of ["a", "b"]) {
    await write(`two/${name}.jsonl`, `${row(1, { chosen: name, rejected: "no" })}\n`);
  }
  const said: string[] = [];
  for (const line of lines) {
    const [name = "", ...argv] = line.replaceAll("DIR", folder).split(" ");
    const { code, stdout, stderr } = await (commands[name] ?? train)(...argv);
    said.push(
      [
        `$ ${line}`,
        masked(stdout, folder).trimEnd(),
        masked(stderr, folder).trimEnd().replaceAll(/^/gm, "! "),
        code === 0 ? "" : `exit ${code}`,
      ].filter((part) => part !== "" && part !== "! ").join("\n"),
    );
  }
  const files = Object.keys(await filesIn(folder)).filter((name) =>
    !/^(?:model|base)\//.test(name)
  );
  return `${said.join("\n\n")}\n\nIn the end there are:\n${files.sort().join("\n")}\n`;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(known, await sessions(folder));
  await Deno.remove(folder, { recursive: true });
}
