/** Answers of pretrained models and of their adapters, as a person asks for them. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { add, key, mapTree, normal, printableLines } from "@unitune/core";
import {
  adapt,
  type ChatMessage,
  createGenerator,
  decodeCheckpoint,
  encodeAdapter,
  encodePrompt,
  encodeText,
  type LanguageModel,
  type Tokenizer,
} from "@unitune/models";
import { pretrainedTokenizer } from "@unitune/models/pretrained";
import {
  assertRefused,
  filesIn,
  inFolder,
  readRows,
  sample,
  sampleLines,
  trained,
  writeRows,
} from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

const onWasm = ["--device", "wasm"];

/** A model in a folder, read in this process. */
interface Loaded {
  readonly model: LanguageModel;
  readonly params: unknown;
  readonly tokenizer: Tokenizer;
}

async function load(folder: string): Promise<Loaded> {
  const files = new Map(Object.entries(await filesIn(folder)));
  const texts = new Map([...files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
  const { model, params } = await decodeCheckpoint(files);
  return { model, params, tokenizer: pretrainedTokenizer(texts, model.config) };
}

/** The greedy answer to some ids. */
async function answerTo(
  { model, params, tokenizer }: Loaded,
  ids: readonly number[],
  maxNewTokens: number,
): Promise<{ readonly text: string; readonly ids: readonly number[]; readonly stop?: number }> {
  using generator = createGenerator(model);
  const options = { maxNewTokens, stop: tokenizer.stops };
  const [completion] = await generator.generate(params, [ids], options);
  assert(completion !== undefined);
  return { ...completion, text: tokenizer.decode(completion.ids) };
}

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

/** Writes the settings of generation into a model's folder. */
async function settle(folder: string, settings: object): Promise<void> {
  await Deno.writeTextFile(`${folder}/generation_config.json`, JSON.stringify(settings));
}

inFolder("a model answers until any of its stop tokens", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const asked = ["--model", model, "--prompt", "hi", "--max-new-tokens", "9", ...onWasm];
  const loaded = await load(model);
  const prompt = encodePrompt(loaded.tokenizer, [user("hi")]);
  const free = await answerTo(loaded, prompt, 9);
  assertEquals(free.ids.length, 9);
  const { code, stdout, stderr } = await sample(...asked);
  assertEquals({ code, stderr, stdout }, {
    code: 0,
    stderr: "",
    stdout: `${printableLines(free.text)}\n`,
  });

  // The greedy answer has the second of these stop tokens first.
  const place = free.ids.findIndex((id, i) => i > 1 && free.ids.indexOf(id) === i);
  assert(place > 0);
  await settle(model, { eos_token_id: [262, free.ids[place]], do_sample: false });
  const ended = await answerTo(await load(model), prompt, 9);
  assertEquals([ended.ids.length, ended.stop], [place, free.ids[place]]);
  const again = await sample(...asked);
  assertEquals(again.stdout, `${printableLines(ended.text)}\n`);
  assertEquals(
    again.stderr,
    "greedy: always the most likely token (by generation_config.json)\n",
  );
});

inFolder("generation_config.json has the defaults, and flags come before it", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const ask = (...args: string[]) =>
    sample("--model", model, "--prompt", "hi", "--max-new-tokens", "12", ...onWasm, ...args);
  const greedy = await ask();
  await settle(model, { do_sample: true, temperature: 0.7, top_p: 0.9, max_new_tokens: 3 });
  const drawn = await ask("--seed", "3");
  assertStringIncludes(drawn.stderr, "temperature 0.7, top-k 50, top-p 0.9 (by generation_config");
  const flags = ["--temperature", "0.7", "--top-k", "50", "--top-p", "0.9"];
  await Deno.remove(`${model}/generation_config.json`);
  assertEquals((await ask("--seed", "3", ...flags)).stdout, drawn.stdout);
  assertNotEquals(drawn.stdout, greedy.stdout);

  await settle(model, {
    ...{ do_sample: true, top_k: 0, repetition_penalty: 1.2, no_repeat_ngram_size: 0, min_p: 0.1 },
  });
  const other = await ask("--temperature", "0");
  assertEquals(other.stdout, greedy.stdout);
  assertStringIncludes(other.stderr, "(by generation_config.json, --temperature)");
  assertStringIncludes(
    other.stderr,
    "sets repetition_penalty 1.2, min_p 0.1, which is not applied",
  );
  await settle(model, { do_sample: true, temperature: "hot" });
  assertRefused(await ask(), 1, `generation_config.json: temperature is "hot", expected a number`);
});

