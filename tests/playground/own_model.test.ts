/** The worker of a visitor's own model, without a page. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { wasm } from "@unitune/core";
import {
  createGenerator,
  encodePrompt,
  filesSource,
  type LanguageModel,
  readAdapter,
} from "@unitune/models";
import { unzipSync } from "npm:fflate@^0.8";
import { model, params, tinyFolder, tokenizer } from "./tiny_folder.ts";
import { firstTuning } from "../../examples/playground/own/tuning_table.ts";
import type { OwnRequest, OwnTiding, Voice } from "../../examples/playground/own/protocol.ts";
import { makeOwnWorker } from "../../examples/playground/own/worker.ts";

/** Reads files that were chosen. */
const reading = (files: readonly File[]) =>
  ({ kind: "read", from: { kind: "files", files } }) as const;

const chosen = (files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) =>
  reading([...files].map(([name, bytes]) => new File([bytes], name)));

/** A worker whose tidings are kept until one of a kind arrives. */
function listen(limit?: number) {
  const heard: OwnTiding[] = [];
  let arrived = () => {};
  const device = wasm({ threads: 1 });
  const ask = makeOwnWorker((tiding) => {
    heard.push(tiding);
    arrived();
  }, { open: () => device, ...limit !== undefined && { limit } });
  /** The first tiding of a kind after a request. */
  const told = async <Kind extends OwnTiding["kind"]>(
    request: OwnRequest,
    kind: Kind,
  ): Promise<Extract<OwnTiding, { kind: Kind }>> => {
    const from = heard.length;
    ask(request);
    const isOne = (tiding: OwnTiding): tiding is Extract<OwnTiding, { kind: Kind }> =>
      tiding.kind === kind;
    while (true) {
      const found = heard.slice(from).find(isOne);
      if (found !== undefined) return found;
      const failed = heard.slice(from).find(({ kind }) => kind === "failed");
      if (failed?.kind === "failed") throw new Error(failed.message);
      await new Promise<void>((resolve) => arrived = resolve);
    }
  };
  /** Waits until something was told after which a condition holds. */
  const until = async (holds: (latest: OwnTiding | undefined) => boolean) => {
    while (!holds(heard.at(-1))) await new Promise<void>((resolve) => arrived = resolve);
  };
  return { heard, ask, told, until, [Symbol.dispose]: () => device[Symbol.dispose]() };
}

const messages = [{ role: "user", content: "Hi" }] as const;
const speech = (voice: Voice, maxNewTokens = 6) =>
  ({ kind: "speak", speech: { messages, voice, temperature: 0, maxNewTokens, seed: 0 } }) as const;

/** The greedy answer of a model, by its generator alone. */
async function greedy(own: LanguageModel, tree: unknown) {
  using generator = createGenerator(own);
  const options = { maxNewTokens: 6, stop: tokenizer.stops };
  const [answer] = await generator.generate(tree, [encodePrompt(tokenizer, messages)], options);
  const ids = answer?.ids ?? [];
  return tokenizer.decode(ids);
}

/** The files by their places in the archive. */
const inFolder = (files: ReadonlyMap<string, Uint8Array>) =>
  Object.fromEntries([...files].map(([name, bytes]) => [`adapter/${name}`, bytes]));

const said = (tidings: readonly OwnTiding[]) =>
  tidings.flatMap((one) => one.kind === "said" ? [one.text] : []).join("");

