/**
 * Files of ten rows in every form: the ids and masks of the training rows are those that TRL's
 * trainers make, as scripts/data/prepared.py has written them, and the objectives that read them train
 * on them. Where they differ on purpose, the test says how:
 *
 * - Behind the stop token of an answer, a template may write more (here a line end). It is not learned,
 *   since generation ends before it, and answers that are compared or scored end with the stop token.
 * - Of an answer in turns, what the assistant says is learned: TRL learns it with `assistant_only_loss`
 *   alone, and the preference trainers count the words of users and tools as the model's.
 * - Where a token would have characters of a prompt and of its completion, both are encoded apart,
 *   as generation has them. TRL masks as many tokens as the prompt has by itself, and warns.
 * - Texts are shown as turns by a chat template; TRL joins them, even for a model with a template.
 */
import { wasm } from "@unitune/core";
import { type EncodedSequence, gpt, type Tokenizer } from "@unitune/models";
import { pretrainedTokenizer } from "@unitune/models/pretrained";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  type Dataset,
  datasetMaterial,
  memoryStore,
  planOf,
  type PreparedRun,
  prepareRun,
  type StageData,
  train,
  type TrainSettings,
  trainSettings,
  UserError,
} from "@unitune/training";
import { gatherRows } from "../../../cli/data/formed_rows.ts";
import { neededForms } from "../../../cli/data/forms/needed_forms.ts";
import { bytesInMemory } from "../../../cli/data/readers/bytes_in_memory.ts";
import { readJsonLines } from "../../../cli/data/readers/json_lines.ts";
import { datasetOf } from "../../../cli/data/row_table.ts";

/** A training row of TRL: its ids, and bits for those that are learned and those of the assistant. */
interface Made {
  readonly ids: string;
  readonly mask?: string;
  readonly assistant?: string;
  readonly label?: boolean;
  readonly labels?: string;
}

const golden: {
  readonly files: Readonly<Record<string, string>>;
  readonly template: string;
  readonly rows: Readonly<Record<string, readonly unknown[]>>;
  readonly cases: readonly {
    readonly trainer: string;
    readonly objective: string;
    readonly form: string;
    readonly made: readonly Made[];
  }[];
} = JSON.parse(await Deno.readTextFile(new URL("trl_prepared.json", import.meta.url)));

const files = new Map(Object.entries(golden.files));
const base = pretrainedTokenizer(files);
const chat = pretrainedTokenizer(new Map([...files, ["chat_template.jinja", golden.template]]));

/** The tokenizer that a form needs: that of a base model, where rows have no messages. */
const tokenizerOf = (form: string) =>
  form.startsWith("plain") || form === "text" || form === "steps" ? base : chat;

const context = 128;

/** Rows of a file, all of them to train on. */
async function datasetIn(
  rows: readonly unknown[],
  { objective }: Pick<TrainSettings, "objective">,
): Promise<Dataset> {
  const text = rows.map((row) => JSON.stringify(row)).join("\n");
  const found = readJsonLines(bytesInMemory("rows.jsonl", new TextEncoder().encode(text)));
  const gathered = await gatherRows(found, "rows.jsonl", { needs: neededForms[objective.data] });
  return datasetOf(gathered.kind, gathered.rows, []);
}

/** A run of two steps on rows. */
async function prepared(
  objective: string,
  rows: readonly unknown[],
  tokenizer: Tokenizer,
): Promise<{ readonly settings: TrainSettings; readonly run: PreparedRun }> {
  const model = gpt({
    ...{ vocabulary: tokenizer.size, context, layers: 1, heads: 1, width: 8, dropout: 0 },
  });
  const settings = trainSettings({
    ...{ objective, steps: 2, batchSize: 8, loggingSteps: 1, maxNewTokens: 2 },
    ...objective === "grpo" && { rewards: "repetition-penalty" },
  });
  const material = datasetMaterial("rows", await datasetIn(rows, settings));
  const stages = [{ settings, material, source: "rows.jsonl" }];
  return { settings, run: await prepareRun(stages, { base: { tokenizer, model } }) };
}

