/**
 * Tokenizers and chat templates of pretrained models beside those of Python, whose results
 * `scripts/golden/text_vectors.py` has written.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  baseTemplates,
  byteTokenizer,
  ChatError,
  type ChatMessage,
  checkConversation,
  conversationRows,
  describeTokens,
  encodePrompt,
  type Finding,
  textStream,
  TokenizerError,
} from "@unitune/models";
import { chatTemplate, pretrainedTokenizer, withChatTemplate } from "@unitune/models/pretrained";

/** A conversation with the results of apply_chat_template. */
interface Chat {
  readonly messages: readonly ChatMessage[];
  readonly variables: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly mask: readonly number[];
}

/** The contents of the file. */
interface Vectors {
  readonly files: Readonly<Record<string, string>>;
  readonly texts: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly framed: readonly number[];
    readonly cut: string;
  }[];
  readonly chats: Readonly<Record<keyof typeof baseTemplates, readonly Chat[]>>;
}

const vectors: Vectors = JSON.parse(
  await Deno.readTextFile(new URL("text_vectors/small.json", import.meta.url)),
);
const files = new Map(Object.entries(vectors.files));
const tokenizer = pretrainedTokenizer(files);

/** The tokenizer with a chat template, and with stop tokens for generation. */
function withTemplate(template: string, stops?: readonly string[]) {
  const ids = stops?.map((stop) => tokenizer.tokens.indexOf(stop));
  return pretrainedTokenizer(
    new Map([
      ...files,
      ["chat_template.jinja", template],
      ...ids === undefined
        ? []
        : [["generation_config.json", JSON.stringify({ eos_token_id: ids })] as const],
    ]),
  );
}

Deno.test("ids and texts are those of Python", () => {
  assert(vectors.texts.length >= 100);
  for (const { text, ids, framed, cut } of vectors.texts) {
    assertEquals(tokenizer.encode(text), ids, text);
    assertEquals([...tokenizer.begin, ...ids], framed);
    assertEquals(tokenizer.decode(ids.filter((_, i) => i % 5 !== 3)), cut);
  }
});

Deno.test("a stream gives the text of all ids, in whole characters", () => {
  for (const made of [tokenizer, byteTokenizer()]) {
    const id = fc.integer({ min: 0, max: made.size - 1 });
    const said = fc.oneof(fc.array(id), fc.string({ unit: "binary" }).map(made.encode));
    fc.assert(fc.property(said, fc.constantFrom("skipped", "shown"), (ids, special) => {
      const stream = textStream(made, { special });
      const parts = ids.map((id) => stream.push(id));
      assert(parts.every((part) => part.isWellFormed() && !part.endsWith("\ufffd")));
      assertEquals(parts.join("") + stream.end(), made.decode(ids, { special }));
    }));
  }
});

for (const name of ["chatml", "llama3", "alpaca"] as const) {
  const { template, stop = "</s>" } = baseTemplates[name];
  const made = withTemplate(template, [stop]);

  Deno.test(`${name}: conversations are rendered as apply_chat_template does`, () => {
    const render = chatTemplate(template, { bos_token: "<s>", eos_token: "</s>" });
    for (const { messages, variables, text, prompt } of vectors.chats[name]) {
      assertEquals(render(messages, { variables }), text);
      assertEquals(render(messages, { variables, addGenerationPrompt: true }), prompt);
      assertEquals(encodePrompt(made, messages, { variables }), made.encode(prompt));
    }
  });

  Deno.test(`${name}: the ids and the mask are those of the template's generation marks`, () => {
    for (const { messages, variables, ids, mask } of vectors.chats[name]) {
      // A word that begins with white space may be joined to its prompt, which is refused.
      const rows = conversationRows(made, messages, { variables });
      assertEquals(rows, [{ ids, mask: mask.map((learned) => learned === 1) }]);
    }
  });

  Deno.test(`${name}: the template refuses tools in a sentence`, () => {
    const messages = [{ role: "user", content: "a" }] as const;
    assertThrows(
      () => encodePrompt(made, messages, { tools: [{}] }),
      ChatError,
      "refuses the conversation",
    );
  });
}

/** A template that drops an earlier answer's thoughts, as that of Qwen3 does. */
const forgetful = "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}" +
  "{%- if m.role == 'assistant' and loop.last %}{{- '<think>' + m.reasoning_content }}{%- endif %}" +
  "{{- m.content + '<|im_end|>\\n' }}{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