inFolder("a conversation is kept, and /new begins another one", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const loaded = await load(model);
  const said = async (messages: readonly ChatMessage[]) =>
    (await answerTo(loaded, encodePrompt(loaded.tokenizer, messages), 7)).text;
  const system: ChatMessage = { role: "system", content: "be brief" };
  const first = await said([system, user("hello")]);
  const second = await said([system, user("hello"), assistant(first), user(" and?")]);
  const fresh = await said([system, user("and?")]);
  assertNotEquals(second, fresh);
  const { code, stdout, stderr } = await sampleLines(
    ["hello", "", " and?", "/new", "/old", "and?", "/quit", "nobody answers"],
    ...["--model", model, "--chat", "--system", "be brief", "--max-new-tokens", "7", ...onWasm],
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout, `${[first, second, fresh].map(printableLines).join("\n")}\n`);
  assertEquals(stderr.match(/Cut off after 7 tokens/g)?.length, 3);
  assertStringIncludes(stderr, "A new conversation.");
  assertStringIncludes(stderr, "There is no command /old: /new begins");
});

/** A conversation on a terminal, whose lines come as from a keyboard. */
async function chatOnTerminal(lines: readonly string[], ...args: readonly string[]) {
  const { stdin } = Deno;
  const bytes = lines.map((line) => new TextEncoder().encode(`${line}\n`));
  const streams = { isTerminal: () => true, readable: ReadableStream.from(bytes) };
  for (const [name, value] of Object.entries(streams)) {
    Object.defineProperty(stdin, name, { value, configurable: true });
  }
  try {
    return await sample("--chat", ...args);
  } finally {
    // Those of the prototype are seen again.
    for (const name of Object.keys(streams)) Reflect.deleteProperty(stdin, name);
  }
}

inFolder(
  "on a terminal, a person is asked for each line, and told the commands",
  async (folder) => {
    const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
    const { tokenizer } = await load(model);
    const first = encodePrompt(tokenizer, [user("hi")]);
    const free = await answerTo(await load(model), first, 9);
    const place = free.ids.findIndex((id, i) => i > 1 && free.ids.indexOf(id) === i);
    await settle(model, { eos_token_id: [262, free.ids[place]], do_sample: false });
    const loaded = await load(model);
    const lines = ["hi", "hello", "x", "abc"];
    const told = ["--model", model, "--max-new-tokens", "9", ...onWasm];
    const answers = await Promise.all(lines.map(async (line) => {
      const { text, stop } = await answerTo(loaded, encodePrompt(tokenizer, [user(line)]), 9);
      // An empty line is between answers, unless something is told in its place.
      return { text: printableLines(text), isCut: stop === undefined };
    }));
    // Some end by themselves, and some are cut off.
    assertEquals(new Set(answers.map(({ isCut }) => isCut)).size, 2);
    const { code, stdout, stderr } = await chatOnTerminal(
      lines.flatMap((line) => ["/new", line]),
      ...told,
    );
    const shown = answers.map(({ text, isCut }) => `> > ${text}${isCut ? "\n" : "\n\n"}`).join("");
    assertEquals([code, stdout], [0, `${shown}> \n`], stderr);
    assertStringIncludes(stderr, "A conversation with ");
    assertStringIncludes(stderr, "/new begins a new conversation, /quit ends, as Ctrl-D does");
  },
);

inFolder("a conversation that fills the context says so, and goes on anew", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const loaded = await load(model);
  const long = "x".repeat(150);
  const prompt = encodePrompt(loaded.tokenizer, [user(long)]);
  const answer = await answerTo(loaded, prompt, 192 - prompt.length);
  assertEquals(answer.stop, undefined);
  const { code, stdout, stderr } = await sampleLines(
    ["y".repeat(300), long, "more", "/new", long],
    ...["--model", model, "--chat", ...onWasm],
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout, `${printableLines(answer.text)}\n`.repeat(2));
  assertStringIncludes(stderr, "the conversation has 319 tokens, and the context holds 192");
  assertStringIncludes(stderr, "The context of 192 tokens is full: /new begins");
  assertStringIncludes(stderr, "The message is taken back; /new begins a new one.");
});

inFolder("a base model continues text, and answers with a chat template", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5, isBase: true });
  const loaded = await load(model);
  const told = ["--model", model, "--max-new-tokens", "6", ...onWasm];
  const { text } = await answerTo(loaded, encodeText(loaded.tokenizer, "once").ids, 6);
  assertEquals((await sample(...told, "--prompt", "once")).stdout, `once${printableLines(text)}\n`);
  for (const flag of [["--chat"], ["--prompt", "a", "--system", "b"]]) {
    const name = flag.includes("--chat") ? "--chat" : "--system";
    assertRefused(await sample(...told, ...flag), 1, `has no chat template, which ${name} needs`);
  }
  const asked = await sample(...told, "--prompt", "once", "--chat-template", "chatml");
  assertEquals(asked.code, 0, asked.stderr);
  assert(!asked.stdout.startsWith("once"));
  const { stdout, code } = await sampleLines(
    ["once"],
    ...told,
    "--chat-template",
    "chatml",
    "--chat",
  );
  assertEquals([code, stdout], [0, asked.stdout]);
});

