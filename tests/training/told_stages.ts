/**
 * What is told of stages on rows of each kind before their first step: what becomes of the rows, how
 * many there are in the end, and the memory that is planned. Run as a program, this writes
 * `told_stages.txt`, which the test beside it compares with them:
 *
 *     deno run -A tests/training/told_stages.ts
 */
import { type DType, leavesOf, sizeOf, wasm } from "@unitune/core";
import type { ChatMessage } from "@unitune/models";
import {
  createLearner,
  type Dataset,
  datasetMaterial,
  type GivenSettings,
  initialModels,
  type Material,
  messageText,
  type PreparedRun,
  prepareRun,
  silentWatch,
  type StageData,
  taskMaterial,
  TASKS_SOURCE,
  trainSettings,
  UserError,
} from "@unitune/training";

/** The file of what is known to be told. */
export const known: URL = new URL("told_stages.txt", import.meta.url);

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const answer = {
  a: (length: number) => [assistant("a".repeat(length))],
  b: (length: number) => [assistant("b".repeat(length))],
};
const sources = <Row extends object>(rows: readonly Row[]) =>
  rows.map((row, i) => ({ ...row, source: { file: "rows.jsonl", line: i + 1 } }));
const asked = (length: number) => ({ prompt: [user("q".repeat(length))] });

/** Training rows with all that can become of them, and validation rows, by the name of their kind. */
const datasets = {
  "running text": { kind: "text", train: "one two three ".repeat(9), validation: "four five" },
  "a short text": { kind: "text", train: "one two", validation: "" },
  "texts without empty ones": {
    kind: "texts",
    train: sources([{ text: "a text" }, { text: "another" }]),
    validation: [],
  },
  texts: {
    kind: "texts",
    train: sources(["a text", "", "a text that is far too long", " "].map((text) => ({ text }))),
    validation: sources(["another", "and another one that is too long"].map((text) => ({ text }))),
  },
  conversations: {
    kind: "conversations",
    train: sources([
      { messages: [user("qq"), assistant("aaa")] },
      { messages: [user("q"), assistant("a"), user("r"), assistant("b")] },
      { messages: [user("q"), assistant("a".repeat(30))] },
      { messages: [user("q".repeat(30)), assistant("a")] },
      { messages: [user("q"), assistant("a"), user("r"), assistant("bb")], learnedFrom: 3 },
      { messages: [user("q")] },
    ]),
    validation: sources([
      { messages: [user("v"), assistant("a")] },
      { messages: [user("w"), assistant("a".repeat(30))] },
      { messages: [user("x"), assistant("aa"), user("y"), assistant("b")] },
      { messages: [user("z".repeat(30)), assistant("a")] },
    ]),
  },
  pairs: {
    kind: "pairs",
    train: sources([
      { ...asked(1), chosen: answer.a(2), rejected: answer.b(3) },
      { ...asked(1), chosen: answer.a(30), rejected: answer.b(3) },
      { ...asked(1), chosen: answer.a(30), rejected: answer.a(40) },
      { ...asked(30), chosen: answer.a(1), rejected: answer.b(1) },
      { ...asked(4), chosen: answer.a(5), rejected: answer.b(1) },
    ]),
    validation: sources([
      { ...asked(2), chosen: answer.a(2), rejected: answer.b(3) },
      { ...asked(2), chosen: answer.a(30), rejected: answer.b(3) },
      { ...asked(3), chosen: answer.a(1), rejected: answer.b(2) },
    ]),
  },
  labels: {
    kind: "labels",
    train: sources([
      { ...asked(1), completion: answer.a(2), label: true },
      { ...asked(2), completion: answer.b(3), label: false },
      { ...asked(3), completion: answer.b(30), label: false },
      { ...asked(30), completion: answer.a(3), label: true },
    ]),
    validation: sources([
      { ...asked(1), completion: answer.a(3), label: true },
      { ...asked(1), completion: answer.b(3), label: false },
    ]),
  },
  triples: {
    kind: "pairs",
    train: sources([
      { ...asked(1), gold: answer.a(1), chosen: answer.a(2), rejected: answer.b(3) },
      { ...asked(1), chosen: answer.a(2), rejected: answer.b(3) },
      { ...asked(1), gold: answer.a(30), chosen: answer.a(2), rejected: answer.b(30) },
      { ...asked(1), gold: answer.a(9), chosen: answer.a(30), rejected: answer.a(40) },
      { ...asked(30), gold: answer.a(1), chosen: answer.a(2), rejected: answer.b(3) },
    ]),
    validation: sources([
      { ...asked(2), gold: answer.a(1), chosen: answer.a(2), rejected: answer.b(3) },
      { ...asked(3), gold: answer.a(1), chosen: answer.a(2), rejected: answer.b(30) },
      { ...asked(4), gold: answer.a(1), chosen: answer.a(2), rejected: answer.b(3) },
    ]),
  },
  scores: {
    kind: "scores",
    train: sources([
      {
        ...asked(1),
        answers: [3, 1, 2].map((score) => ({ answer: answer.a(score), score })),
      },
      { ...asked(2), answers: [1, 1].map((score, i) => ({ answer: answer.b(i + 1), score })) },
      { ...asked(2), answers: [1, 2].map((score, i) => ({ answer: answer.b(i + 1), score })) },
    ]),
    validation: sources([
      { ...asked(3), answers: [1, 2].map((score) => ({ answer: answer.a(score), score })) },
    ]),
  },
  steps: {
    kind: "steps",
    train: sources([
      { ...asked(1), steps: ["a", "bb"], labels: [true, false] },
      { ...asked(2), steps: ["a".repeat(9), "b".repeat(9)], labels: [true, true] },
      { ...asked(2), steps: ["a".repeat(40)], labels: [true] },
    ]),
    validation: sources([
      { ...asked(3), steps: ["a"], labels: [true] },
      { ...asked(4), steps: ["a".repeat(40)], labels: [true] },
      { ...asked(5), steps: ["b"], labels: [false] },
    ]),
  },
  prompts: {
    kind: "prompts",
    train: sources([
      { ...asked(1), columns: { completion: "a" } },
      { ...asked(2), columns: {} },
      { ...asked(3), columns: { completion: "3" } },
      { ...asked(30), columns: { completion: "a" } },
    ]),
    validation: sources([
      { ...asked(4), columns: { completion: "a" } },
      { ...asked(30), columns: { completion: "a" } },
      { ...asked(6), columns: {} },
    ]),
  },
} as const satisfies Readonly<Record<string, Dataset>>;

