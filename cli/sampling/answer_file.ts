/**
 * Answers to the prompts of a file, as a file.
 *
 * @module
 */

import { type ChatMessage, textBefore } from "@unitune/models";
import {
  isOfTexts,
  placeText,
  type SampledAnswer,
  type Sampler,
  type SamplingOptions,
} from "@unitune/training";
import type { PromptRow } from "../data/prompt_rows.ts";
import { promptIds, promptMessages, type PromptReader } from "../data/prompts.ts";

/** A model that answers prompts. */
export interface Answerer {
  /** Its sampler. */
  readonly sampler: Pick<Sampler<unknown>, "sample">;
  /** Its parameters. */
  readonly params: unknown;
}

/** Who answers the prompts, and how. */
export interface AnswerFileOptions {
  /** The model that reads the prompts. */
  readonly reader: PromptReader;
  /** The models that answer, by the columns of their answers. */
  readonly answerers: Readonly<Record<string, Answerer>>;
  /** The message of the system before prompts that have none. */
  readonly system?: string | undefined;
  /** The options of generation; `firstRow` is the number of the first answer. */
  readonly sampling: SamplingOptions;
  /** The number of answers to each prompt. */
  readonly count: number;
  /** The number of answers at once. */
  readonly batch: number;
  /** Called with the number of answers so far, by each of the models in equal parts. */
  readonly tell: (answers: number) => void;
}

/** The answers. */
export interface Answers {
  /** A row of JSON for each answer, in the order of the prompts. */
  readonly text: string;
  /** The number of answers that no stop token ended. */
  readonly cut: number;
}

/** A prompt as it is answered. */
interface Asked {
  readonly prompt: PromptRow["prompt"];
  /** The columns with which its messages are rendered. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly ids: readonly number[];
}

/**
 * Answers prompts. A row of the result has the prompt as it was asked and the completion,
 * in the form of the prompt: a text, or a list with the assistant's message. Tools and variables of
 * the template stay beside them. All prompts are encoded
 * first, so that one that does not fit is told before the first is answered.
 *
 * @param rows The prompts.
 * @param options The models and the options of generation.
 * @returns The answers.
 * @throws {UserError} If a prompt cannot be encoded or does not fit the context; the message has its
 * file and line.
 */
export async function answerRows(
  rows: readonly PromptRow[],
  { reader, answerers, system, sampling, count, batch, tell }: AnswerFileOptions,
): Promise<Answers> {
  const asked = rows.flatMap((row) => Array<Asked>(count).fill(askedOf(row, reader, system)));
  const columns = Object.entries(answerers);
  const given: (readonly [column: string, answers: readonly SampledAnswer[]])[] = [];
  for (const [column, { sampler, params }] of columns) {
    const before = given.length * asked.length;
    const answers = await sampler.sample(params, asked.map(({ ids }) => ids), {
      ...sampling,
      places: batch,
      progress: (completions) => tell(Math.floor((before + completions) / columns.length)),
    });
    given.push([column, answers]);
  }
  let cut = 0;
  const lines = asked.map(({ prompt, details }, i) => {
    const own = given.map(([column, answers]) => {
      const answer = answers[i];
      if (answer === undefined) throw new RangeError("answerRows: a prompt without an answer");
      if (!answer.isEnded) cut += 1;
      return [column, completionOf(prompt, said(answer, reader))] as const;
    });
    return `${JSON.stringify({ prompt, ...Object.fromEntries(own), ...details })}\n`;
  });
  return { text: lines.join(""), cut };
}

/** A prompt in the form in which it is asked. */
function askedOf(
  { prompt, source, rendering }: PromptRow,
  reader: PromptReader,
  system?: string,
): Asked {
  const name = `${placeText(source)}: the prompt`;
  if (isOfTexts(reader.kind) && typeof prompt === "string") {
    return { prompt, details: {}, ids: promptIds(reader, prompt, name) };
  }
  const isOpened = typeof prompt !== "string" && prompt.some(({ role }) => role === "system");
  const messages = typeof prompt === "string"
    ? promptMessages(prompt, system)
    : system === undefined || isOpened
    ? prompt
    : [{ role: "system", content: system } as const, ...prompt];
  // A text stays one, unless a message of the system stands before it.
  const plain = typeof prompt === "string" && system === undefined;
  const shown = plain ? prompt : messages;
  const { tools, variables } = rendering ?? {};
  return {
    prompt: shown,
    details: {
      ...tools && { tools },
      ...variables && { chat_template_kwargs: variables },
    },
    ids: promptIds(reader, messages, name, { ...rendering, plain }),
  };
}

/** The text of an answer, without special tokens and the stop string. */
export function said(
  { ids, isEnded, stopString }: Pick<SampledAnswer, "ids" | "isEnded" | "stopString">,
  { tokenizer }: Pick<PromptReader, "tokenizer">,
): string {
  const hasStopToken = isEnded && stopString === undefined;
  return textBefore(tokenizer.decode(hasStopToken ? ids.slice(0, -1) : ids), stopString);
}

function completionOf(prompt: PromptRow["prompt"], text: string): string | readonly ChatMessage[] {
  return typeof prompt === "string" ? text : [{ role: "assistant", content: text }];
}
