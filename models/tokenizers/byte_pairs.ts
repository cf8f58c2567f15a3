/** Byte pair encoding: tokens of several bytes that often stand together. */

import { firstOrdinary } from "./role_tokens.ts";
import { byteCharacters, bytePairModel, tokenizerFiles } from "./tokenizer_json.ts";

/** The pieces of two tokens that become one, as byte-level tokenizers write bytes. */
export type Merge = readonly [left: string, right: string];

/**
 * The words of a text, which tokens never cross: a contraction; letters, digits or other characters,
 * with a space before them; or white space (as Unicode has it, of which `\s` of JavaScript differs).
 * Source: the pattern of GPT-2's encoder.
 */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The bytes, which are tokens before any merge. */
const BYTES = 256;

/** The smallest vocabulary of byte pairs: the special tokens and all bytes. */
export const leastBytePairVocabulary: number = firstOrdinary + BYTES;

/** The largest vocabulary of byte pairs: two ids are one number, {@linkcode pairOf}. */
export const mostBytePairVocabulary: number = 2 ** 20;

/** The count of a pair below which it is not merged. */
const LEAST_COUNT = 2;

/** Two tokens as one number. Pairs are ordered by their left tokens, then by their right ones. */
const pairOf = (left: number, right: number): number => left * mostBytePairVocabulary + right;

/** The two tokens of a number. */
const tokensOf = (pair: number): readonly [left: number, right: number] => [
  Math.floor(pair / mostBytePairVocabulary),
  pair % mostBytePairVocabulary,
];

/** A word of the texts as tokens, and how often it is there. */
interface CountedWord {
  tokens: readonly number[];
  readonly count: number;
}

/** A pair, and a number that its count does not exceed. */
interface Candidate {
  readonly pair: number;
  readonly count: number;
}

/**
 * Learns merges from texts: as long as the vocabulary is not full, the pair of tokens that stands
 * together most often within words becomes a token. Of pairs with equal counts, the one whose left
 * token has the smaller id is taken, then the one whose right token has. Pairs that stand together
 * only once are not merged.
 *
 * Tokens are numbered as `BpeTrainer` of the Python package `tokenizers` numbers them: the special
 * tokens, all bytes by the code points of their characters, and the results of the merges in their
 * order. With `min_frequency=2`, the five special tokens of this package, the alphabet of `ByteLevel`
 * and its pattern of words, that trainer gives the same merges.
 *
 * Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units",
 * 2016 (arXiv 1508.07909); on bytes: Radford et al., "Language models are unsupervised multitask
 * learners", 2019.
 *
 * @param texts The texts. No word reaches from one into the next.
 * @param vocabulary The size of the vocabulary, special tokens and bytes included.
 * @returns The merges, the earliest first; fewer than the vocabulary takes where the texts have no
 * more pairs.
 * @throws {RangeError} If the vocabulary has no room for the bytes, or is above 2^20.
 *
 * @example
 * ```ts
 * import { learnBytePairs } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const merges = learnBytePairs(["low low lower newest newest"], 267);
 * // "Ġ" is the space.
 * assertEquals(merges.slice(0, 3), [["l", "o"], ["w", "e"], ["e", "we"]]);
 * assertEquals(merges.at(-1), ["Ġ", "lo"]);
 * ```
 */
export function learnBytePairs(texts: Iterable<string>, vocabulary: number): readonly Merge[] {
  const isSize = Number.isInteger(vocabulary) && vocabulary >= leastBytePairVocabulary &&
    vocabulary <= mostBytePairVocabulary;
  if (!isSize) {
    throw new RangeError(
      `learnBytePairs: vocabulary: expected a whole number from ${leastBytePairVocabulary} to ` +
        `${mostBytePairVocabulary}, got ${vocabulary}`,
    );
  }
  const { pieces, ids } = byteVocabulary();
  const pieceOf = (id: number) => pieces[id - firstOrdinary] ?? "";

  const counts = new Map<number, number>();
  const places = new Map<number, Set<CountedWord>>();
  /** Counts the pairs of a word, or takes them away; gives those that are in it. */
  const tally = (word: CountedWord, sign: 1 | -1): ReadonlySet<number> => {
    const found = new Set<number>();
    for (let i = 1; i < word.tokens.length; i++) {
      const pair = pairOf(word.tokens[i - 1] ?? NaN, word.tokens[i] ?? NaN);
      counts.set(pair, (counts.get(pair) ?? 0) + sign * word.count);
      found.add(pair);
    }
    return found;
  };
  const note = (word: CountedWord, pairs: ReadonlySet<number>) => {
    for (const pair of pairs) {
      const own = places.get(pair) ?? new Set();
      places.set(pair, own.add(word));
    }
  };
  for (const word of countedWords(texts, ids)) note(word, tally(word, 1));

  const queue: Candidate[] = [];
  for (const [pair, count] of counts) enqueue(queue, { pair, count });
  const merges: Merge[] = [];
  while (firstOrdinary + pieces.length < vocabulary) {
    const top = dequeue(queue);
    if (top === undefined) break;
    const { pair } = top;
    const count = counts.get(pair) ?? 0;
    if (count < top.count) {
      // Merges of other pairs have taken some of its places.
      if (count >= LEAST_COUNT) enqueue(queue, { pair, count });
      continue;
    }
    if (count < LEAST_COUNT) continue;
    const [left, right] = tokensOf(pair);
    const merge = [pieceOf(left), pieceOf(right)] as const;
    // No other pair has spelled the same piece: where tokens end on both sides of a piece, no merge
    // has reached across its ends, so it was merged as if it stood alone, alike everywhere.
    const into = firstOrdinary + pieces.length;
    pieces.push(merge.join(""));
    merges.push(merge);
    const grown = new Set<number>();
    for (const word of places.get(pair) ?? []) {
      const before = tally(word, -1);
      word.tokens = merged(word.tokens, left, right, into);
      const after = tally(word, 1).difference(before);
      note(word, after);
      for (const other of after) grown.add(other);
    }
    places.delete(pair);
    for (const other of grown) enqueue(queue, { pair: other, count: counts.get(other) ?? 0 });
  }
  return merges;
}

