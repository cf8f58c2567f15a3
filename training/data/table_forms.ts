/**
 * How the rows of each kind of data are kept in tables.
 *
 * @module
 */

import type { EncodedSequence } from "@unitune/models";
import type { Source } from "./dataset.ts";
import type {
  EncodedLabel,
  EncodedTriple,
  KnownSizes,
  PairParts,
  TrainingPrompt,
} from "./examples.ts";
import { type FitCounts, isFitCounts } from "./fit.ts";
import { readSequence, type RecordReader, type RecordWriter, writeSequence } from "./records.ts";
import type { EncodedSteps } from "./steps.ts";
import type { TableForm } from "./table_store.ts";

/** How fitted rows are kept: how one is written and read. */
type FittedForm<Row> = Pick<TableForm<Row, FitCounts>, "write" | "read">;

/** The form of a table of fitted rows. */
function fittedForm<Row>(form: FittedForm<Row>): TableForm<Row, FitCounts> {
  return { ...form, isSummary: isFitCounts };
}

/** Sequences. */
export const sequenceTable: TableForm<EncodedSequence, FitCounts> = fittedForm({
  write: (row, to) => writeSequence(to, row),
  read: readSequence,
});

/** Pairs. */
export const pairTable: TableForm<PairParts, FitCounts> = fittedForm({
  write({ prompt, chosen, rejected, content, isWhole, isRight }, to) {
    if (isRight !== undefined) throw new RangeError("a judge of answers has no bytes");
    to.number(prompt);
    to.number(Number(isWhole));
    writeSequence(to, chosen);
    writeOptional(rejected, to, writeSequence);
    writeOptional(content, to, (to, text) => to.json(text));
  },
  read(from) {
    const [prompt, isWhole] = [from.number(), from.number() === 1];
    const chosen = readSequence(from);
    const rejected = readOptional(from, readSequence);
    const content = readOptional(from, readText);
    return {
      ...{ prompt, chosen, isWhole },
      ...rejected !== undefined && { rejected },
      ...content !== undefined && { content },
    };
  },
});

/** Triples. */
export const tripleTable: TableForm<EncodedTriple, FitCounts> = fittedForm({
  write({ gold, chosen, rejected }, to) {
    for (const sequence of [gold, chosen, rejected]) writeSequence(to, sequence);
  },
  read: (from) => ({
    gold: readSequence(from),
    chosen: readSequence(from),
    rejected: readSequence(from),
  }),
});

/** Answers with labels. */
export const labelTable: TableForm<EncodedLabel, FitCounts> = fittedForm({
  write({ sequence, label }, to) {
    to.number(Number(label));
    writeSequence(to, sequence);
  },
  read(from) {
    const label = from.number() === 1;
    return { sequence: readSequence(from), label };
  },
});

/** Answers in steps. */
export const stepTable: TableForm<EncodedSteps, FitCounts> = fittedForm({
  write({ labels, ...sequence }, to) {
    writeSequence(to, sequence);
    for (const [t, isEnd] of sequence.mask.entries()) {
      if (isEnd) to.number(Number(labels[t] === true));
    }
  },
  read(from) {
    const sequence = readSequence(from);
    return { ...sequence, labels: sequence.mask.map((isEnd) => isEnd && from.number() === 1) };
  },
});

/** Counts of fitted prompts, and the sizes of the answers that are known. */
export interface PromptCounts extends FitCounts, KnownSizes {
  /** The numbers of prompts whose answers a reward cannot judge, by the reward's name. */
  readonly unscorable: Readonly<Record<string, number>>;
}

function isPromptCounts(value: unknown): value is PromptCounts {
  if (!isFitCounts(value) || !("unscorable" in value)) return false;
  const isCount = (own: unknown) => typeof own === "number";
  const { unscorable } = value;
  return ["longestAnswer", "longestText"].every((name) => isCount(Reflect.get(value, name))) &&
    isColumns(unscorable) && Object.values(unscorable).every(isCount);
}

/** Prompts. */
export const promptTable: TableForm<TrainingPrompt, PromptCounts> = {
  write({ ids, prompt, columns, source }, to) {
    to.number(ids.length);
    ids.forEach(to.number);
    to.json(prompt);
    to.json(columns);
    writeOptional(source, to, (to, source) => to.json(source));
  },
  read(from) {
    const ids = Array.from({ length: from.number() }, from.number);
    const prompt = readText(from);
    const columns = readColumns(from);
    const source = readOptional(from, readSource);
    return { ids, prompt, columns, ...source !== undefined && { source } };
  },
  isSummary: isPromptCounts,
};

/** Prompts with their right answers. */
export const guidedTable: TableForm<TrainingPrompt, PromptCounts> = {
  ...promptTable,
  write(prompt, to) {
    promptTable.write(prompt, to);
    const { answer = [] } = prompt;
    to.number(answer.length);
    answer.forEach(to.number);
  },
  read(from) {
    const prompt = promptTable.read(from);
    return { ...prompt, answer: Array.from({ length: from.number() }, from.number) };
  },
};

/** Writes whether a value is there, and the value. */
function writeOptional<T>(
  value: T | undefined,
  to: RecordWriter,
  write: (to: RecordWriter, value: T) => void,
): void {
  to.number(Number(value !== undefined));
  if (value !== undefined) write(to, value);
}

function readOptional<T>(from: RecordReader, read: (from: RecordReader) => T): T | undefined {
  return from.number() === 1 ? read(from) : undefined;
}

function readText(from: RecordReader): string {
  const text = from.json();
  if (typeof text === "string") return text;
  throw damaged("a text");
}

function readColumns(from: RecordReader): TrainingPrompt["columns"] {
  const columns = from.json();
  if (isColumns(columns)) return columns;
  throw damaged("columns");
}

function isColumns(value: unknown): value is TrainingPrompt["columns"] {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readSource(from: RecordReader): Source {
  const source = from.json();
  if (isSource(source)) return source;
  throw damaged("a place");
}

function isSource(value: unknown): value is Source {
  return isColumns(value) && typeof value.file === "string" && typeof value.line === "number";
}

function damaged(what: string): RangeError {
  return new RangeError(`a record has no ${what} where one was written`);
}
