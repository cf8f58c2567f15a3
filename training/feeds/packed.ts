/**
 * The form of packed rows: batches of rows that hold several texts each.
 *
 * @module
 */

import { tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import type { Demonstrations, Packing, ScoredDemonstrations } from "@unitune/objectives";
import { toBatch } from "../data/batches.ts";
import type { PackedRow } from "../data/packing.ts";
import { scoresOf } from "../sampling/scorer.ts";
import type { Padding, RowForm } from "./forms.ts";

/**
 * The number of texts of a batch, of which missing ones have no targets: the next power of two, so
 * that few programs serve all batches.
 */
function roomFor(texts: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, texts)));
}

/** The texts of rows. */
function textsOf(rows: readonly PackedRow[]): readonly EncodedSequence[] {
  return rows.flatMap(({ texts }) => texts);
}

/** The places of the texts of some rows. */
function packingOf(
  rows: readonly PackedRow[],
  { length, size = rows.length }: Padding,
  most: number,
): Packing {
  const segments = new Int32Array(size * length).fill(-1);
  const positions = new Int32Array(size * length);
  const texts = roomFor(textsOf(rows).length);
  const targets = new Int32Array(texts * (most - 1)).fill(-1);
  let text = 0;
  for (const [row, { texts }] of rows.entries()) {
    let start = 0;
    for (const [segment, { ids }] of texts.entries()) {
      const first = row * length + start;
      segments.fill(segment, first, first + ids.length);
      for (let t = 0; t < ids.length; t++) {
        positions[first + t] = t;
        if (t > 0) targets[text * (most - 1) + t - 1] = row * (length - 1) + start + t - 1;
      }
      start += ids.length;
      text += 1;
    }
  }
  const shape = [size, length];
  return {
    segments: tensor(segments, { shape, dtype: "i32" }),
    positions: tensor(positions, { shape, dtype: "i32" }),
    targets: tensor(targets, { shape: [texts, most - 1], dtype: "i32" }),
  };
}

/**
 * The form of packed rows.
 *
 * @param capacity The length to which they are padded, in tokens.
 * @param longest The length of the longest text with its padding, in tokens.
 * @returns The form.
 */
export function packedForm(
  capacity: number,
  longest: number,
): RowForm<PackedRow, Demonstrations, ScoredDemonstrations> {
  const batch = (rows: readonly PackedRow[], padding: Padding): Demonstrations => ({
    ...toBatch(rows, padding),
    packing: packingOf(rows, padding, longest),
  });
  return {
    sequences: ({ texts }) => texts,
    learned: ({ texts }) => texts,
    examples: ({ texts }) => texts.length,
    sides: 1,
    // One length for all, as hardly any row is much shorter.
    lengthOf: () => capacity,
    batch,
    scored: (rows, padding, scores) => {
      const texts = textsOf(rows);
      const size = roomFor(texts.length);
      return {
        ...batch(rows, padding),
        referenceLogProbs: scoresOf(texts, scores, { length: longest, size }),
      };
    },
  };
}