/** The pieces of all bytes by code point, and the id of each byte. */
function byteVocabulary() {
  const characters = byteCharacters();
  const pieces = characters.toSorted((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
  return {
    pieces,
    ids: Uint16Array.from(characters, (piece) => firstOrdinary + pieces.indexOf(piece)),
  };
}

/** The different words of texts, each as bytes. */
function countedWords(texts: Iterable<string>, ids: Uint16Array): readonly CountedWord[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    tokens: Array.from(encoder.encode(word), (byte) => ids[byte] ?? NaN),
    count,
  }));
}

/** The tokens of a word in which every pair of two tokens, from the left, is one. */
function merged(
  tokens: readonly number[],
  left: number,
  right: number,
  into: number,
): readonly number[] {
  const result: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const isPair = tokens[i] === left && tokens[i + 1] === right;
    result.push(isPair ? into : tokens[i] ?? NaN);
    if (isPair) i++;
  }
  return result;
}

/** Whether a candidate is taken before another one. */
function isBefore(a: Candidate, b: Candidate): boolean {
  return a.count > b.count || (a.count === b.count && a.pair < b.pair);
}

/** Adds a candidate to a binary heap, whose first element is taken first. */
function enqueue(heap: Candidate[], candidate: Candidate): void {
  let place = heap.length;
  while (place > 0) {
    const above = (place - 1) >> 1;
    const other = heap[above];
    if (other === undefined || !isBefore(candidate, other)) break;
    heap[place] = other;
    place = above;
  }
  heap[place] = candidate;
}

/** Takes the first candidate of a binary heap. */
function dequeue(heap: Candidate[]): Candidate | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let place = 0;
  for (;;) {
    const [left, right] = [heap[2 * place + 1], heap[2 * place + 2]];
    const isRight = left !== undefined && right !== undefined && isBefore(right, left);
    const below = isRight ? right : left;
    if (below === undefined || !isBefore(below, last)) break;
    heap[place] = below;
    place = 2 * place + (isRight ? 2 : 1);
  }
  heap[place] = last;
  return first;
}

/**
 * The files of a tokenizer of byte pairs, which `pretrainedTokenizer` of `@unitune/models/pretrained`
 * and `AutoTokenizer` of `transformers` read. It spells every text. Its special tokens are those of
 * the other tokenizers of this package, with ids 0 … 4: `<stop>` ends answers, `<pad>` fills up rows,
 * and the chat template writes a role's token before each message.
 *
 * @param merges The merges, the earliest first.
 * @returns The texts of `tokenizer.json` and `tokenizer_config.json`, by name.
 * @throws {RangeError} If a merge is of pieces that are not there before it.
 *
 * @example
 * ```ts
 * import { bytePairFiles } from "@unitune/models";
 * import { pretrainedTokenizer } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * const { encode, size } = pretrainedTokenizer(bytePairFiles([["a", "b"], ["ab", "c"]]));
 * assertEquals(size, 263);
 * assertEquals(encode("abcab"), [262, 261]);
 * ```
 */
export function bytePairFiles(merges: readonly Merge[]): ReadonlyMap<string, string> {
  const pieces = new Set(byteVocabulary().pieces);
  for (const [i, [left, right]] of merges.entries()) {
    if (!pieces.has(left) || !pieces.has(right)) {
      throw new RangeError(
        `bytePairFiles: merge ${i} is of ${JSON.stringify(left)} and ${JSON.stringify(right)}: ` +
          `each has to be a byte or the result of a merge before it`,
      );
    }
    pieces.add(left + right);
  }
  return tokenizerFiles(bytePairModel([...pieces], merges));
}