const tiny = {
  ...{ layers: 1, heads: 1, width: 8, context: 16, tokenizer: "bytes", dropout: 0 },
  ...{ steps: 5, batchSize: 2, evalExamples: 2, evalBatchSize: 2, examples: 12, maxNewTokens: 4 },
} as const;

/** Settings of stages, and the rows that each of them reads (default: the built-in tasks). */
export type ToldRun = readonly (GivenSettings & { readonly rows?: keyof typeof datasets })[];

/** The runs of which something is told. */
export const runs: readonly ToldRun[] = [
  [{ objective: "sft", rows: "running text" }],
  [{ objective: "sft", rows: "a short text", packing: true }],
  [{ objective: "sft", rows: "texts" }],
  [{ objective: "sft", rows: "texts without empty ones" }],
  [{ objective: "sft", rows: "conversations" }],
  [{ objective: "sft", rows: "conversations", packing: true, average: "ema" }],
  [{ objective: "sft", rows: "pairs", gradientAccumulation: 2, batchSize: 1 }],
  [{ objective: "sft", rows: "prompts", evalExamples: 8 }],
  [{ objective: "sft", rows: "conversations", tokenBudget: 500, checkpointActivations: "blocks" }],
  [{ objective: "sft", rows: "conversations", batchTokens: 40, weights: "bf16" }],
  [{ objective: "dpo", rows: "pairs", average: "ema", averageUse: "reference" }],
  [{ objective: "dpo", rows: "pairs" }],
  [{ objective: "dpo", rows: "scores", evalExamples: 1 }],
  [{ objective: "dpo", rows: "conversations", rejected: "model" }],
  [{ objective: "reward-model", rows: "pairs" }],
  [{ objective: "kto", rows: "labels" }],
  [{ objective: "kto", rows: "pairs" }],
  [{ objective: "tpo", rows: "triples" }],
  [{ objective: "tpo", rows: "scores" }],
  [{ objective: "process-reward-model", rows: "steps" }],
  [{ objective: "grpo", rows: "prompts", rewards: "exact-match+accuracy", groupSize: 2 }],
  [{ objective: "relift", rows: "pairs", groupSize: 2, rewards: "edit-similarity" }],
  [{ objective: "grpo", rewards: "verifier+format", groupSize: 2 }],
  [{ objective: "sft", tasks: "carry+pick", noise: 0.5, tokenizer: "characters", context: 40 }],
  [
    { objective: "sft", rows: "conversations" },
    { objective: "dpo", rows: "pairs" },
    { objective: "grpo", rows: "prompts", rewards: "exact-match", groupSize: 2 },
  ],
];

