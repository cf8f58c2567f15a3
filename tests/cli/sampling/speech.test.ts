/** An answer that is said while it is sampled: to its end, to a stop string, or to where it was stopped. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { byteTokenizer, type GenerateOptions } from "@unitune/models";
import { speak } from "../../../cli/sampling/speech.ts";

const tokenizer = byteTokenizer();

/** Says ids until a watch or the end stops it; before the id of an index, something happens. */
function spoken(
  ids: readonly number[],
  { stopStrings = [], signal, at }: {
    readonly stopStrings?: readonly string[];
    readonly signal?: AbortSignal;
    readonly at?: (index: number) => void;
  } = {},
) {
  const parts: string[] = [];
  const prompts: (readonly number[])[] = [];
  const generator = {
    async *stream(_params: unknown, prompt: readonly number[], options: GenerateOptions) {
      prompts.push(prompt);
      assertEquals(options.stop, tokenizer.stops);
      const watch = options.watch?.();
      for (const [i, id] of ids.entries()) {
        at?.(i);
        yield await Promise.resolve(id);
        if (watch?.(id) !== undefined) return;
      }
    },
  };
  const speech = {
    ...{ generator, params: {}, tokenizer, stopStrings },
    write: (text: string) => void parts.push(text),
  };
  const answer = speak(speech, [1, 2], { maxNewTokens: 9, ...signal && { signal } });
  return { answer, parts, prompts };
}

const idsOf = (text: string) => tokenizer.encode(text);

Deno.test("an answer ends by its stop token, which is not counted", async () => {
  const { answer, parts, prompts } = spoken([...idsOf("abc"), tokenizer.stop, ...idsOf("d")]);
  assertEquals(await answer, { text: "abc", tokens: 3, isEnded: true, isStopped: false });
  assertEquals([parts, prompts], [["a", "b", "c"], [[1, 2]]]);
});

Deno.test("an answer that is cut off has not ended, and half a character is said at last", async () => {
  const { answer, parts } = spoken(idsOf("né").slice(0, 2));
  assertEquals(await answer, { text: "n\ufffd", tokens: 2, isEnded: false, isStopped: false });
  assertEquals(parts, ["n", "\ufffd"]);
});

Deno.test("an answer ends before a stop string, whose beginning is not said", async () => {
  const { answer, parts } = spoken(idsOf("ab</s>c"), { stopStrings: ["</s>"] });
  assertEquals(await answer, { text: "ab", tokens: 6, isEnded: true, isStopped: false });
  assertEquals(parts, ["a", "b"]);
  // What only begins as one is said at the end.
  const half = spoken(idsOf("ab</"), { stopStrings: ["</s>"] });
  assertEquals(await half.answer, { text: "ab</", tokens: 4, isEnded: false, isStopped: false });
  assertEquals(half.parts, ["a", "b", "</"]);
});

Deno.test("an answer that is stopped is what was said of it; another error is thrown", async () => {
  const reason = new Error("stopped");
  const controller = new AbortController();
  const { signal } = controller;
  const stopped = spoken(idsOf("abc"), {
    signal,
    at: (index) => {
      if (index < 2) return;
      controller.abort(reason);
      signal.throwIfAborted();
    },
  });
  assertEquals(await stopped.answer, { text: "ab", tokens: 2, isEnded: false, isStopped: true });
  const other = new Error("other");
  for (const options of [{}, { signal }, { signal: new AbortController().signal }]) {
    const failing = spoken(idsOf("abc"), {
      ...options,
      at: () => {
        throw other;
      },
    });
    assertStrictEquals(await assertRejects(() => failing.answer), other);
  }
});
