/**
 * `deno task tokenizer`: learns a byte-pair tokenizer from data.
 *
 * @module
 */

import {
  bytePairFiles,
  learnBytePairs,
  leastBytePairVocabulary,
  mostBytePairVocabulary,
  type Tokenizer,
} from "@unitune/models";
import { settingTable, textsOf, type TrainSettings, UserError } from "@unitune/training";
import { readRows, readTexts, textFiles } from "../data/data_file.ts";
import { neededForms } from "../data/forms/needed_forms.ts";
import { findData } from "../data/places/places.ts";
import { type ShownWatch, shownWatch } from "../data/preparation_progress.ts";
import { partsOf } from "../data/row_splits.ts";
import { textDataset } from "../data/text.ts";
import { writeDirectoryAtomically } from "../files/atomic.ts";
import { isThere } from "../files/folders.ts";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { readTokenizerFiles } from "../run/pretrained_tokenizer.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { standardProgress } from "../terminal/progress.ts";
import { taskCommand } from "../terminal/shell.ts";
import { print } from "../terminal/terminal.ts";

const { split, promptColumn, completionColumn, validationShare } = settingTable;

const flags = {
  data: {
    kind: "string",
    placeholder: "DATA",
    group: "Data",
    help: "The data to learn from, named as for `deno task train`: running text or rows.",
  },
  ...{ split, promptColumn, completionColumn, validationShare },
  vocabulary: {
    kind: "integer",
    default: 4096,
    min: leastBytePairVocabulary,
    max: mostBytePairVocabulary,
    group: "Tokenizer",
    help: "The number of tokens: 5 special ones, the 256 bytes, and those of several bytes.",
  },
  out: {
    kind: "string",
    placeholder: "DIR",
    group: "Tokenizer",
    help: "The new folder of the tokenizer.",
  },
} as const satisfies FlagTable;

const usage = `Learns a byte-pair tokenizer from data, and writes it as tokenizer.json and ` +
  `tokenizer_config.json, which transformers reads. It learns from the part of the data that a ` +
  `training on it reads, and not from the part for validation.

  deno task tokenizer --data book.txt --vocabulary 4096 --out tokenizer
  deno task train --data book.txt --tokenizer tokenizer`;

/** Texts to learn from, and texts to measure by. */
interface TextParts {
  readonly train: Iterable<string>;
  readonly validation: Iterable<string>;
}

/** The settings that say where texts are. */
type Reading =
  & Pick<TrainSettings, "split" | "promptColumn" | "completionColumn" | "validationShare">
  & { readonly data: string };

/** The texts of data, for training and for validation. */
async function textParts(
  { data, split, promptColumn: prompt, completionColumn: completion, validationShare }: Reading,
  watch: ShownWatch,
): Promise<TextParts> {
  const place = await findData(data, { split, progress: standardProgress() });
  const columns = { prompt, completion };
  const files = textFiles(place);
  if (files !== undefined) {
    const { train, validation } = textDataset(await readTexts(files, columns), validationShare);
    return { train: [train], validation: [validation] };
  }
  const needs = neededForms.demonstrations;
  const gathered = await readRows(place, columns, { needs, watch });
  const { train, validation } = partsOf(gathered, place.name, validationShare);
  return {
    train: Iterator.from(train.rows).flatMap(textsOf),
    validation: Iterator.from(validation.rows).flatMap(textsOf),
  };
}

/** Counts bytes of texts while they are read. */
function measured(texts: Iterable<string>) {
  const encoder = new TextEncoder();
  let bytes = 0;
  return {
    texts: Iterator.from(texts).map((text) => {
      bytes += encoder.encode(text).length;
      return text;
    }),
    bytes: () => bytes,
  };
}

/** The bytes for each token of texts, in words; undefined where there is no text. */
function compression({ encode }: Tokenizer, given: Iterable<string>): string | undefined {
  const { texts, bytes } = measured(given);
  let tokens = 0;
  for (const text of texts) tokens += encode(text).length;
  return tokens === 0
    ? undefined
    : `${(bytes() / tokens).toFixed(2)} bytes per token in the ${
      number(bytes())
    } bytes for validation`;
}

const number = (value: number) => value.toLocaleString("en-US");

/**
 * The command `tokenizer`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the data can't be read.
 */
export async function tokenizerCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values } = parseFlags(flags, argv);
  const { data, vocabulary, out } = values;
  if (data === undefined) throw new UsageError("--data DATA is needed");
  if (out === undefined) throw new UsageError("--out DIR is needed");
  if (await isThere(out)) throw new UserError(`${out} exists already: choose another --out`);
  using watch = shownWatch(standardProgress());
  const { train, validation } = await textParts({ ...values, data }, watch);
  const read = measured(train);
  const files = bytePairFiles(learnBytePairs(read.texts, vocabulary));
  const tokenizer = await readTokenizerFiles(files);
  await writeDirectoryAtomically(out, Object.fromEntries(files));
  const { size } = tokenizer;
  print(
    `${number(size)} tokens learned from ${number(read.bytes())} bytes` +
      (size < vocabulary ? `, which have no more pairs that stand together twice` : ""),
  );
  const told = compression(tokenizer, validation);
  if (told !== undefined) print(told);
  print(
    `the tokenizer is in ${out}; train a model with it by\n  ${
      taskCommand("train", { data, tokenizer: out })
    }`,
  );
  return 0;
}

if (import.meta.main) await runCommand(() => tokenizerCommand(Deno.args));
