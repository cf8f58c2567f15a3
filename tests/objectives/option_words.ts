/** Options in words. */
import { describeRange } from "@unitune/core";
import type { Option } from "@unitune/objectives";

/** What an option takes. */
export function taken(option: Option): string {
  switch (option.kind) {
    case "choice":
      return option.choices.join(" | ");
    case "integer":
    case "number":
      return describeRange({ ...option, integer: option.kind === "integer" });
    case "boolean":
      return "true or false";
    case "string":
      return "a text";
    default:
      return option satisfies never;
  }
}
