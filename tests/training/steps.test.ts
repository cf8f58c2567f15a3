/** Answers in steps, from rows to the training of a process reward model. */
import { wasm } from "@unitune/core";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { byteTokenizer, ChatError, gpt, UnknownCharacterError } from "@unitune/models";
import {
  type Dataset,
  datasetMaterial,
  describeExample,
  encodeSteps,
  fitRows,
  longestRow,
  memoryStore,
  messageText,
  planOf,
  prepareRun,
  readFit,
  readLength,
  stepForm,
  stepsFit,
  train,
  trainSettings,
  UserError,
} from "@unitune/training";

const tokenizer = byteTokenizer();
const user = (content: string) => [{ role: "user", content }] as const;
const row = (prompt: string, steps: readonly string[], labels: readonly boolean[]) => ({
  ...{ prompt: user(prompt), steps, labels },
  source: { file: "rows.jsonl", line: 1 },
});
const judge = { trains: "process reward model" } as const;

Deno.test("a step ends with the last token of its separator, or with its own", () => {
  const ends = (separator: string) => {
    const { ids, mask, labels } = encodeSteps(
      tokenizer,
      row("a", ["b", "", "cd"], [true, true, false]),
      separator,
    );
    assertEquals([mask.length, labels.length], [ids.length, ids.length]);
    return mask.flatMap((isEnd, t) => isEnd ? [[t, labels[t]]] : []);
  };
  // <user>a<assistant>, and then the steps.
  assertEquals(ends("\n"), [[4, true], [5, true], [8, false]]);
  assertEquals(ends("--"), [[5, true], [7, true], [11, false]]);
  assertThrows(() => ends(""), ChatError, "Step 2 has no token");
});

Deno.test("the first ids of a row are those of the whole row", () => {
  const long = row("ab", ["cd", "efg"], [true, false]);
  // A chat template may write nothing before the answer.
  const bare = { ...tokenizer, chat: { rows: () => [], prompt: () => [] } };
  for (const own of [tokenizer, bare]) {
    for (const separator of ["", ";"]) {
      const whole = encodeSteps(own, long, separator);
      for (let most = 1; most < whole.ids.length + 2; most++) {
        assertEquals(encodeSteps(own, long, separator, most), {
          ids: whole.ids.slice(0, most),
          mask: whole.mask.slice(0, most),
          labels: whole.labels.slice(0, most),
        });
      }
    }
  }
});

Deno.test("steps behind what is read are not encoded", () => {
  const read: string[] = [];
  const noting = {
    ...tokenizer,
    encode: (text: string, most?: number) => {
      read.push(text);
      return tokenizer.encode(text, most);
    },
  };
  // <user>a<assistant> is three tokens, and the first step is two.
  encodeSteps(noting, row("a", ["bc", "d", "e"], [true, true, true]), "", 5);
  assertEquals(read.filter((text) => "bcde".includes(text)), ["", "bc"]);
  encodeSteps(noting, row("a", ["bc", "d", "e"], [true, true, true]), "", 6);
  assertEquals(read.filter((text) => "bcde".includes(text)), ["", "bc", "", "bc", "d"]);
});

Deno.test("tokens of characters have the separator of steps, where steps are learned", async () => {
  const tokensOf = async (objective: string, dataset: Dataset) => {
    const settings = trainSettings({ objective, stepSeparator: "|" });
    const material = datasetMaterial("rows", dataset);
    const { tokenizer } = await prepareRun([{ settings, material, source: "rows.jsonl" }]);
    return tokenizer;
  };
  assertEquals((await tokensOf("process-reward-model", rowsOfSteps())).encode("|").length, 1);
  const messages = [...user("a"), { role: "assistant", content: "b" } as const];
  const { encode } = await tokensOf("sft", {
    ...{ kind: "conversations", train: [{ messages }], validation: [] },
  });
  assertEquals(encode("ab").length, 2);
  assertThrows(() => encode("|"), UnknownCharacterError);
});

Deno.test("a model that scores reads all tokens of a row, and cuts what it cannot read", () => {
  const fit = readFit(judge, 8, stepsFit(tokenizer, "\n"));
  const rows = [
    row("a", ["b", "cd", "e"], [true, false, true]),
    row("abcd", ["ef", "g"], [true, true]),
    row("a", ["b"], [true]),
  ];
  const fitted = fitRows(rows, 8, fit);
  assertEquals(fitted.rows.map(({ ids, mask, labels }) => [ids.length, mask, labels]), [
    [8, marked(8, 4, 7), marked(8, 4)],
    [5, marked(5, 4), marked(5, 4)],
  ]);
  assertEquals([fitted.truncated, fitted.skipped["no room"], fitted.longest], [1, 1, 8]);
  // The first step of the second row ends at its ninth token.
  assertEquals([fitted.leastContext, fitted.wholeContext], [5, 11]);
  assertEquals(longestRow(readLength({ trains: "policy" }, 8)), 9);
});

