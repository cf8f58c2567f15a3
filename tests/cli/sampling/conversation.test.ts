/** A conversation without a model: what is asked, answered, taken back and told. */
import { assertEquals, assertRejects } from "@std/assert";
import { byteTokenizer } from "@unitune/models";
import { UserError } from "@unitune/training";
import { converse } from "../../../cli/sampling/conversation.ts";
import type { Spoken } from "../../../cli/sampling/speech.ts";
import { inputLines } from "../../../cli/terminal/input.ts";

const tokenizer = byteTokenizer();

/** What a conversation of some lines comes to, with answers by turn; undefined ends it. */
async function held(
  lines: readonly string[],
  answers: readonly (Partial<Spoken> | undefined)[],
  { context = 100, system }: { readonly context?: number; readonly system?: string } = {},
) {
  const events: string[] = [];
  const asked: string[] = [];
  const input = async function* () {
    for (const line of lines) yield await Promise.resolve(line);
  };
  await converse({ tokenizer, kind: "conversations", context }, {
    lines: input(),
    ask: () => void events.push(">"),
    answered: (notes) => void events.push(`answered ${notes.join(" ")}`.trimEnd()),
    tell: (note) => void events.push(note),
  }, {
    system,
    answer: (ids, turn) => {
      asked.push(`${turn} ${tokenizer.decode(ids, { special: "shown" })}`);
      const answer = answers[turn];
      return Promise.resolve(
        answer && { text: `a${turn}`, tokens: 2, isEnded: true, isStopped: false, ...answer },
      );
    },
  });
  return { events, asked };
}

Deno.test("each line is asked behind the conversation so far, until a new one or the end", async () => {
  const { events, asked } = await held(
    ["one", "", "  two", "/new", "three", "/neW", "/quit", "four"],
    [{}, {}, {}],
    { system: "s" },
  );
  const user = (text: string) => `<user>${text}<assistant>`;
  assertEquals(asked.map((text) => text.replace("<stop>", "|")), [
    `0 <system>s${user("one")}`,
    `1 <system>s${user("one")}a0|${user("  two")}`,
    `2 <system>s${user("three")}`,
  ]);
  assertEquals(events, [
    ...[">", "answered", ">", ">", "answered", ">", "A new conversation.", ">", "answered", ">"],
    ...[
      "There is no command /neW: /new begins a new conversation, /quit ends, as Ctrl-D does.",
      ">",
    ],
  ]);
});

Deno.test("an answer that was stopped or cut off is told, and one without a word is no turn", async () => {
  const cut = { isEnded: false };
  const stopped = await held(["a", "b", "c"], [
    { isStopped: true, isEnded: false, text: "" },
    { isStopped: true, isEnded: false },
    {},
  ]);
  assertEquals(stopped.events, [
    ...[">", "answered Stopped.", ">", "answered Stopped.", ">", "answered", ">"],
  ]);
  assertEquals(stopped.asked.map((text) => text.includes("a0")), [false, false, false]);
  assertEquals(stopped.asked[2]?.includes("a1"), true);
  // <user> a <assistant> and two tokens.
  const notes = async (context: number) => (await held(["a"], [cut], { context })).events[1];
  assertEquals(await notes(6), "answered Cut off after 2 tokens: --max-new-tokens allows more.");
  assertEquals(
    await notes(5),
    "answered The context of 5 tokens is full: /new begins a new conversation.",
  );
  const over = await held(["a", "b"], [undefined]);
  assertEquals([over.events, over.asked.length], [[">"], 1]);
});

Deno.test("a message that the model cannot read is taken back", async () => {
  const { events, asked } = await held(["a".repeat(30), "b", "c".repeat(30), "d"], [{}, {}], {
    context: 24,
  });
  const told = events.filter((event) => event.includes("taken back"));
  assertEquals(told.map((note) => note.endsWith("The message is taken back.")), [true, false]);
  assertEquals(told[1]?.endsWith("The message is taken back; /new begins a new one."), true);
  assertEquals(asked.map((text) => text.replaceAll(/<\w+>/g, " ")), ["0  b ", "1  b a0  d "]);
});

Deno.test("lines of input are told apart wherever they are cut, and none is without end", async () => {
  const linesOf = async (...pieces: readonly (string | Uint8Array)[]) => {
    const input = async function* () {
      for (const piece of pieces) {
        yield await Promise.resolve(
          typeof piece === "string" ? new TextEncoder().encode(piece) : piece,
        );
      }
    };
    return await Array.fromAsync(inputLines(input()));
  };
  assertEquals(await linesOf("a\r\nb", "c\n\r\r\n", "d"), ["a", "bc", "\r", "d"]);
  const most = new Uint8Array(2 ** 22).fill(0x61);
  assertEquals((await linesOf(most, "\n"))[0]?.length, 2 ** 22);
  await assertRejects(
    () => linesOf("a\n", most, "a\n"),
    UserError,
    "line 2 of the input has more than 4194304 bytes",
  );
});