/** The losses of the steps of a run. */
async function lossesOf(settings: TrainSettings, run: PreparedRun): Promise<readonly number[]> {
  const plan = { stages: [settings], prepared: run, device: wasm(), store: memoryStore() };
  const losses: number[] = [];
  for await (const event of train(planOf(plan))) {
    if (event.kind === "metrics") losses.push(event.metrics.loss ?? NaN);
  }
  return losses;
}

/** The data of the only stage. */
function dataIn({ stages: [stage] }: PreparedRun): StageData {
  assert(stage !== undefined);
  return stage.data;
}

/** A training row here. */
interface Row extends EncodedSequence {
  readonly label?: boolean;
  readonly labels?: readonly boolean[];
}

/** The training rows in the order of their file; the sides of a pair follow each other. */
function rowsIn(data: StageData): readonly Row[] {
  switch (data.kind) {
    case "demonstrations": {
      const { source } = data;
      const places = Array.from(
        { length: 10 },
        (_, i) => [source.place(i), source.row(i)] as const,
      );
      return places.toSorted(([a], [b]) => a - b).map(([, row]) => row);
    }
    case "pairs":
      return [...data.train].flatMap(({ chosen, rejected }) => [chosen, rejected ?? []].flat());
    case "labels": {
      const pairs = [...data.pairs];
      return [
        ...[...data.train].map(({ sequence, label }) => ({ ...sequence, label })),
        ...pairs.map(({ chosen }) => ({ ...chosen, label: true })),
        ...pairs.flatMap(({ rejected }) => [rejected ?? []].flat())
          .map((sequence) => ({ ...sequence, label: false })),
      ];
    }
    case "triples":
      return [...data.train].flatMap(({ chosen, rejected, gold }) => [chosen, rejected, gold]);
    case "steps":
      return [...data.train];
    case "rollouts":
      return [...data.train].map(({ ids }) => ({ ids, mask: ids.map(() => false) }));
    default:
      return data satisfies never;
  }
}

const bits = (text: string) => [...text].map((bit) => bit === "1");

/** What TRL has made of a row, of which the assistant's tokens alone are learned. */
function expected({ ids, mask, assistant }: Made): EncodedSequence {
  const own = ids.split(" ").map(Number);
  const learned = bits(mask ?? "0".repeat(own.length));
  const said = assistant === undefined ? learned : bits(assistant);
  // Nothing precedes the first token, so that nothing predicts it.
  return { ids: own, mask: learned.map((bit, t) => t > 0 && bit && said[t] === true) };
}

/** A sequence up to its last stop token, with which answers end that are compared. */
function stopped({ ids, mask }: EncodedSequence, { stop }: Tokenizer): EncodedSequence {
  const end = ids.lastIndexOf(stop) + 1;
  return { ids: ids.slice(0, end), mask: mask.slice(0, end) };
}

/** The text that a row learns. */
const learnedText = ({ decode }: Tokenizer, { ids, mask }: EncodedSequence) =>
  decode(ids.filter((_, t) => mask[t]), { special: "shown" });

/**
 * Rows of texts in which the tokenizer would join the end of a prompt with its completion, by their
 * number, and what they learn here. With TRL, "blue" is not learned, and half of "sky" is missing. In
 * the last two, one text is the beginning of the other, of which TRL takes the last character away.
 */
const joined: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "plain completions": { 3: "blue</s>" },
  "plain implicit pairs": { 12: "ky</s>", 13: "ea</s>", 16: "</s>", 17: "c</s>" },
  "plain labels": { 3: "blue</s>" },
};

/** The messages of texts: a prompt is the user's, what answers it the assistant's. */
function asMessages(row: unknown): unknown {
  assert(typeof row === "object" && row !== null);
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const role = column === "prompt" ? "user" : "assistant";
      return [column, typeof value === "string" ? [{ role, content: value }] : value];
    }),
  );
}