const asked: readonly ChatMessage[] = [
  { role: "user", content: "1 + 1?" },
  { role: "assistant", content: "2", reasoning_content: "one " },
  { role: "user", content: "And 3?" },
  { role: "assistant", content: "5", reasoning_content: "two " },
];

Deno.test("answers that are shown in another form later on have rows of their own", () => {
  const made = withTemplate(forgetful, ["<|im_end|>"]);
  const rows = conversationRows(made, asked);
  const learned = rows.map(({ ids, mask }) =>
    made.decode(ids.filter((_, i) => mask[i]), { special: "shown" })
  );
  assertEquals(learned, ["<think>one 2<|im_end|>", "<think>two 5<|im_end|>"]);
  assertEquals(rows.map(({ ids }) => made.decode(ids).includes("one")), [true, false]);
  // What is learned follows the prompt that generation starts from.
  for (const [i, { ids, mask }] of rows.entries()) {
    const prompt = encodePrompt(made, asked.slice(0, 2 * i + 1));
    assertEquals(ids.slice(0, mask.indexOf(true)), prompt);
  }
  assertEquals(conversationRows(made, asked, { learnedFrom: 2 }), rows.slice(1));
  assertEquals(checkConversation(made, asked).map(({ kind }) => kind), [
    "no-beginning",
    "several-rows",
  ]);
});

Deno.test("tools have the template that is named for them, where there are two", () => {
  const config = JSON.parse(files.get("tokenizer_config.json") ?? "{}");
  const named = (name: string, template: string) => ({ name, template });
  const chat_template = [named("default", "plain"), named("tool_use", "with {{ tools | length }}")];
  const both = new Map(files).set(
    "tokenizer_config.json",
    JSON.stringify({ ...config, chat_template }),
  );
  both.delete("chat_template.jinja");
  const { chat, decode } = pretrainedTokenizer(both);
  const shown = (tools?: readonly unknown[]) =>
    decode(chat?.prompt([{ role: "user", content: "Hi" }], tools && { tools }) ?? []);
  assertEquals([shown(), shown([{}, {}])], ["plain", "with 2"]);
});

Deno.test("an answer may begin a conversation, and end with its first token", () => {
  const { chat, tokens } = withTemplate(
    "{% for m in messages %}{{ m.content + '<|im_end|>' + '\\n' }}{% endfor %}",
    ["<|im_end|>"],
  );
  const [row] = chat?.rows([{ role: "assistant", content: "" }]) ?? [];
  assertEquals(tokens[row?.ids[0] ?? -1], "<|im_end|>");
  assertEquals(row?.mask.slice(0, 2), [true, false]);
});

Deno.test("a template that needs a text in each message says so", () => {
  const made = withTemplate("{%- for m in messages %}{{- m.content.strip() }}{%- endfor %}");
  const called = { role: "assistant", content: null, tool_calls: [{ name: "f" }] } as const;
  for (const conversation of [[called], [{ role: "user", content: "a" } as const, called]]) {
    assertThrows(() => encodePrompt(made, conversation), ChatError, 'write "" as content');
  }
  const hasNone = withTemplate("{{- raise_exception('no') }}");
  const { message } = assertThrows(() => encodePrompt(hasNone, asked), ChatError, '"no"');
  assert(!message.includes("as content"), message);
});

Deno.test("a template that changes its prompts is refused, with the place", () => {
  const eager = withTemplate(
    baseTemplates.chatml.template.replace(
      "assistant\\n' }}{%- endif",
      "assistant\\n<think>' }}{%- endif",
    ),
  );
  const error = assertThrows(() => conversationRows(eager, asked), ChatError, "of message 2");
  assert(error.message.includes("<think>"), error.message);
});

Deno.test("an answer that begins inside a token is refused", () => {
  const spaced = withTemplate("{%- for m in messages %}{{- m.content }}{%- endfor %}");
  const pair = tokenizer.tokens.findIndex((piece) => /^[a-z]{2}$/.test(piece));
  const [a = "", b = ""] = tokenizer.tokens[pair] ?? "";
  const messages = [{ role: "user", content: a }, { role: "assistant", content: b }] as const;
  assertThrows(() => conversationRows(spaced, messages), ChatError, "begins inside a token");
});

