/** Chat templates in Jinja, as pretrained models have them. */

import { quoted } from "@unitune/core";
import { Template } from "npm:@huggingface/jinja@^0.5.11";
import { ChatError, type ChatMessage, type ChatOptions } from "../chat/chat_format.ts";
import { TokenizerError } from "../tokenizers/plain.ts";

/** Options of rendering. */
export interface RenderOptions extends ChatOptions {
  /** Whether the header of the assistant's next turn follows (default false). */
  readonly addGenerationPrompt?: boolean;
}

/** Renders a conversation. */
export type ChatTemplate = (messages: readonly ChatMessage[], options?: RenderOptions) => string;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Prepares a chat template. It renders as `apply_chat_template` of `transformers` does: blocks are
 * trimmed, `tools` and `documents` are none unless given, and the special tokens are variables.
 *
 * A template that asks for the date gets today's, unless the variables have a function
 * `strftime_now` of their own.
 *
 * @param text The template.
 * @param variables Variables for all conversations, such as `bos_token`.
 * @returns The function that renders conversations; it throws a {@linkcode ChatError} if the
 * template refuses one, or fails.
 * @throws {TokenizerError} If the text is not a template.
 *
 * @example
 * ```ts
 * import { chatTemplate } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * const render = chatTemplate("{{ bos }}{% for m in messages %}{{ m.content }}{% endfor %}", {
 *   bos: "<s>",
 * });
 * assertEquals(render([{ role: "user", content: "Hi" }]), "<s>Hi");
 * ```
 */
export function chatTemplate(
  text: string,
  variables: Readonly<Record<string, unknown>> = {},
): ChatTemplate {
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    throw new TokenizerError(
      `The chat template cannot be read: ${quoted(messageOf(error))}; correct it, or use another ` +
        `one`,
      { cause: error },
    );
  }
  return (messages, { tools, variables: own = {}, addGenerationPrompt = false } = {}) => {
    try {
      return template.render({
        documents: null,
        ...variables,
        ...own,
        messages,
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      const isWithout = messages.some(({ content }) => typeof content !== "string");
      throw new ChatError(
        `The chat template refuses the conversation: ${quoted(messageOf(error))}` +
          (isWithout ? `; if it needs a text in each message, write "" as content` : ""),
        { cause: error },
      );
    }
  };
}
