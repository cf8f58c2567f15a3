/**
 * The columns that rows of any form may have, and what they hold.
 *
 * @module
 */

/** What a column holds: a text, a text or a list of messages, or a value of another kind. */
export type ColumnContent = "text" | "side" | "value";

/** What each column holds, under its usual name. */
export const columnContents = {
  text: "text",
  ...{ prompt: "side", completion: "side", chosen: "side", rejected: "side" },
  reference: "side",
  privileged_context: "side",
  ...{ messages: "value", conversations: "value" },
  ...{ label: "value", labels: "value", answers: "value", scores: "value", completions: "value" },
  ...{ tools: "value", chat_template_kwargs: "value" },
} as const satisfies Readonly<Record<string, ColumnContent>>;

/** The name of such a column. */
export type ColumnName = keyof typeof columnContents;

/**
 * What a column holds.
 *
 * @param name The name of the column.
 * @returns The kind of content: other columns hold texts.
 *
 * @example
 * ```ts
 * import { contentOf } from "./columns.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["prompt", "label", "note"].map(contentOf), ["side", "value", "text"]);
 * ```
 */
export function contentOf(name: string): ColumnContent {
  return isColumnName(name) ? columnContents[name] : "text";
}

function isColumnName(name: string): name is ColumnName {
  return Object.hasOwn(columnContents, name);
}
