/**
 * What there is to train on, whatever file it came from.
 *
 * @module
 */

import type { Message } from "@unitune/models";

/** A line of a file, which errors name. */
export interface Source {
  /** The file. */
  readonly file: string;
  /** The line, from 1. */
  readonly line: number;
}

/** One conversation to learn from. */
export interface Conversation {
  /** The messages, in order; at least one is the assistant's. */
  readonly messages: readonly Message[];
  /** Where it was read. */
  readonly source?: Source;
}

/** Text or conversations, for training and for validation. */
export type Dataset =
  | {
    /** Running text. */
    readonly kind: "text";
    /** What is trained on. */
    readonly train: string;
    /** What is kept aside. */
    readonly validation: string;
  }
  | {
    /** Conversations. */
    readonly kind: "conversations";
    /** What is trained on. */
    readonly train: readonly Conversation[];
    /** What is kept aside. */
    readonly validation: readonly Conversation[];
  };

/**
 * Where a sequence is cut in two: the first 90 % is for training, the rest, and always something,
 * for validation. No chance is involved, so a resumed run and a later evaluation see the same cut.
 *
 * @param length How many there are, at least 2.
 * @returns How many are for training.
 *
 * @example
 * ```ts
 * import { trainingLength } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(trainingLength(100), 90);
 * assertEquals(trainingLength(2), 1);
 * ```
 */
export function trainingLength(length: number): number {
  return Math.min(length - 1, Math.max(1, Math.floor((length * 9) / 10)));
}

/**
 * The characters that a dataset is written with, validation included: the alphabet of a character
 * tokenizer.
 *
 * @param dataset The dataset.
 * @returns The distinct characters.
 *
 * @example
 * ```ts
 * import { charactersOf } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const characters = charactersOf({ kind: "text", train: "abba", validation: "c" });
 * assertEquals([...characters], ["a", "b", "c"]);
 * ```
 */
export function charactersOf(dataset: Dataset): Set<string> {
  const characters = new Set<string>();
  const add = (text: string) => {
    for (const character of text) characters.add(character);
  };
  for (const part of [dataset.train, dataset.validation]) {
    if (typeof part === "string") add(part);
    else for (const { messages } of part) for (const { content } of messages) add(content);
  }
  return characters;
}