/** Bits that are true at some places. */
const marked = (length: number, ...places: readonly number[]): readonly boolean[] =>
  Array.from({ length }, (_, t) => places.includes(t));

Deno.test("a batch has the labels of steps at their ends", async () => {
  const rows = [row("a", ["b", "c"], [true, false]), row("a", ["b"], [true])]
    .map((own) => encodeSteps(tokenizer, own, ";"));
  const { mask, labels } = stepForm.batch(rows, { length: 8, padding: 0 });
  const at = (...places: readonly number[]) =>
    Float32Array.from({ length: 16 }, (_, t) => Number(places.includes(t)));
  assertEquals([await mask.data(), await labels.data()], [at(4, 6, 12), at(4, 12)]);
});

/** Ten rows of steps, of which those with a "b" are right; the last two are kept aside. */
function rowsOfSteps(): Dataset {
  const rows = Array.from({ length: 10 }, (_, i) => {
    const isRight = [i % 2 === 0, i % 3 === 0];
    return row(`a${i}`, isRight.map((own) => own ? "b" : "c"), isRight);
  });
  return { kind: "steps", train: rows.slice(0, 8), validation: rows.slice(8) };
}

function prepared(objective: string, dataset: Dataset) {
  const model = gpt({
    ...{ vocabulary: tokenizer.size, context: 16, layers: 1, heads: 1, width: 16, dropout: 0 },
  });
  const settings = trainSettings({
    ...{ objective, steps: 30, batchSize: 8, evalSteps: 15, loggingSteps: 1, learningRate: 0.02 },
  });
  const material = datasetMaterial("rows", dataset);
  const stages = [{ settings, material, source: "rows.jsonl" }];
  return { settings, run: prepareRun(stages, { base: { tokenizer, model } }) };
}

Deno.test("a process reward model learns which steps are right, and the policy stays", async () => {
  const { settings, run } = prepared("process-reward-model", rowsOfSteps());
  const own = await run;
  assertEquals(own.notes.map((note) => messageText(note)), [
    "8 answers in steps to train on, 2 for validation",
  ]);
  const [stage] = own.stages;
  assert(stage !== undefined);
  assertEquals(
    describeExample(tokenizer, stage.data)[0],
    "answer in steps, whose labels are learned at their ends: 8 tokens, of which 2 are learned",
  );
  const store = memoryStore();
  const plan = { stages: [settings], prepared: own, device: wasm(), store };
  const accuracies: number[] = [];
  const losses: number[] = [];
  for await (const event of train(planOf(plan))) {
    if (event.kind === "metrics") losses.push(event.metrics.loss ?? NaN);
    if (event.kind !== "evaluation") continue;
    accuracies.push(event.report.metrics["eval_rewards/step_accuracies"] ?? NaN);
  }
  assert(Math.abs((losses[0] ?? NaN) - Math.LN2) < 1e-4);
  assertEquals([accuracies.length, accuracies.at(-1)], [3, 1]);
  const models = await store.latest()?.models();
  assert(models?.processRewardModel !== undefined && models.rewardModel === undefined);
});

Deno.test("a reward model trains on pairs that exceed its context", async () => {
  const answer = (content: string) => [{ role: "assistant", content }] as const;
  const pairs = Array.from({ length: 10 }, (_, i) => ({
    ...{ prompt: user(`a${i}`), chosen: answer("b".repeat(20)), rejected: answer("c") },
  }));
  const { settings, run } = prepared("reward-model", {
    ...{ kind: "pairs", train: pairs.slice(0, 8), validation: pairs.slice(8) },
  });
  const own = await run;
  assertEquals(own.notes.slice(0, 2).map((note) => messageText(note)), [
    "8 pairs to train on, 2 for validation",
    "8 of 8 training pairs exceed the context of 16 tokens: 8 cut at the end of the answer. " +
    "context 25 fits all of them.",
  ]);
  const plan = { stages: [settings], prepared: own, device: wasm(), store: memoryStore() };
  const losses: number[] = [];
  for await (const event of train(planOf(plan))) {
    if (event.kind === "metrics") losses.push(event.metrics.loss ?? NaN);
  }
  assertEquals(losses.length, 30);
  assert((losses.at(-1) ?? NaN) < 0.1);
});

Deno.test("rows of steps and others are refused where they are not read", async () => {
  const source = { file: "rows.jsonl", line: 1 };
  const prompts = [{ prompt: user("a"), columns: {}, source }];
  await assertRejects(
    () => prepared("prm", { kind: "prompts", train: prompts, validation: [] }).run,
    UserError,
    "process-reward-model learns from answers in steps, each with a label, and there are none in rows.jsonl",
  );
  await assertRejects(
    () => prepared("sft", rowsOfSteps()).run,
    UserError,
    "sft does not read them",
  );
});