inFolder(
  "the prompts of a file are answered in a new file, whatever the batches",
  async (folder) => {
    const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
    const loaded = await load(model);
    const system: ChatMessage = { role: "system", content: "s" };
    const asked = [user("one"), assistant("two"), user("three")];
    const data = await writeRows(`${folder}/rows.jsonl`, [
      { prompt: "hi", label: 3, chat_template_kwargs: { unused: 1 } },
      { prompt: [user("a longer prompt than the others have")] },
      { messages: [system, ...asked, assistant("four")] },
      { prompt: null, messages: asked },
    ]);
    const answered = async (name: string, ...args: string[]) => {
      const out = `${folder}/${name}.jsonl`;
      const { code, stdout, stderr } = await sample(
        ...["--model", model, "--prompts", data, "--out", out, "--max-new-tokens", "5", ...onWasm],
        ...args,
      );
      assertEquals(code, 0, stderr);
      assertEquals(stdout, `${out}: ${(await readRows(out)).length} answers\n`);
      return { rows: await readRows(out), stderr };
    };
    const { rows, stderr } = await answered("a");
    const expected: object[] = [];
    for (
      const prompt of [
        "hi",
        [user("a longer prompt than the others have")],
        [system, ...asked],
        asked,
      ]
    ) {
      const messages = typeof prompt === "string" ? [user(prompt)] : prompt;
      const { text } = await answerTo(loaded, encodePrompt(loaded.tokenizer, messages), 5);
      expected.push(
        typeof prompt === "string"
          ? { prompt, completion: text, chat_template_kwargs: { unused: 1 } }
          : { prompt, completion: [assistant(text)] },
      );
    }
    assertEquals<unknown>(rows, expected);
    assertStringIncludes(stderr, "4 answers were cut off after 5 tokens");

    const drawn = ["--temperature", "1", "--seed", "5", "--count", "2", "--system", "t"];
    const one = await answered("b", ...drawn, "--batch-size", "3");
    assertEquals(one.rows.length, 8);
    assertEquals((await answered("c", ...drawn, "--batch-size", "8")).rows, one.rows);
    const opened = one.rows.map(({ prompt }) => Array.isArray(prompt) ? prompt[0] : prompt);
    const t = { role: "system", content: "t" };
    assertEquals(opened, [t, t, t, t, system, system, t, t]);

    const before = await Deno.readTextFile(`${folder}/a.jsonl`);
    const refused: [readonly string[], 1 | 2, string][] = [
      [["--out", `${folder}/a.jsonl`], 1, "a.jsonl is already there, and is not replaced"],
      [["--out", `${folder}/none/d.jsonl`], 1, "none does not exist"],
      [[], 2, "--prompts needs --out FILE"],
    ];
    for (const [args, code, message] of refused) {
      const given = ["--model", model, "--prompts", data, "--max-new-tokens", "2", ...onWasm];
      assertRefused(await sample(...given, ...args), code, message);
    }
    assertEquals(await Deno.readTextFile(`${folder}/a.jsonl`), before);
  },
);

inFolder("a file of prompts with a wrong row is refused before any answer", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const wrong: [unknown, string][] = [
    [{ text: "a" }, `:2: there is no "prompt" or "messages"; the columns are "text"`],
    [{ prompt: 3 }, `:2: "prompt" is a text, not a number`],
    [{ prompt: "a", tools: [{ type: "function" }] }, ":2: the prompt: The chat template"],
    [{ prompt: [] }, `:2: "prompt" has no message to answer`],
    [{ prompt: [user("a"), assistant("b")] }, `:2: "prompt" ends with a message of the assistant`],
    [{ prompt: "z".repeat(400) }, ":2: the prompt has 419 tokens, and the context holds 192"],
  ];
  for (const [row, message] of wrong) {
    const data = await writeRows(`${folder}/rows.jsonl`, [{ prompt: "a" }, row]);
    const out = `${folder}/out.jsonl`;
    const result = await sample("--model", model, "--prompts", data, "--out", out, ...onWasm);
    assertRefused(result, 1, message);
    assertEquals(Object.keys(await filesIn(folder)).filter((name) => name.includes("out")), []);
  }
});

