/**
 * Compares the logits of a model or an adapter with those that `logits.py` has written:
 *
 *     deno run --allow-read scripts/finetune/compare.ts FOLDER logits.json
 *
 * Prints the largest difference relative to the largest logit, and whether the greedy answer is the
 * same; exit code 1 if they are further apart than 1e-4 or the answers differ.
 */
import { headLogits, tensor } from "@unitune/core";
import { createGenerator, type LanguageModel, type Tokenizer } from "@unitune/models";
import { readAdapterOn } from "../../cli/run/adapters.ts";
import { locateModel, modelIn } from "../../cli/run/located.ts";
import { readPretrained } from "../../cli/run/pretrained.ts";

/** What `logits.py` has written. */
interface Written {
  readonly ids: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly answer: readonly number[];
}

async function modelOf(folder: string): Promise<{
  readonly model: LanguageModel;
  readonly params: unknown;
  readonly tokenizer: Tokenizer;
}> {
  const found = await modelIn(folder);
  if (found?.isAdapted === true) return await readAdapterOn(folder, undefined);
  return await readPretrained((await locateModel(folder)).folder);
}

const [folder, file] = Deno.args;
if (folder === undefined || file === undefined) {
  throw new Error("FOLDER and logits.json are needed");
}
const written: Written = JSON.parse(await Deno.readTextFile(file));
const { model, params, tokenizer } = await modelOf(folder);
const ids = tensor([written.ids], { dtype: "i32" });
const hidden = model.hidden(params, model.embed(params, ids));
const own = await headLogits(model.head(params), hidden).data();
const expected = written.logits.flat();
const largest = expected.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
const differences = Array.from(own, (logit, i) => Math.abs(logit - (expected[i] ?? NaN)));
const apart = differences.reduce((most, one) => Math.max(most, one), 0) / largest;

using generator = createGenerator(model);
const [completion] = await generator.generate(params, [written.ids], {
  maxNewTokens: 64,
  stop: tokenizer.stops,
});
const answer = [
  ...completion?.ids ?? [],
  ...completion?.stop === undefined ? [] : [completion.stop],
];
const isSame = JSON.stringify(answer) === JSON.stringify(written.answer);
console.log(
  `${folder}: logits apart by ${apart.toExponential(1)} of the largest, ${largest.toFixed(2)}; ` +
    `greedy answers ${isSame ? "equal" : "differ"}: ${JSON.stringify(tokenizer.decode(answer))}`,
);
if (!(apart < 1e-4) || !isSame) Deno.exit(1);
