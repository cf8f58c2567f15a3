/** Rows that are longer than any context: they are encoded no further than a row may be. */
import { assert, assertEquals } from "@std/assert";
import { byteTokenizer, type ChatMessage, type Tokenizer } from "@unitune/models";
import {
  checkRows,
  describeFit,
  encodedTokens,
  type Example,
  fitConversations,
  type FittedList,
  fitTexts,
  labelsOf,
  messageText,
  pairsOf,
  promptsOf,
  requireFit,
  silentWatch,
  UserError,
} from "@unitune/training";

/** A byte tokenizer that tells the longest text that it has encoded. */
function counting(): { readonly tokenizer: Tokenizer; readonly most: () => number } {
  const own = byteTokenizer();
  let longest = 0;
  const counted = (ids: readonly number[]) => {
    longest = Math.max(longest, ids.length);
    return [...ids];
  };
  const { chat } = own;
  assert(chat !== undefined);
  const tokenizer: Tokenizer = {
    ...own,
    encode: (text, most) => counted(own.encode(text, most)),
    chat: {
      rows: (messages, options) => {
        const rows = chat.rows(messages, options);
        rows.forEach(({ ids }) => counted(ids));
        return rows;
      },
      prompt: (messages, options) => counted(chat.prompt(messages, options)),
    },
  };
  return { tokenizer, most: () => longest };
}

const LONG = "a".repeat(200_000);
const said = (role: "user" | "assistant", content: string): readonly ChatMessage[] => [
  { role, content },
];
const example = (prompt: string, chosen: string, rejected: string): Example => ({
  prompt: said("user", prompt),
  chosen: said("assistant", chosen),
  rejected: said("assistant", rejected),
  columns: {},
});

Deno.test("rows of every kind are encoded so far as a context may need them", () => {
  assertEquals(encodedTokens(8), 2 ** 16 + 2);
  assertEquals(encodedTokens(2 ** 16), 2 ** 16 + 2);
  assertEquals(encodedTokens(2 ** 16 + 1), 2 ** 16 + 3);
  const context = 70_000;
  const messages = [...said("user", "b"), ...said("assistant", LONG)];
  const ways: readonly ((tokenizer: Tokenizer, context: number) => FittedList<unknown>)[] = [
    (tokenizer, context) => fitTexts(tokenizer, [{ text: LONG }], context),
    (tokenizer, context) => fitConversations(tokenizer, [{ messages }], context),
    (tokenizer, context) => pairsOf(tokenizer, context, [example("b", LONG, "c")]),
    (tokenizer, context) => pairsOf(tokenizer, context, [example("b", "c", LONG)]),
    (tokenizer, context) => labelsOf(tokenizer, context, [example("b", LONG, "c")]),
    (tokenizer, context) => labelsOf(tokenizer, context, [example("b", "c", LONG)]),
  ];
  for (const way of ways) {
    for (const size of [8, context]) {
      const { tokenizer, most } = counting();
      const { longest, kept, truncated, wholeContext } = way(tokenizer, size);
      assertEquals({ longest, truncated }, { longest: size + 1, truncated: 1 });
      assert(kept >= 1);
      // One token more than the context that is counted to.
      assertEquals(wholeContext, encodedTokens(size) - 1);
      assertEquals(most(), encodedTokens(size));
    }
  }
});

Deno.test("rows whose prompts are longer than any context are skipped", () => {
  const ways: readonly ((tokenizer: Tokenizer) => FittedList<unknown>)[] = [
    (tokenizer) =>
      fitConversations(tokenizer, [{
        messages: [...said("user", LONG), ...said("assistant", "b")],
      }], 8),
    (tokenizer) => pairsOf(tokenizer, 8, [example(LONG, "b", "c")]),
    (tokenizer) => {
      const { rejected: _, ...single } = example(LONG, "b", "");
      return pairsOf(tokenizer, 8, [single]);
    },
    (tokenizer) => promptsOf(tokenizer, 8, [example(LONG, "b", "c")]),
  ];
  for (const way of ways) {
    const { tokenizer, most } = counting();
    const fitted = way(tokenizer);
    assertEquals([fitted.kept, fitted.skipped["no room"]], [0, 1]);
    assertEquals(most(), encodedTokens(8));
    assert(fitted.leastContext >= encodedTokens(8), `${fitted.leastContext}`);
    const refused = refusalOf(fitted);
    assertEquals(
      refused.replaceAll(/65,53\d/g, "65,53x"),
      "none of the 1 examples fits a context of 8 tokens: the shortest prompt needs more than " +
        "65,53x tokens, and the longest example more than 65,53x tokens",
    );
  }
});

function refusalOf(fitted: FittedList<unknown>): string {
  try {
    requireFit(fitted, "examples");
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

Deno.test("a length is told as far as it is known", () => {
  const told = (length: number) => {
    const fitted = fitTexts(byteTokenizer(), [{ text: "a".repeat(length) }], 8);
    return messageText(describeFit(fitted, "texts") ?? "");
  };
  const begin = "1 of 1 texts exceed the context of 8 tokens: 1 cut at the end of the answer. ";
  // The text, and a stop token that is predicted and not read.
  assertEquals(told(2 ** 16), `${begin}context 65536 fits all of them.`);
  assertEquals(told(2 ** 16 + 1), `${begin}The longest has more than 65,537 tokens.`);
  assertEquals(told(2 ** 17), `${begin}The longest has more than 65,537 tokens.`);
});

Deno.test("two answers that are alike as far as they are read are equal", () => {
  const fitted = pairsOf(byteTokenizer(), 8, [example("b", LONG, `${LONG}c`)]);
  assertEquals(fitted.skipped.equal, 1);
  assertEquals(
    refusalOf(fitted),
    "none of the 1 examples fits a context of 8 tokens: 1 have two answers that are equal after " +
      "the cut: the longest example needs more than 65,537 tokens",
  );
});

Deno.test("long conversations are not checked, and told so", () => {
  const row = (content: string) => ({ content, source: { file: "rows.jsonl", line: 3 } });
  const check = (contents: readonly string[]) => {
    let checked = 0;
    const tokenizer = { ...byteTokenizer(), begin: [7] };
    const notes = checkRows(tokenizer, contents.map(row), {
      conversations: ({ content }) => [{ messages: said("assistant", content), learnedFrom: 0 }],
      source: "rows.jsonl",
      watch: { ...silentWatch, begin: () => (done) => checked = done },
    });
    return { checked, notes };
  };
  const [note = ""] = check(["a", "b".repeat(2 ** 20 + 1)]).notes;
  assert(note.includes("(in 1 of 1 rows that were looked at, of 2, first at rows.jsonl:3)"), note);
  const [both = ""] = check(["a", "b".repeat(2 ** 20)]).notes;
  assert(both.includes("(in 2 of 2 rows, first at rows.jsonl:3)"), both);
});

Deno.test("an empty text is left out, and not for want of room", () => {
  const { rows, skipped } = fitTexts(byteTokenizer(), [{ text: "" }, { text: "a" }], 8);
  assertEquals(rows.map(({ ids }) => ids.length), [2]);
  assertEquals(skipped["no room"], 0);
});
