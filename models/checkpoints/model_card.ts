/** The model card of a model: the README.md beside its files. */
import { printable } from "@unitune/core";

/** What is known of a model's training, for its card. */
export interface ModelCard {
  /** The name of the model (default: it has none). */
  readonly name?: string;
  /** The name on the hub of the model that it was trained from (default: it was not from the hub). */
  readonly baseName?: string;
  /** The objectives of its training, in their order (default: none are named). */
  readonly objectives?: readonly string[];
  /** The names on the hub of the datasets that it was trained on (default: none are named). */
  readonly datasets?: readonly string[];
  /** The license, by its identifier on the hub (default: none is named). */
  readonly license?: string;
  /** Whether it has a head of one number, which scores answers (default false). */
  readonly isRewardModel?: boolean;
}

/** The task of a model: on the hub, and the class of `transformers` that reads it. */
const tasks = {
  text: { pipeline: "text-generation", reader: "AutoModelForCausalLM" },
  score: { pipeline: "text-classification", reader: "AutoModelForSequenceClassification" },
} as const;

/**
 * The model card of a model: what the hub reads of it, its training, and how `transformers` loads it.
 *
 * Source: https://huggingface.co/docs/hub/model-cards
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { modelCard } from "@unitune/models";
 *
 * const card = modelCard({ baseName: "someone/model", objectives: ["sft", "dpo"] });
 * assert(card.startsWith('---\nbase_model: "someone/model"\nlibrary_name: transformers\n'));
 * assert(card.includes("It was trained from someone/model with Unitune by sft, then dpo."));
 * ```
 *
 * @param card What is known of the model's training.
 * @returns The text of a README.md.
 */
export function modelCard(card: ModelCard): string {
  const { name, baseName, objectives = [], datasets = [], license, isRewardModel = false } = card;
  const { pipeline, reader } = tasks[isRewardModel ? "score" : "text"];
  const origin = baseName === undefined ? "" : ` from ${printable(baseName)}`;
  const way = objectives.length === 0 ? "" : ` by ${objectives.map(printable).join(", then ")}`;
  return [
    "---",
    ...entry("base_model", baseName),
    ...entries("datasets", datasets),
    "library_name: transformers",
    ...entry("license", license),
    ...entry("model_name", name),
    `pipeline_tag: ${pipeline}`,
    ...entries("tags", ["unitune", ...objectives]),
    "---",
    "",
    `# ${printable(name ?? "Model")}`,
    "",
    `${isRewardModel ? "A reward model. " : ""}It was trained${origin} with Unitune${way}.`,
    "",
    "```python",
    `from transformers import ${reader}, AutoTokenizer`,
    "",
    'folder = "PATH_OF_THIS_FOLDER"',
    "tokenizer = AutoTokenizer.from_pretrained(folder)",
    `model = ${reader}.from_pretrained(folder)`,
    "```",
    "",
  ].join("\n");
}

/** An entry of the front matter, if it has a value. A text of JSON is one of YAML as well. */
function entry(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`${name}: ${JSON.stringify(value)}`];
}

/** A list in the front matter, if it has elements. */
function entries(name: string, values: readonly string[]): string[] {
  return values.length === 0
    ? []
    : [`${name}:`, ...values.map((value) => `- ${JSON.stringify(value)}`)];
}
