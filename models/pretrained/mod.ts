/**
 * Tokenizers and chat templates of pretrained models, by the packages of Hugging Face:
 * `@huggingface/tokenizers` and `@huggingface/jinja`. They are loaded from npm where this module is
 * imported, and nowhere else.
 *
 * @example
 * ```ts
 * import { byteTokenizer, checkConversation } from "@unitune/models";
 * import { pretrainedTokenizer } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = pretrainedTokenizer(byteTokenizer().files());
 * const findings = checkConversation(tokenizer, [
 *   { role: "user", content: "<stop>?" },
 *   { role: "assistant", content: "Yes" },
 * ]);
 * assertEquals(findings.map(({ kind }) => kind), ["spelled-special"]);
 * ```
 *
 * @module
 */
export { withChatTemplate } from "./base_template.ts";
export { type ChatTemplate, chatTemplate, type RenderOptions } from "./chat_template.ts";
export { tokenizerFileNames } from "./token_files.ts";
export { type PretrainedOptions, pretrainedTokenizer } from "./tokenizer.ts";
