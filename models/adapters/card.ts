/** The model card of an adapter: the README.md beside its files. */
import { printable } from "@unitune/core";
import type { SavedAdapter } from "./peft_files.ts";
import type { BaseName } from "./peft_settings.ts";

/** The model that an adapter is of, as its card names it. */
export interface CardBase extends BaseName {
  /** Whether the name is one of the hub, and no folder: the hub refuses cards that name a folder. */
  readonly isOnHub: boolean;
}

/** The tasks of an adapter: on the hub, and the class of `transformers` that reads its base. */
const tasks = {
  text: { pipeline: "text-generation", reader: "AutoModelForCausalLM", options: "" },
  score: {
    pipeline: "text-classification",
    reader: "AutoModelForSequenceClassification",
    options: ", num_labels=1",
  },
} as const;

/**
 * The model card of an adapter: what the hub reads of it, its configuration, and how PEFT loads it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { adapt, adapterCard, languageModel, presetConfig } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * const adapted = adapt({ model, params: model.init(key(0)) }, {
 *   ...{ rank: 4, alpha: 8, dropout: 0, targets: ["q_proj", "v_proj"] },
 *   ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
 * });
 * const card = adapterCard({ model: adapted }, { baseName: "someone/model", isOnHub: true });
 * assert(card.startsWith('---\nbase_model: "someone/model"\nlibrary_name: peft\n'));
 * assert(card.includes("A LoRA adapter of rank 4 with alpha 8 on `q_proj` and `v_proj`"));
 * ```
 *
 * @param saved The adapted model, and the head of one number if it has one.
 * @param base The name of the base.
 * @returns The text of a README.md.
 */
export function adapterCard(
  { model: { adapter }, score }: Pick<SavedAdapter, "model" | "score">,
  { baseName, revision, isOnHub }: CardBase,
): string {
  const { rank, alpha, targets, saved, isRankStabilized, hasMagnitudes } = adapter;
  const { pipeline, reader, options } = tasks[score === undefined ? "text" : "score"];
  // A text of JSON is one of YAML and of Python as well.
  const name = JSON.stringify(baseName);
  const at = revision === undefined ? "" : `, revision=${JSON.stringify(revision)}`;
  const kind = hasMagnitudes ? "DoRA" : "LoRA";
  const places = targets === "all-linear" ? "all projections" : listed(targets);
  const traits = [
    `A ${kind} adapter of rank ${rank} with alpha ${alpha}` +
    `${isRankStabilized ? " (rank-stabilized)" : ""} on ${places} of ${printable(baseName)}`,
    ...saved.length === 0 ? [] : [`with ${listed(saved)} trained as a whole`],
    ...score === undefined ? [] : ["with a head of one number, which scores answers"],
  ];
  const tag = `base_model:adapter:${baseName}`;
  return [
    "---",
    ...isOnHub ? [`base_model: ${name}`] : [],
    "library_name: peft",
    `pipeline_tag: ${pipeline}`,
    "tags:",
    ...isOnHub ? [`- ${JSON.stringify(tag)}`] : [],
    "- lora",
    "- transformers",
    "- unitune",
    "---",
    "",
    `# Adapter of ${printable(baseName)}`,
    "",
    `${traits.join(", ")}. It was trained with Unitune.`,
    "",
    "```python",
    "from peft import PeftModel",
    `from transformers import ${reader}`,
    "",
    `base = ${reader}.from_pretrained(${name}${at}${options})`,
    'model = PeftModel.from_pretrained(base, "PATH_OF_THIS_FOLDER")',
    "```",
    "",
  ].join("\n");
}

/** Names as code, joined in words. */
function listed(names: readonly string[]): string {
  const codes = names.map((name) => `\`${printable(name)}\``);
  const last = codes.slice(-1);
  return [...codes.length > 1 ? [codes.slice(0, -1).join(", ")] : [], ...last].join(" and ");
}
