/** The files of a checkpoint: the state of a learner, models and cards, and whose tokens fit. */
import { assertEquals } from "@std/assert";
import { key, tensor, wasm } from "@unitune/core";
import {
  adapt,
  architectures,
  byteTokenizer,
  characterTokenizer,
  contentBytes,
  languageModel,
  presetConfig,
  treeFile,
} from "@unitune/models";
import { checkpointFiles, readState, textTokens, tokensApart } from "../../../cli/run/trained.ts";
import { saveFirst } from "../checkpoints.ts";
import { inFolder } from "../command.ts";

inFolder("of a state what is wanted is read, to where it is wanted", async (folder) => {
  const state = { first: tensor([1, 2]), second: [tensor([3])] };
  const [second] = state.second;
  const saved = await saveFirst(folder, {
    "training.safetensors": await contentBytes(treeFile(state)),
  });
  const read = await readState(saved, state);
  assertEquals([[...await read.first.data()], [...await second?.data() ?? []]], [[1, 2], [3]]);
  const part = await readState(saved, state, { isWanted: (name) => name.includes("first") });
  assertEquals([...await part.first.data()], [1, 2]);
  assertEquals([part.first, ...part.second].map(({ cell }) => cell.value.kind), [
    ...["host", "outline"],
  ]);
  using device = wasm();
  const there = await readState(saved, state, { device });
  assertEquals(there.first.cell.value.kind, "device");
});

Deno.test("the card of an adapter names a model of the hub with its commit, and no folder", async () => {
  const tokenizer = byteTokenizer();
  const base = languageModel(presetConfig("nano-llama", { vocabulary: tokenizer.size, layers: 1 }));
  const model = adapt({ model: base, params: base.init(key(0)) }, {
    ...{ rank: 1, alpha: 2, dropout: 0, targets: ["q_proj"], saved: [] },
    ...{ isRankStabilized: false, hasMagnitudes: false },
  });
  const named = async (base: { readonly name: string; readonly revision?: string }) => {
    const files = await checkpointFiles(
      { model, tokenizer, architectures, base: { ...base, digest: "" } },
      { policy: model.init(key(1)) },
      { step: tensor([1]) },
    );
    const texts = await Promise.all(
      ["README.md", "adapter_config.json"].map(async (name) =>
        new TextDecoder().decode(await contentBytes(files[name] ?? ""))
      ),
    );
    const [card = "", config = "{}"] = texts;
    const { base_model_name_or_path: name, revision } = JSON.parse(config);
    return [/^base_model: (.*)$/m.exec(card)?.[1], name, revision];
  };
  assertEquals(await named({ name: "org/tiny", revision: "c0ffee" }), [
    ...['"org/tiny"', "org/tiny", "c0ffee"],
  ]);
  const [onCard, name, revision] = await named({ name: "/models/tiny" });
  assertEquals([onCard, name, revision ?? undefined], [undefined, "/models/tiny", undefined]);
});

Deno.test("settings of a model have one token that ends a text, or a list of several", () => {
  const tokenizer = characterTokenizer("ab");
  const { pad, stop, stops, begin } = tokenizer;
  assertEquals([stops, begin], [[stop], []]);
  assertEquals(textTokens(tokenizer), { eos: stop, pad });
  assertEquals(textTokens({ ...tokenizer, begin: [5], stops: [3, 4] }), {
    bos: 5,
    eos: [3, 4],
    pad,
  });
  assertEquals(textTokens({ ...tokenizer, stops: [] }), { pad });
});

Deno.test("a teacher with other tokens is told by those that only one of both has", () => {
  const apart = (its: string, others: string) =>
    tokensApart(characterTokenizer(its), characterTokenizer(others));
  assertEquals(apart("abc", "abc"), undefined);
  assertEquals(apart("ab", "abc"), 'does not know "c"');
  assertEquals(apart("abcd", "ab"), 'knows "cd", which the policy does not');
  assertEquals(apart("ad", "abc"), 'does not know "bc" and knows "d", which the policy does not');
  assertEquals(
    tokensApart(byteTokenizer(), characterTokenizer("a")),
    "reads bytes, and the policy characters",
  );
});
