/** Rows of datasets: their messages, their texts, and how many of them train. */
import { assertEquals } from "@std/assert";
import {
  charactersOf,
  type Dataset,
  datasetKinds,
  detailsOf,
  gatherCharacters,
  isOfTexts,
  messagesOf,
  placeText,
  type RowKind,
  type Rows,
  textsOf,
  trainingLength,
} from "@unitune/training";

const says = (content: string | null) => [{ role: "user", content }] as const;
const [a, b, c, d] = [says("a"), says("b"), says("c"), says("d")] as const;

Deno.test("the messages and texts of a row are all that it has, in order", () => {
  const cases: readonly (readonly [row: Rows[RowKind], messages: string, texts?: string])[] = [
    [{ text: "own" }, "", "own"],
    [{ messages: [...a, ...b] }, "ab"],
    [{ prompt: a, chosen: b, rejected: c }, "abc"],
    [{ prompt: a, chosen: b, rejected: c, gold: d }, "abcd"],
    [{ prompt: a, answers: [{ answer: b, score: 1 }, { answer: [...c, ...d], score: 0 }] }, "abcd"],
    [{ prompt: a, completion: b, label: true }, "ab"],
    [{ prompt: a, steps: ["x", "y"], labels: [true, false] }, "a", "xya"],
    [{ prompt: [...a, ...b], columns: { text: "no message" } }, "ab"],
    [{ prompt: [...says(null), ...a], columns: {} }, "a"],
  ];
  for (const [row, messages, texts = messages] of cases) {
    assertEquals(messagesOf(row).map(({ content }) => content ?? "").join(""), messages);
    assertEquals(textsOf(row).join(""), texts);
  }
});

Deno.test("of rows a share is held out, at least one, and at least one trains", () => {
  const cases: readonly (readonly [length: number, share: number | undefined, trains: number])[] = [
    ...[[10, 0, 10], [1, 0, 1], [10, 0.1, 9], [19, 0.1, 17], [20, undefined, 18]] as const,
    ...[[2, 0.9, 1], [10, 0.99, 1], [10, 0.001, 9], [2, 0.1, 1], [8, 0.5, 4], [9, 0.5, 4]] as const,
  ];
  for (const [length, share, trains] of cases) assertEquals(trainingLength(length, share), trains);
});

Deno.test("details are those that a row has, and its place is told by its unit", () => {
  const source = { file: "rows.jsonl", line: 3 };
  const rendering = { tools: [] };
  const columns = { name: 1 };
  assertEquals(detailsOf({ rendering, source, columns }), { rendering, source });
  assertEquals(detailsOf({ source, columns }), { source });
  assertEquals(detailsOf({ rendering }), { rendering });
  assertEquals(detailsOf({}), {});
  assertEquals(placeText(source), "rows.jsonl:3");
  assertEquals(placeText({ ...source, unit: "row" }), "rows.jsonl, row 3");
  assertEquals(datasetKinds.filter(isOfTexts), ["text", "texts"]);
});

Deno.test("the characters of a dataset are those of both of its parts, each once", () => {
  const text: Dataset = { kind: "text", train: "abcab", validation: "bd🦊\ud800🦉" };
  assertEquals([...charactersOf(text)].sort(), ["a", "b", "c", "d", "🦉", "🦊", "\ud800"].sort());
  const rows: Dataset = {
    kind: "texts",
    train: [{ text: "xy" }, { text: "yz" }],
    validation: [{ text: "é" }],
  };
  assertEquals([...charactersOf(rows)].sort(), ["x", "y", "z", "é"]);
  const { add, characters } = gatherCharacters();
  assertEquals(characters().size, 0);
  for (const part of ["a🦊", "🦊", "\udd8a", "a"]) add(part);
  assertEquals([...characters()], ["a", "🦊", "\udd8a"]);
});