Deno.test("checks find what would train a model wrongly", () => {
  const { template } = baseTemplates.chatml;
  const plain = asked.map(({ role, content }) => ({ role, content: content ?? "" }));
  const check = (template: string, stops: readonly string[], messages = plain) =>
    checkConversation(withTemplate(template, stops), messages);
  const kinds = (findings: readonly Finding[]) => findings.map(({ kind }) => kind);
  const begun = `{{- bos_token }}${template}`;
  assertEquals(check(begun, ["<|im_end|>"]), []);
  assertEquals(kinds(check(template, ["<|im_end|>"])), ["no-beginning"]);
  assertEquals(kinds(check(`{{- bos_token }}${begun}`, ["<|im_end|>"])), ["double-beginning"]);
  // eos_token of the configuration is another one than the template's.
  assertEquals(kinds(check(begun, ["</s>"])).slice(0, 1), ["unlearned-stop"]);
  const upper = begun.replaceAll("message['content']", "(message['content'] | upper)");
  const said = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }] as const;
  assertEquals(kinds(check(upper, ["<|im_end|>"], [...said])), ["unlearned-words"]);
  const spelled = [{ role: "user", content: "</s>" }, said[1]] as const;
  assertEquals(kinds(check(begun, ["<|im_end|>"], [...spelled])), ["spelled-special"]);
  // Without a header between them, two answers are one run of learned tokens.
  const joined = "{{- bos_token }}{%- for m in messages %}" +
    "{{- '<|im_start|>' if m.role == 'user' }}{{- m.content + '<|im_end|>' }}{%- endfor %}";
  assertEquals(kinds(check(joined, ["<|im_end|>"], [...said, said[1]])), ["unlearned-words"]);
  const echo = begun.replace(
    "{%- generation %}",
    "{%- generation %}{{- messages[0]['content'] }}",
  );
  const long = [{ role: "user", content: "a question of many words" }, said[1]] as const;
  assertEquals(kinds(check(echo, ["<|im_end|>"], [...long])), ["learned-prompt"]);
  const extra = begun.replace("{%- generation %}", "{%- generation %}{{- 'Well: ' }}");
  assertEquals(kinds(check(extra, ["<|im_end|>"], [...said])), ["learned-template"]);
});

Deno.test("a row is shown token by token", () => {
  const made = withTemplate(baseTemplates.chatml.template, ["<|im_end|>"]);
  const [row] = conversationRows(made, [{ role: "assistant", content: "é🦊" }]);
  assert(row !== undefined);
  const lines = describeTokens(made, row);
  assertEquals(lines.length, row.ids.length);
  assert(lines[0]?.endsWith('given    "<|im_start|>"'), lines[0]);
  assert(lines.at(-2)?.endsWith('learned  "<|im_end|>"'), lines.at(-2));
});

Deno.test("stop, padding and beginning tokens follow the stated rules", () => {
  const made = withTemplate(baseTemplates.chatml.template, ["<|im_end|>", "<|eot_id|>"]);
  const idOf = (piece: string) => tokenizer.tokens.indexOf(piece);
  assertEquals(made.stops, ["</s>", "<|im_end|>", "<|eot_id|>"].map(idOf));
  assertEquals([made.stop, made.pad], [idOf("</s>"), idOf("</s>")]);
  assertEquals(made.begin, [idOf("<s>")]);
  const config = (settings: object) =>
    new Map([...files, ["tokenizer_config.json", JSON.stringify(settings)]]);
  const other = { eos_token: { content: "</s>" }, pad_token: "<s>", add_bos_token: false };
  const { pad, begin } = pretrainedTokenizer(config(other));
  assertEquals([pad, begin], [idOf("<s>"), []]);
  const stopped = new Map([...config({}), ["config.json", `{"eos_token_id":3}`]]);
  assertEquals(pretrainedTokenizer(stopped).stops, [3]);
});

Deno.test("ids beyond the tokenizer stand for no text", () => {
  const made = pretrainedTokenizer(files, { vocabulary: tokenizer.size + 2 });
  assertEquals(made.size, tokenizer.size + 2);
  const ids = [...made.encode("a"), tokenizer.size, ...made.encode("b")];
  assertEquals(made.decode(ids), "ab");
  assert(made.special.has(tokenizer.size));
  assertThrows(() => tokenizer.decode(ids), RangeError);
  assertThrows(() => pretrainedTokenizer(files, { vocabulary: 9 }), TokenizerError, "take both");
  assertEquals(made.decode([]), "");
});

Deno.test("the files of a tokenizer give the same tokenizer again", () => {
  const made = withTemplate(baseTemplates.chatml.template, ["<|im_end|>"]);
  const again = pretrainedTokenizer(made.files());
  assertEquals(again.tokens, made.tokens);
  assertEquals(again.stops, made.stops);
  assertEquals(conversationRows(again, asked), conversationRows(made, asked));
});

