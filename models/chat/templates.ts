/**
 * Chat templates for base models, in Jinja. The ids between `{% generation %}` and
 * `{% endgeneration %}` are those that the assistant produces; `transformers` makes its mask of
 * them, and this package finds the same ids without these marks.
 */

/** A chat template, and the tokens that it needs. */
export interface BaseTemplate {
  /** The template, in Jinja; an empty one is none. */
  readonly template: string;
  /** The special tokens that it writes, apart from the model's own beginning and stop tokens. */
  readonly tokens: readonly string[];
  /** The token that ends an answer; none where it is the model's own stop token. */
  readonly stop?: string;
}

/** Refuses tools, for which the templates have no form. */
const NO_TOOLS = "{%- if tools %}" +
  "{{- raise_exception('This chat template has no form for tools') }}" +
  "{%- endif %}";

const CHATML = NO_TOOLS +
  "{%- for message in messages %}" +
  "{{- '<|im_start|>' + message['role'] + '\\n' }}" +
  "{%- if message['role'] == 'assistant' %}" +
  "{%- generation %}{{- message['content'] + '<|im_end|>' }}{%- endgeneration %}" +
  "{%- else %}{{- message['content'] + '<|im_end|>' }}{%- endif %}" +
  "{{- '\\n' }}" +
  "{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

const LLAMA_3 = NO_TOOLS +
  "{{- bos_token }}" +
  "{%- for message in messages %}" +
  "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}" +
  "{%- if message['role'] == 'assistant' %}" +
  "{%- generation %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endgeneration %}" +
  "{%- else %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endif %}" +
  "{%- endfor %}" +
  "{%- if add_generation_prompt %}" +
  "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}" +
  "{%- endif %}";

const ALPACA = NO_TOOLS +
  "{%- if not messages or messages[0]['role'] != 'system' %}" +
  "{{- 'Below is an instruction that describes a task. " +
  "Write a response that appropriately completes the request.\\n\\n' }}" +
  "{%- endif %}" +
  "{%- for message in messages %}" +
  "{%- if message['role'] == 'system' %}{{- message['content'] + '\\n\\n' }}" +
  "{%- elif message['role'] == 'user' %}" +
  "{{- '### Instruction:\\n' + message['content'] + '\\n\\n' }}" +
  "{%- elif message['role'] == 'assistant' %}" +
  "{{- '### Response:\\n' }}" +
  "{%- generation %}{{- message['content'] + eos_token }}{%- endgeneration %}" +
  "{{- '\\n\\n' }}" +
  "{%- else %}" +
  "{{- raise_exception('The Alpaca format has no role ' + message['role']) }}" +
  "{%- endif %}" +
  "{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- '### Response:\\n' }}{%- endif %}";

/**
 * Chat templates for base models by name: ChatML, that of Llama 3, and that of Alpaca, which needs
 * no special tokens of its own.
 *
 * @example
 * ```ts
 * import { baseTemplates } from "@unitune/models";
 * import { chatTemplate } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * const render = chatTemplate(baseTemplates.chatml.template);
 * const text = render([{ role: "user", content: "Hi" }], { addGenerationPrompt: true });
 * assertEquals(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
 * ```
 */
export const baseTemplates: Readonly<Record<"chatml" | "llama3" | "alpaca", BaseTemplate>> = {
  chatml: { template: CHATML, tokens: ["<|im_start|>", "<|im_end|>"], stop: "<|im_end|>" },
  llama3: {
    template: LLAMA_3,
    tokens: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    stop: "<|eot_id|>",
  },
  alpaca: { template: ALPACA, tokens: [] },
};