const plainForms = {
  sft: "plain completions",
  dpo: "plain pairs",
  kto: "plain labels",
  grpo: "plain prompts",
} as const;

for (const [objective, form] of Object.entries(plainForms)) {
  Deno.test(`a chat template shows ${form} as turns to ${objective}`, async () => {
    const rows = golden.rows[form] ?? [];
    const [texts, messages] = await Promise.all(
      [rows, rows.map(asMessages)].map((own) => prepared(objective, own, chat)),
    );
    assert(texts !== undefined && messages !== undefined);
    assertEquals(rowsIn(dataIn(texts.run)), rowsIn(dataIn(messages.run)));
  });

  Deno.test(`a base model takes ${form} for ${objective}, and no messages`, async () => {
    const rows = golden.rows[form] ?? [];
    await assertRejects(
      () => prepared(objective, rows.map(asMessages), base),
      UserError,
      "rows.jsonl has conversations, and the model has no chat template",
    );
    // The first row says what a file is of, and a later one is found as it is read.
    await assertRejects(
      () => prepared(objective, [...rows.slice(0, 2), ...rows.slice(2).map(asMessages)], base),
      UserError,
      "rows.jsonl:3: The tokenizer has no chat template",
    );
  });
}

for (const { trainer, objective, form, made } of golden.cases) {
  Deno.test(`${objective} trains on ${form} as ${trainer} of TRL prepares them`, async () => {
    const tokenizer = tokenizerOf(form);
    const { settings, run } = await prepared(objective, golden.rows[form] ?? [], tokenizer);
    const data = dataIn(run);
    const rows = rowsIn(data);
    assertEquals(rows.length, made.length);
    for (const [i, row] of rows.entries()) {
      const theirs = made[i];
      assert(theirs !== undefined);
      const whole = expected(theirs);
      // The reward model of TRL has no mask: it reads the score at the last token.
      const own = theirs.mask === undefined ? { ...row, mask: row.ids.map(() => false) } : row;
      const learned = joined[form]?.[i];
      if (learned !== undefined) {
        assertEquals(learnedText(tokenizer, row), learned);
        assertNotEquals([row.ids, row.mask], [whole.ids, whole.mask]);
        continue;
      }
      const isCut = data.kind === "pairs" || data.kind === "labels";
      const { ids, mask } = own;
      const cut = isCut ? stopped(whole, tokenizer) : whole;
      assertEquals({ ids, mask }, cut, `row ${i} of ${form}`);
      assertEquals(row.label, theirs.label);
      const labels = row.labels?.filter((_, t) => mask[t]).map(Number).join("");
      assertEquals(labels, theirs.labels);
    }
    assertEquals((await lossesOf(settings, run)).map(Number.isFinite), [true, true]);
  });
}

/** Rows in the forms that no trainer of TRL reads, of which an objective learns here. */
const others: readonly (readonly [objective: string, form: string, rows: readonly unknown[]])[] = [
  ...["dpo", "kto", "sft"].map((objective) =>
    [
      objective,
      "scores",
      golden.rows["plain pairs"]?.map((_, i) => ({
        prompt: `say ${i}`,
        answers: ["a", "b", `c${i}`],
        scores: [i, 1, -1],
      })) ?? [],
    ] as const
  ),
  ["grpo", "privileged", golden.rows.prompts ?? []],
  ["grpo", "steps", golden.rows.steps ?? []],
];

for (const [objective, form, rows] of others) {
  Deno.test(`${objective} trains on ten rows of ${form}`, async () => {
    const { settings, run } = await prepared(objective, rows, form === "privileged" ? chat : base);
    assertEquals(rowsIn(dataIn(run)).length, objective === "dpo" || objective === "kto" ? 20 : 10);
    assertEquals((await lossesOf(settings, run)).map(Number.isFinite), [true, true]);
  });
}