inFolder("an adapter of PEFT's files answers on its base, wherever that is", async (folder) => {
  const place = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const base = await load(place);
  const model = adapt(base, {
    ...{ rank: 2, alpha: 8, dropout: 0, targets: "all-linear" },
    ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
  });
  // A new adapter changes nothing.
  const params = mapTree(model.init(key(4)), (leaf) => add(leaf, normal(key(5), leaf.shape)));
  const adapter = `${folder}/adapter`;
  await Deno.mkdir(adapter);
  const files = await encodeAdapter({ model, params }, { baseName: place });
  for (const [name, bytes] of files) await Deno.writeFile(`${adapter}/${name}`, bytes);
  const { tokenizer } = base;
  const ids = encodePrompt(tokenizer, [user("hi")]);
  const own = await answerTo({ model, params, tokenizer }, ids, 6);
  assertNotEquals(own.ids, (await answerTo(base, ids, 6)).ids);
  const asked = ["--prompt", "hi", "--max-new-tokens", "6", ...onWasm];
  const told = async (...flags: string[]) => (await sample(...flags, ...asked)).stdout;
  assertEquals(await told("--adapter", adapter), `${printableLines(own.text)}\n`);
  assertEquals(await told("--model", adapter), `${printableLines(own.text)}\n`);
  await Deno.rename(place, `${folder}/moved`);
  assertRefused(await sample("--adapter", adapter, ...asked), 1, `there is no folder ${place}`);
  const moved = await told("--model", `${folder}/moved`, "--adapter", adapter);
  assertEquals(moved, `${printableLines(own.text)}\n`);
});

inFolder("runs, their checkpoints and their adapters are models to ask", async (folder) => {
  const place = await writeTinyModel(`${folder}/model`, { scale: 5 });
  const rows = Array.from({ length: 6 }, () => ({ prompt: "hi", completion: "yes" }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = `${folder}/run`;
  await trained(
    ...[
      "--model",
      place,
      "--data",
      data,
      "--lora",
      "--lora-rank",
      "4",
      "--steps",
      "12",
      "--out",
      run,
    ],
    ...["--learning-rate", "0.02", "--batch-size", "4", "--gradient-accumulation", "1", ...onWasm],
  );
  const checkpoint = `${run}/checkpoints/step-000012`;
  const asked = ["--prompt", "hi", "--max-new-tokens", "6", ...onWasm];
  const own = await sample("--run", run, ...asked);
  assertEquals(own.code, 0, own.stderr);
  const base = await sample("--model", place, ...asked);
  assertNotEquals(own.stdout, base.stdout);
  for (const named of [["--model", run], ["--model", checkpoint], ["--adapter", run]]) {
    const same = await sample(...named, ...asked);
    assertEquals([same.code, same.stdout], [0, own.stdout], same.stderr);
  }
  const both = await sample("--run", run, ...asked, "--compare-base");
  assertEquals(both.code, 0, both.stderr);
  const [heading = "", , ...lines] = both.stdout.split("\n");
  assertEquals(heading.split(/ *\| /), ["base", "with the adapter"]);
  const sides = lines.map((line) => line.split(" | ").map((side) => side.trim()));
  assertEquals(sides[0], [base.stdout.trim(), own.stdout.trim()]);

  const out = `${folder}/answers.jsonl`;
  const told = await sample(
    ...["--adapter", checkpoint, "--prompts", data, "--out", out, "--compare-base", ...onWasm],
    ...["--max-new-tokens", "6"],
  );
  assertEquals(told.code, 0, told.stderr);
  const [first] = await readRows(out);
  assertEquals(Object.keys(first ?? {}), ["prompt", "completion", "base_completion"]);
  assertEquals(printableLines(String(first?.completion)), own.stdout.trimEnd());
  assertEquals(printableLines(String(first?.base_completion)), base.stdout.trimEnd());
  assertRefused(
    await sample("--model", place, ...asked, "--compare-base"),
    1,
    "has no adapter to compare with its base",
  );
});

inFolder(
  "flags that contradict each other, and folders without a model, are refused",
  async (folder) => {
    const model = await writeTinyModel(`${folder}/model`, { scale: 5 });
    const lines: [readonly string[], 1 | 2, string][] = [
      [["--model", model, "--chat", "--prompt", "a"], 2, "--prompt and --chat exclude each other"],
      [["--model", model, "--chat", "--count", "2"], 2, "--count has no effect with --chat"],
      [["--model", model, "--prompt", "a", "--out", "b"], 2, "--out has no effect with --prompt"],
      [["--run", "a", "--adapter", "b", "--prompt", "a"], 2, "--run and --adapter exclude"],
      [["--model", `${folder}/none`, "--prompt", "a"], 1, `there is no folder ${folder}/none`],
      [["--model", folder, "--prompt", "a"], 1, "holds no model in the layout of Hugging Face"],
      [["--model", model, "--prompts", `${folder}/x.jsonl`, "--out", "y"], 1, "x.jsonl"],
      [["--model", model, "--prompt", "a", "--chat-template", "chatmi"], 1, "did you mean chatml?"],
      [["--model", model, "--prompt", "a".repeat(300)], 1, "--prompt has 319 tokens"],
    ];
    for (const [args, code, message] of lines) {
      assertRefused(await sample(...args, ...onWasm), code, message);
    }
  },
);