Deno.test("a model is read, answers, learns pasted rows, and gives PEFT's files of its adapter", async () => {
  using worker = listen();
  const { heard, ask, told, until } = worker;
  const { about } = await told(chosen(await tinyFolder()), "model");
  assertEquals([about.architecture, about.context, about.isTemplateGiven], ["llama", 48, false]);
  const reads = heard.flatMap((one) => one.kind === "reading" ? [one] : []);
  assertEquals(reads.at(-1)?.read, reads.at(-1)?.total);
  assert(about.bytes > 4 * about.parameters);

  assertEquals((await told(speech("base"), "answered")).end, "length");
  assertEquals(said(heard), await greedy(model, params));

  const rows = ["a", "b", "c", "d"].map((completion, i) =>
    JSON.stringify({ prompt: `${i}`, completion })
  ).join("\n");
  const values = { ...firstTuning, steps: 4, batchSize: 3, rank: 2, learningRate: 0.05 };
  const { steps } = await told({ kind: "tune", tuning: { rows, values } }, "tuned");
  assertEquals(steps, 4);
  const losses = heard.flatMap((one) => one.kind === "points" ? one.points : [])
    .flatMap(({ step, values: { loss } }) => loss === undefined ? [] : [[step, loss]]);
  assertEquals(losses.map(([step]) => step), [1, 2, 3, 4]);
  assert((losses[3]?.[1] ?? NaN) < (losses[0]?.[1] ?? NaN));
  const [notes] = heard.flatMap((one) => one.kind === "notes" ? [one.notes] : []);
  assertStringIncludes(notes?.join() ?? "", "3 examples to train on, 1 for validation");

  const { files, archive } = await told({ kind: "save", baseName: "own" }, "saved");
  assertEquals([...files.keys()], ["adapter_config.json", "adapter_model.safetensors"]);
  const config = JSON.parse(new TextDecoder().decode(files.get("adapter_config.json")));
  assertEquals([config.base_model_name_or_path, config.r, config.lora_alpha], ["own", 2, 4]);
  assertEquals(unzipSync(archive), inFolder(files));
  // The same files are the same bytes, whenever they are saved.
  assertEquals((await told({ kind: "save", baseName: "own" }, "saved")).archive, archive);
  const adapter = await readAdapter(filesSource(files), { model, params });
  const before = heard.length;
  await told(speech("adapter"), "answered");
  assertEquals(said(heard.slice(before)), await greedy(adapter.model, adapter.params));

  // A training that is ended after a step leaves the adapter as it is then.
  ask({ kind: "tune", tuning: { rows, values: { ...values, steps: 2000 } } });
  await until((latest) => latest?.kind === "points" && latest.points[0]?.step === 1);
  const ended = await told({ kind: "stop" }, "tuned");
  assert(ended.steps > 0 && ended.steps < 2000);
  ask(speech("adapter", 40));
  assertEquals((await told({ kind: "stop" }, "answered")).end, "stopped");
});

Deno.test("what is no model, does not fit, or cannot be done yet is told in a sentence", async () => {
  const whole = await tinyFolder();
  const refusal = async (request: OwnRequest, limit?: number) => {
    using worker = listen(limit);
    const { message, during } = await worker.told(request, "failed");
    assertEquals(during, request.kind);
    return message;
  };
  const readingOf = (names: readonly string[], limit?: number) => {
    const files = [...whole].filter(([name]) => names.includes(name));
    return refusal(chosen(new Map(files)), limit);
  };
  const names = [...whole.keys()];
  assertStringIncludes(await readingOf([]), "there is no config.json among the files");
  assertStringIncludes(
    await refusal(reading([new File([], "a.gguf")])),
    '"a.gguf" is of llama.cpp\'s format',
  );
  assertStringIncludes(
    await refusal(reading([new File([], "adapter_config.json")])),
    "these files are an adapter, and not a whole model",
  );
  assertStringIncludes(
    await readingOf(names, 1000),
    "KiB, and the page can have 1000 bytes: choose a smaller model",
  );
  assertStringIncludes(
    await readingOf(names.filter((name) => name !== "model.safetensors")),
    "the model cannot be read: model.safetensors is missing",
  );
  assertStringIncludes(
    await readingOf(names.filter((name) => name !== "tokenizer.json")),
    "the model cannot be read: There is no tokenizer.json",
  );
  const weights = whole.get("model.safetensors") ?? new Uint8Array();
  const damaged = weights.slice();
  damaged.set([0, 0, 0xc0, 0x7f], damaged.length - 4);
  for (
    const [bytes, sentence] of [
      [weights.slice(0, 100), "the model cannot be read: "],
      [damaged, "elements that are not finite: the file is damaged"],
    ] as const
  ) {
    const request = chosen(new Map([...whole, ["model.safetensors", bytes]]));
    assertStringIncludes(await refusal(request), sentence);
  }
  assertStringIncludes(await refusal(speech("base")), "there is no model yet");
  assertStringIncludes(await refusal({ kind: "save", baseName: "" }), "there is no adapter yet");

  using worker = listen();
  const { told } = worker;
  // Without tokens for roles and without a template, as base models are.
  for (const [name, text] of tokenizer.files()) {
    const bare = text.replaceAll("<user>", "<other>").replace(/,\s*"chat_template": ".*"/, "");
    whole.set(name, new TextEncoder().encode(bare));
  }
  const { about } = await told(chosen(whole), "model");
  assert(about.isTemplateGiven);
  const failing = async (request: OwnRequest) => (await told(request, "failed")).message;
  const long = { role: "user", content: "long ".repeat(40) } as const;
  assertStringIncludes(
    await failing({ kind: "speak", speech: { ...speech("base").speech, messages: [long] } }),
    "and the model reads 48 with its answer: begin a new one",
  );
  assertStringIncludes(
    await failing({ kind: "tune", tuning: { rows: "", values: firstTuning } }),
    "there are no rows",
  );
});
