/**
 * What is known of rows without reading them again, gathered while they are read.
 *
 * @module
 */

import { gatherCharacters, type RowKind, type Rows, textMark, textsOf } from "@unitune/training";
import { beginDigest } from "../files/digest.ts";
import { type RowsSummary, saidText } from "./row_table.ts";

/** Gathers what is known of rows while they are read. */
export interface SummaryGathering {
  /** Adds a row, and returns the mark of what it says. */
  add(row: Rows[RowKind]): number;
  /** What is known of the rows so far, which are of a kind. */
  summary(kind: RowKind): RowsSummary;
}

/** The code units of rows whose digest is computed at once. */
const PIECE = 2 ** 16;

/**
 * Begins to gather what is known of rows.
 *
 * @returns Nothing is known yet.
 */
export function gatherSummary(): SummaryGathering {
  const digest = beginDigest();
  const encoder = new TextEncoder();
  const { add: addText, characters } = gatherCharacters();
  let waiting = "";
  const flush = () => {
    digest.add(encoder.encode(waiting));
    waiting = "";
  };
  return {
    add(row) {
      textsOf(row).forEach(addText);
      const said = saidText(row);
      waiting += `${said}\n`;
      if (waiting.length > PIECE) flush();
      return textMark(said);
    },
    summary(kind) {
      flush();
      return { kind, characters: [...characters()].join(""), digest: digest.value() };
    },
  };
}
