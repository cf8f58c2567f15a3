/** What a watch is told and asked while data are prepared. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { byteTokenizer } from "@unitune/models";
import {
  type Example,
  messageText,
  taskMaterial,
  trainSettings,
  UserError,
  type Watch,
} from "@unitune/training";
// Not public: the parts of a preparation.
import { encodedText, requirePairs } from "../../training/data/material.ts";
import { eachTold } from "../../training/data/watch.ts";
import { atOnce } from "../../training/event_loop.ts";

/** A watch, and what it was asked and told. */
function watching() {
  const reserved: (readonly [subject: string, bytes: number, share: number | undefined])[] = [];
  const begun: (readonly [doing: string, later: number | undefined])[] = [];
  const watch: Watch = {
    begin: ({ doing, later }) => {
      begun.push([doing, later]);
      return () => {};
    },
    reserve: (subject, bytes, share) => void reserved.push([messageText(subject), bytes, share]),
  };
  return { watch, reserved, begun };
}

Deno.test("every element is visited, and the number so far is told now and then", () => {
  const elements = Array.from({ length: 150 }, (_, i) => `${i}`);
  const [told, visited]: [unknown[], unknown[]] = [[], []];
  const visits = eachTold(
    elements,
    (done, total) => void told.push([done, total, visited.length]),
    (element, i) => void visited.push([element, i]),
  );
  assertEquals([...visits].length, 2);
  assertEquals(told, [[64, 150, 64], [128, 150, 128]]);
  assertEquals(visited, elements.map((element, i) => [element, i]));
  atOnce(eachTold(["a"], () => told.push("more"), (element) => void visited.push(element)));
  assertEquals([told.length, visited.at(-1)], [2, "a"]);
});

Deno.test("the memory of examples and texts is asked for, in proportion to their number", () => {
  const { watch, reserved, begun } = watching();
  for (const examples of [10, 20]) taskMaterial(trainSettings({ examples }), watch);
  const tokenizer = byteTokenizer();
  assertEquals([...encodedText(tokenizer, "ab", "a text", watch)], tokenizer.encode("ab"));
  encodedText(tokenizer, "abcd", "a text", watch);
  assertEquals(reserved.map(([subject, , share]) => [subject, share]), [
    ...[["examples 10", 0.8], ["examples 20", 0.8]],
    ...[["a text", undefined], ["a text", undefined]],
  ]);
  const [ten = NaN, twenty, two = NaN, four] = reserved.map(([, bytes]) => bytes);
  assertEquals([twenty, four], [2 * ten, 2 * two]);
  // Texts and tokens take bytes, not parts of them.
  assert(ten > 10 * 100 && two > 2 * 4);
  assertEquals(begun.map(([doing]) => doing), ["generating examples", "generating examples"]);
  assert(begun.every(([, later]) => (later ?? 0) > 0));
  const message = "a text has 1 token: it takes 2 to predict one, add more text";
  assertThrows(() => encodedText(tokenizer, "a", "a text", watch), UserError, message);
});

Deno.test("data of one answer to a prompt are refused where two are compared, unless one is the model's", () => {
  const answer = [{ role: "assistant", content: "a" }] as const;
  const liked: Example = { prompt: [], chosen: answer, columns: {} };
  const disliked: Example = { prompt: [], rejected: answer, columns: {} };
  const told = (objective: string, rows: readonly (readonly Example[])[], more: object = {}) => {
    const settings = trainSettings({ objective, data: "rows.jsonl", ...more });
    try {
      requirePairs(settings, rows, "rows.jsonl");
      return undefined;
    } catch (error) {
      return error instanceof UserError ? error.message : error;
    }
  };
  const model =
    "prompt, chosen and rejected, or rejected model for wrong answers of the model's own";
  assertEquals(
    told("dpo", [[], [liked]]),
    `dpo compares two answers, and rows.jsonl has one to a prompt: give rows with ${model}`,
  );
  assertEquals(
    told("kto", [[liked], [liked]]),
    "kto reads liked and disliked answers, and rows.jsonl has only liked ones: give rows with " +
      `prompt, completion and label, or ${model}`,
  );
  assertEquals(
    [
      told("dpo", [[liked], [{ ...liked, rejected: answer }]]),
      told("dpo", [[disliked]]),
      told("dpo", []),
      told("dpo", [[liked]], { rejected: "model" }),
    ],
    [undefined, undefined, undefined, undefined],
  );
  requirePairs(trainSettings({ objective: "dpo" }), [[liked]], "the tasks");
});
