/**
 * `deno task data`: says what is in data, and what a training would make of it.
 *
 * @module
 */

import { describeExample, encodedTokens, longestRow, trainSettings } from "@unitune/training";
import { rowsOf, textFiles } from "../data/data_file.ts";
import { neededForms } from "../data/forms/needed_forms.ts";
import { type FoundRows, type Inspection, inspectRows, rowLengths } from "../data/inspection.ts";
import { findData } from "../data/places/places.ts";
import { prepare } from "../data/prepare.ts";
import { formedRows } from "../data/row_former.ts";
import { shownWatch } from "../data/preparation_progress.ts";
import { parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { settingFlags } from "../flags/settings.ts";
import { leadingWords } from "../flags/words.ts";
import { histogramLines } from "../report/histogram.ts";
import { readStart } from "../run/base.ts";
import { openDevice } from "../run/devices.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { shownMessage } from "../terminal/messages.ts";
import { standardProgress } from "../terminal/progress.ts";
import { print, tell, terminalColumns } from "../terminal/terminal.ts";

const usage =
  `Says what is in data: the form of its rows, their number and their lengths in tokens, ` +
  `which are empty, said twice or refused, what a training would cut or skip, and the first example ` +
  `as it is trained on. Takes the flags of \`deno task train\`; those of data, model and objective ` +
  `matter.

  deno task data rows.jsonl
  deno task data pairs.parquet --objective dpo --model HuggingFaceTB/SmolLM2-135M-Instruct
  deno task data hub:openai/gsm8k:main --split test --prompt-column question --completion-column answer`;

/** The sequences of which the lengths are measured: no more rows are read than have so many. */
const MOST_MEASURED = 10_000;

const number = (value: number) => value.toLocaleString("en-US");

/** Lines on rows that have something in common. */
function linesOn(rows: readonly FoundRows[]): readonly string[] {
  return rows.map(({ what, count, first }) => `  ${what}: ${number(count)} (first at ${first})`);
}

/** What is known of rows, in lines. */
function inspectionLines({ form, count, refused, odd }: Inspection): readonly string[] {
  return [
    form === undefined
      ? `${number(count)} rows, none of which can be read`
      : `${number(count)} rows of the form ${form.name}: ${form.about} (${
        form.columns.join(", ")
      })`,
    ...linesOn(odd),
    ...linesOn(refused.map((row) => ({ ...row, what: `refused: ${row.what}` }))),
  ];
}

/**
 * The command `data`.
 *
 * @param argv The command line.
 * @returns The exit code: 1 where a training would refuse the data.
 * @throws {UserError} If the command line is wrong, or the data can't be read.
 */
export async function dataCommand(argv: readonly string[]): Promise<number> {
  const flags = settingFlags();
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const [[word], rest] = leadingWords(argv, 1);
  const { values, sources } = parseFlags(flags, rest);
  const given = Object.fromEntries(
    Object.entries(values).filter(([name]) => sources[name] !== "default"),
  );
  const settings = trainSettings({ ...given, ...word !== undefined && { data: word } });
  const { data, split } = settings;
  if (data === undefined) throw new UsageError("name the data first: deno task data rows.jsonl");
  const place = await findData(data, { split });
  const files = place.sources.flatMap(({ files }) => files);
  if (files.length > 1) print(`${number(files.length)} files, the first of them ${files[0]}`);
  const { promptColumn: prompt, completionColumn: completion, stepSeparator } = settings;
  const options = {
    needs: neededForms[settings.objective.data],
    columns: { prompt, completion },
  };
  const isText = textFiles(place) !== undefined;
  if (isText) print("running text");
  else {
    const inspection = await inspectRows(rowsOf(place), options);
    print(inspectionLines(inspection).join("\n"));
    if (inspection.refused.length > 0) {
      tell(`${settings.objective.name} does not train on data with rows that are refused`);
      return 1;
    }
  }
  using watch = shownWatch(standardProgress());
  using device = await openDevice("reference", tell, { precision: settings.precision });
  // Of the model, its tokenizer and its sizes are needed, and no weights.
  const base = await readStart(settings, { device, isOutline: true });
  const prepared = await prepare(settings, base, { watch });
  const { tokenizer, model, stages: [stage] } = prepared;
  if (!isText) {
    const context = Math.min(model.config.context, settings.context ?? Infinity);
    const counted = encodedTokens(context);
    const lengths: number[] = [];
    for await (const { formed } of formedRows(rowsOf(place), options)) {
      const measured = { most: counted, separator: stepSeparator };
      for (const length of rowLengths(tokenizer, formed, measured)) lengths.push(length);
      if (lengths.length >= MOST_MEASURED) break;
    }
    const over = lengths.filter((length) => length > longestRow(context)).length;
    const isLonger = lengths.includes(counted);
    print(
      `\nlengths in tokens of ${number(lengths.length)} sequences; ` +
        `${number(over)} do not fit the context of ${number(context)}` +
        (isLonger ? `; longer ones than ${number(counted)} count as that` : ""),
    );
    print(histogramLines(lengths).map((line) => `  ${line}`).join("\n"));
  }
  print(`\n${settings.objective.name}: ${prepared.notes.map(shownMessage).join("\n")}`);
  if (stage !== undefined) {
    print(`\n${describeExample(tokenizer, stage.data, terminalColumns()).join("\n")}`);
  }
  return 0;
}

if (import.meta.main) await runCommand(() => dataCommand(Deno.args));
