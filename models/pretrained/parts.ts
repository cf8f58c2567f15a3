/**
 * Long texts in parts that are encoded one by one: of a text of 50 MB, a context needs a part.
 *
 * The ids of a text are those of its parts only where neither a token nor anything that splits texts
 * into words reaches across. Two kinds of places are looked at: between a letter and a space with a
 * letter, and between the end of a line and a letter. A kind is used if, for this tokenizer,
 *
 * 1. no piece of the vocabulary has such a place inside, so that nothing joins what is on both sides;
 * 2. texts with all short surroundings of such a place have the ids of their two parts, so that no
 *    prefix, pattern or normalization depends on where a text begins and ends.
 */

import type { AddedToken, Pieces } from "./token_files.ts";

/** A kind of places. */
interface CutKind {
  /** The text before it, as a pattern. */
  readonly before: string;
  /** The text behind it, as a pattern. */
  readonly after: string;
  /** Texts that end before such a place. */
  readonly lefts: readonly [string, ...string[]];
  /** Texts that begin behind such a place. */
  readonly rights: readonly [string, ...string[]];
  /** Finds pieces that may have such a place inside, as vocabularies write spaces and lines. */
  readonly suspected: RegExp;
  /** Tells whether the text of a piece has one; U+FFFD is a part of a character, such as a letter. */
  readonly crossing: RegExp;
}

const cutKinds: readonly CutKind[] = [
  {
    before: String.raw`\p{L}`,
    after: String.raw` \p{L}`,
    lefts: ["a", "語"],
    rights: [" b", " 語"],
    suspected: /.[ \u2581\u0120]/su,
    crossing: /[\p{L}\ufffd] /u,
  },
  {
    before: String.raw`\S\n`,
    after: String.raw`\p{L}`,
    lefts: ["a\n", "語\n", "1\n", ".\n"],
    rights: ["b", "語"],
    suspected: /[\n\u010a]./su,
    crossing: /\n[\p{L}\ufffd]/u,
  },
];

/** Characters of every kind that patterns tell apart. */
const characters = ["a", "B", "é", "語", "1", " ", "\n", ".", "'", "-"];

/** All texts of up to two of them. */
const surroundings: readonly string[] = [
  "",
  ...characters,
  ...characters.flatMap((first) => characters.map((second) => first + second)),
];

/** The functions of a tokenizer that are tried. */
export interface TriedTokenizer {
  /** The ids of a text. */
  readonly encode: (text: string) => readonly number[];
  /** The text of an id. */
  readonly textOf: (id: number) => string;
}

/** Tells whether texts may be cut at the places of a kind. */
function isSafe(
  { lefts, rights, suspected, crossing }: CutKind,
  { encode, textOf }: TriedTokenizer,
  ids: Pieces["ids"],
): boolean {
  for (const [piece, id] of ids) {
    if (suspected.test(piece) && crossing.test(textOf(id))) return false;
  }
  const isSum = (left: string, right: string) =>
    encode(left + right).join() === [...encode(left), ...encode(right)].join();
  const [[left], [right]] = [lefts, rights];
  return surroundings.every((text) =>
    lefts.every((own) => isSum(text + own, right)) && rights.every((own) => isSum(left, own + text))
  );
}

/** Tells whether an added token takes the space beside it, and may stand at the place of a cut. */
function takesSpace({ takesBefore, takesBehind, content }: AddedToken): boolean {
  return takesBefore && /^\s?\p{L}/u.test(content) || takesBehind && /[\p{L}\n]$/u.test(content);
}

/** The code units that a part has at the least. */
const PART = 2 ** 16;

/**
 * The function that takes long texts apart.
 *
 * @param tokenizer The tokenizer.
 * @param pieces Its vocabulary, and the tokens beside it.
 * @param size The code units that a part has at the least (default 65,536).
 * @returns A function from a text to its parts, in order: the ids of the text are those of the parts.
 * A text without a place to cut is one part.
 */
export function textParts(
  tokenizer: TriedTokenizer,
  { ids, added }: Pick<Pieces, "ids" | "added">,
  size: number = PART,
): (text: string) => Iterable<string> {
  let known: string | undefined;
  // The first long text pays for the trial, which takes a fraction of a second.
  const cuts = () => {
    known ??= added.some(takesSpace) ? "" : cutKinds
      .filter((kind) => isSafe(kind, tokenizer, ids))
      .map(({ before, after }) => `(?<=${before})(?=${after})`)
      .join("|");
    return known;
  };
  return function* (text) {
    const pattern = text.length > size && cuts() !== "" ? new RegExp(cuts(), "gu") : undefined;
    for (let start = 0; start < text.length;) {
      if (pattern !== undefined) pattern.lastIndex = start + size;
      const end = pattern?.exec(text)?.index ?? text.length;
      yield text.slice(start, end);
      start = end;
    }
  };
}