/** The number of rows of each list in a stage's data. */
function sizesOf(data: StageData): string {
  return Object.entries(data).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "number"
      ? [`${name} ${value}`]
      : typeof value === "object" && value !== null && "length" in value
      ? [`${name} ${value.length}`]
      : []
  ).join(", ");
}

/** What is told of a prepared run. */
function dataText({ name, notes, splits, test, mistaught, tokenizer, stages }: PreparedRun) {
  const { size } = tokenizer;
  return [
    `${name}, ${size} tokens`,
    ...notes.map((note) => `note: ${messageText(note)}`),
    ...[splits, test, mistaught].flatMap((own, i) =>
      own.map(({ name, sequences, questions, notes }) => {
        const known = questions.map(({ kind, gold }) => `${kind} ${gold}`).slice(0, 3).join("; ");
        return `${["split", "test", "mistaught"][i]} ${name}: ${sequences.length} sequences, ` +
          `${questions.length} questions (${known}), ${notes.length} notes`;
      })
    ),
    ...stages.map(({ data, judges, format }) =>
      `${data.kind}: ${sizesOf(data)}; ${judges.length} judges, format ${format?.source ?? "none"}`
    ),
  ];
}

/** The number of tensors of a tree, and of their elements by type. */
function treeText(tree: unknown): string {
  const leaves = leavesOf(tree);
  const elements = new Map<DType, number>();
  for (const { dtype, shape } of leaves) {
    elements.set(dtype, (elements.get(dtype) ?? 0) + sizeOf(shape));
  }
  return `${leaves.length} tensors, ${JSON.stringify(Object.fromEntries(elements))}`;
}

/** What is told of a stage whose models are outlines. */
async function stageText(
  prepared: PreparedRun,
  settings: ReturnType<typeof trainSettings>,
  stage: number,
): Promise<readonly string[]> {
  using device = wasm({ threads: 1 });
  const { policy } = initialModels(settings, prepared);
  const outlined = { settings, stage, prepared, start: { policy }, device, isOutline: true };
  using learner = await createLearner(outlined);
  const { setUp, notes, plan, epoch } = learner;
  // What is computed in depends on the compiler.
  const { weights, frozen, optimizer, batch, caches } = plan?.memory ?? fail();
  return [
    ...notes.map((note) => `note: ${messageText(note)}`),
    `epochs ${[0, 1, 2, settings.steps].map(epoch).join(", ")}; set up ${JSON.stringify(setUp)}`,
    `memory ${JSON.stringify({ weights, frozen, optimizer, batch, caches })}`,
    `state ${treeText(learner.like())}, recomputes ${plan?.recomputes}`,
  ];
}

function fail(): never {
  throw new Error("A learner has a plan");
}

/** What is told of a run, one thing on each line. */
export async function toldOf(given: ToldRun): Promise<readonly string[]> {
  const stages = given.map(({ rows, ...own }) => {
    const settings = trainSettings({ ...tiny, ...own });
    const material: Material = rows === undefined
      ? taskMaterial(settings, silentWatch)
      : datasetMaterial(rows, datasets[rows]);
    return { settings, material, source: rows === undefined ? TASKS_SOURCE : `${rows}.jsonl` };
  });
  try {
    const prepared = await prepareRun(stages);
    const told = [...dataText(prepared)];
    for (const [stage, { settings }] of stages.entries()) {
      told.push(...await stageText(prepared, settings, stage));
    }
    return told;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [`refused: ${error.message}`];
  }
}

if (import.meta.main) {
  const texts: string[] = [];
  for (const run of runs) {
    texts.push([`# ${JSON.stringify(run)}`, ...await toldOf(run), ""].join("\n"));
  }
  await Deno.writeTextFile(known, texts.join("\n"));
}
