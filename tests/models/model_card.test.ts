/** Model cards, whose front matter the hub reads. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { modelCard } from "@unitune/models";

/** The lines between the marks of the front matter. */
function matterOf(card: string): readonly string[] {
  const [first, ...lines] = card.split("\n");
  assertEquals(first, "---");
  return lines.slice(0, lines.indexOf("---"));
}

Deno.test("a card names what is known, in the order of the hub's own cards", () => {
  const card = modelCard({
    ...{ name: "tiny", baseName: "someone/model", license: "apache-2.0" },
    ...{ objectives: ["sft"], datasets: ["someone/rows", "other/rows"] },
  });
  assertEquals(matterOf(card), [
    'base_model: "someone/model"',
    "datasets:",
    '- "someone/rows"',
    '- "other/rows"',
    "library_name: transformers",
    'license: "apache-2.0"',
    'model_name: "tiny"',
    "pipeline_tag: text-generation",
    "tags:",
    '- "unitune"',
    '- "sft"',
  ]);
  assertStringIncludes(card, "# tiny\n\nIt was trained from someone/model with Unitune by sft.\n");
});

Deno.test("a card of a model of which nothing is known names nothing", () => {
  const card = modelCard({});
  assertEquals(matterOf(card), [
    "library_name: transformers",
    "pipeline_tag: text-generation",
    "tags:",
    '- "unitune"',
  ]);
  assertStringIncludes(card, "# Model\n\nIt was trained with Unitune.\n");
});

Deno.test("a reward model is read as a classifier", () => {
  const card = modelCard({ isRewardModel: true });
  assert(matterOf(card).includes("pipeline_tag: text-classification"));
  assertStringIncludes(card, "AutoModelForSequenceClassification.from_pretrained(folder)");
  assertStringIncludes(card, "A reward model. It was trained");
});

Deno.test("a name cannot end the front matter, nor its line", () => {
  const card = modelCard({ name: 'a"\n---\n# b', baseName: "c\nd: e" });
  assertEquals(matterOf(card).slice(0, 1), ['base_model: "c\\nd: e"']);
  assertEquals(card.split("\n").filter((line) => line === "---").length, 2);
  assert(!card.includes("\n# b"));
});
