/** Chat templates for base models, which come without one. */

import type { BaseTemplate } from "../chat/templates.ts";
import { TokenizerError } from "../tokenizers/plain.ts";
import { TOKENIZER, TOKENIZER_CONFIG } from "../tokenizers/tokenizer_json.ts";
import { piecesOf, readObject } from "./token_files.ts";

const TEMPLATE = "chat_template.jinja";

/** The files without a chat template, which is in a file of its own or among the settings. */
function withoutTemplate(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const others = new Map([...files].filter(([name]) => name !== TEMPLATE));
  const { chat_template, ...config } = readObject(files, TOKENIZER_CONFIG) ?? {};
  return chat_template === undefined ? others : others.set(TOKENIZER_CONFIG, jsonText(config));
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Adds a chat template to the files of a tokenizer, or takes it away. Tokens that the vocabulary lacks
 * follow its last one, so the model's embeddings have to grow to the size of the new tokenizer. The
 * token that ends an answer becomes `eos_token`, and one of the stop tokens of
 * `generation_config.json`.
 *
 * @param files The files of the tokenizer, by name.
 * @param template The template, such as one of {@linkcode baseTemplates}; an empty one is none.
 * @returns The files with the template.
 * @throws {TokenizerError} If `tokenizer.json` is missing or damaged.
 *
 * @example
 * ```ts
 * import { baseTemplates, byteTokenizer, encodeConversation } from "@unitune/models";
 * import { pretrainedTokenizer, withChatTemplate } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * const files = withChatTemplate(byteTokenizer().files(), baseTemplates.chatml);
 * const tokenizer = pretrainedTokenizer(files);
 * assertEquals(tokenizer.tokens.slice(261), ["<|im_start|>", "<|im_end|>"]);
 * const { ids } = encodeConversation(tokenizer, [{ role: "assistant", content: "Hi" }]);
 * assertEquals(ids.indexOf(tokenizer.stop), ids.length - 2);
 * const without = withChatTemplate(files, { template: "", tokens: [] });
 * assertEquals(pretrainedTokenizer(without).chat, undefined);
 * ```
 */
export function withChatTemplate(
  files: ReadonlyMap<string, string>,
  { template, tokens, stop }: BaseTemplate,
): ReadonlyMap<string, string> {
  if (template === "") return withoutTemplate(files);
  const tokenizer = readObject(files, TOKENIZER);
  if (tokenizer === undefined) throw new TokenizerError(`There is no ${TOKENIZER}`);
  const { ids } = piecesOf(tokenizer);
  const size = Array.from(ids.values()).reduce((largest, id) => Math.max(largest, id), -1) + 1;
  const missing = tokens.filter((token) => !ids.has(token));
  const added = missing.map((content, i) => ({
    id: size + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const { added_tokens: known } = tokenizer;
  const result = new Map(files);
  result.set(TEMPLATE, template);
  if (added.length > 0) {
    const all = [...Array.isArray(known) ? known : [], ...added];
    result.set(TOKENIZER, jsonText({ ...tokenizer, added_tokens: all }));
  }
  if (stop === undefined) return result;
  result.set(
    TOKENIZER_CONFIG,
    jsonText({ ...readObject(files, TOKENIZER_CONFIG), eos_token: stop }),
  );
  const generation = readObject(files, "generation_config.json");
  if (generation === undefined) return result;
  const id = ids.get(stop) ?? size + missing.indexOf(stop);
  const stops = [id, generation.eos_token_id ?? []].flat().filter((other, i, all) =>
    all.indexOf(other) === i
  );
  return result.set("generation_config.json", jsonText({ ...generation, eos_token_id: stops }));
}