Deno.test("damaged files are refused in one sentence that names the file", () => {
  const text = files.get("tokenizer.json") ?? "";
  const parsed = JSON.parse(text);
  const json = (changes: object) => ({
    "tokenizer.json": JSON.stringify({ ...parsed, ...changes }),
  });
  const cases: readonly (readonly [Readonly<Record<string, string | undefined>>, string])[] = [
    [{ "tokenizer.json": undefined }, "There is no tokenizer.json"],
    [{ "tokenizer.json": text.slice(0, 500) }, "tokenizer.json is not JSON"],
    [{ "tokenizer.json": "[]" }, "tokenizer.json is a JSON object"],
    [json({ model: null }), `"model" is null`],
    [json({ model: { type: "BPE" } }), `"model.vocab" is undefined`],
    [json({ decoder: { type: "Psychic" } }), "tokenizer.json cannot be used"],
    [json({ model: { ...parsed.model, vocab: { a: 1, b: 1 } }, added_tokens: [] }), "both have"],
    [json({ model: { ...parsed.model, vocab: { a: -1 } } }), `the piece "a" has the id -1`],
    [json({ model: { ...parsed.model, type: "Psychic" } }), `"model.type" is "Psychic"`],
    [json({ added_tokens: 3 }), "is no list"],
    [{ "tokenizer_config.json": "{" }, "tokenizer_config.json is not JSON"],
    [{ "tokenizer_config.json": `{"pad_token":"<pad>"}` }, `names "<pad>" as pad_token`],
    [{ "tokenizer_config.json": "{}" }, "no stop token"],
    [{ "tokenizer_config.json": `{"eos_token":"</s>","chat_template":3}` }, "chat_template is 3"],
    [{ "generation_config.json": `{"eos_token_id":"x"}` }, `eos_token_id is "x"`],
    [{ "generation_config.json": `{"eos_token_id":[1,9999]}` }, "eos_token_id is 9999"],
    [{ "chat_template.jinja": "{% for %}" }, "The chat template cannot be read"],
  ];
  for (const [changes, message] of cases) {
    const changed = new Map(files);
    for (const [name, content] of Object.entries(changes)) {
      if (content === undefined) changed.delete(name);
      else changed.set(name, content);
    }
    const error = assertThrows(
      () => pretrainedTokenizer(changed),
      TokenizerError,
      message,
      message,
    );
    assert(error.message.length < 400 && !error.message.includes("\n"), error.message);
  }
  const throwing = withTemplate("{{ raise_exception('roles must\\nalternate') }}");
  const error = assertThrows(() => encodePrompt(throwing, asked), ChatError, "roles must");
  assert(!error.message.includes("\n"));
});

Deno.test("a base model gets a template with its tokens, and keeps its ids", () => {
  const base = new Map([
    ...byteTokenizer().files(),
    ["generation_config.json", `{"eos_token_id":1,"top_p":0.9}`],
  ]);
  for (const [name, template] of Object.entries(baseTemplates)) {
    const files = withChatTemplate(base, template);
    const made = pretrainedTokenizer(files);
    assertEquals(made.tokens.slice(261), template.tokens, name);
    assertEquals(made.encode("é"), byteTokenizer().encode("é"));
    assertEquals(made.tokens[made.stop], template.stop ?? "<stop>");
    assert(made.stops.includes(1) && made.special.has(made.stop));
    // The tokens are found inside words as well, and leave the spaces beside them as they are.
    const { added_tokens: added = [] } = JSON.parse(files.get("tokenizer.json") ?? "{}");
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    assertEquals(
      added.slice(added.length - template.tokens.length),
      template.tokens.map((content, i) => ({ id: 261 + i, content, ...flags, special: true })),
    );
    const plain = asked.map(({ role, content }) => ({ role, content: content ?? "" }));
    assertEquals(checkConversation(made, plain), []);
    // Without it, wherever it is, the tokenizer is that of a base model.
    const inConfig = new Map(files).set(
      "tokenizer_config.json",
      JSON.stringify({ eos_token: "<stop>", chat_template: "x" }),
    );
    for (const own of [files, inConfig]) {
      const without = withChatTemplate(own, { template: "", tokens: [] });
      assertEquals(pretrainedTokenizer(without).chat, undefined);
      assertEquals(without.get("tokenizer.json"), files.get("tokenizer.json"));
    }
    // A second time, nothing is left to add.
    assertEquals(pretrainedTokenizer(withChatTemplate(files, template)).tokens, made.tokens);
    assertEquals(
      withChatTemplate(files, template).get("generation_config.json"),
      files.get("generation_config.json"),
    );
  }
});
