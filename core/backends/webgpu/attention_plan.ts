/** The plan by which an adapter carries out a pass of attention over its rows. */
import type { AttentionSizes, HeadVectors } from "../../lowering/kernels.ts";
import { type KernelContext, powerBelow } from "./dispatch.ts";
import { countOf, type Side } from "./head_vectors.ts";
import { LOOP_ROUNDS } from "./loops.ts";
import { upTo } from "./matrix.ts";
import { type Seen, seenBy } from "./seen.ts";
import type { Shader } from "./shader.ts";

/** The values that an invocation keeps in registers; four elements are a piece. */
interface Registers {
  /** Rows, where nothing else saves reading. */
  readonly rows: number;
  /** Pieces of a vector that is kept whole; longer ones are read whenever they are needed. */
  readonly whole: number;
  /** Pieces of all sums; longer ones are computed in several passes. */
  readonly sums: number;
}

/** A software adapter reads slowly, and takes long to compile much code. */
const registers: Readonly<Record<"hardware" | "software", Registers>> = {
  hardware: { rows: 1, whole: 16, sums: 16 },
  software: { rows: 4, whole: 8, sums: 16 },
};

/** Invocations of a workgroup on hardware. */
const HARDWARE_LANES = 64;

/** Queries of a head of keys up to which they would leave most lanes of a workgroup idle. */
const FEW_QUERIES = 16;

/**
 * The most others whose sums an invocation adds up for a row in one dispatch: sums of longer
 * contexts are made of the sums of such ranges, as in FlashAttention, so that no more terms are
 * added one after the other.
 */
const SEEN_AT_ONCE = 1024;

/** Pieces that pass through workgroup memory at once. */
const TILE_PIECES = 512;

/** The tools that a pass is written with. */
export interface Tools {
  readonly shader: Shader;
  /** Statements that define the products of an own vector and each of four others. */
  dots(name: string, own: string, row: number, other: string): string[];
  /** Statements that add four others, each with its factor, to a sum that is first scaled. */
  add(sum: string, row: number, other: string, factors: string, scaledBy?: string): string[];
  /** Statements that write a sum, or an expression of pieces of sums, as a vector of a row. */
  write(to: string, row: number, value: (piece: number) => string): string[];
  /** A value of a row that sees something, and zeros for others. */
  unlessEmpty(row: number, value: string): string;
}

/** The statements for a row. */
export interface RowSteps {
  /** Statements that apply four others to a row; `isSeen` has a truth value for each. */
  readonly step: (row: number) => readonly string[];
  /**
   * Statements that write a row's results in the end; the first pass of several writes the results
   * that all compute.
   */
  readonly finish: (row: number, isFirst: boolean) => readonly string[];
}

/** A loop over rows that sees others go by. */
export interface Pass {
  /**
   * The side of the rows; all sums of queries are relative to their largest score so far,
   * `largest`.
   */
  readonly rows: Side;
  /** Vectors of the rows that an invocation keeps, by name. */
  readonly own: Readonly<Record<string, HeadVectors>>;
  /** Vectors of the others. */
  readonly others: Readonly<Record<string, HeadVectors>>;
  /** Vectors of the rows that are written. */
  readonly results: Readonly<Record<string, HeadVectors>>;
  /** Sums of vectors, by name, and at most two of numbers. */
  readonly sums: readonly string[];
  readonly scalars: readonly string[];
  readonly steps: (tools: Tools) => RowSteps;
}

/** The plan of a pass. */
export interface Plan {
  readonly pass: Pass;
  readonly sizes: AttentionSizes;
  readonly way: "alone" | "tiles" | "together";
  readonly seen: Seen;
  /** Rows that an invocation has, and that a workgroup has. */
  readonly rows: number;
  readonly block: number;
  /** Whether vectors are kept whole, or are read piece by piece. */
  readonly isWhole: boolean;
  /** Invocations that share the others of a row. */
  readonly lanes: number;
  /** The most others that rows of a block see, and the number of them in a range and in a tile. */
  readonly span: number;
  readonly range: number;
  readonly tile: number;
  /** The pieces whose sums are computed in each pass over the rows. */
  readonly slices: readonly (readonly number[])[];
  /** Words of all sums that wait for the next range, at most. */
  readonly words: number;
}

/** The plan by which an adapter carries out a pass. */
export function planOf(sizes: AttentionSizes, pass: Pass, { tuning }: KernelContext): Plan {
  const kept = registers[tuning.tiles ? "hardware" : "software"];
  const pieces = upTo(Math.ceil(sizes.width / 4));
  const atOnce = Math.floor(kept.sums / pass.sums.length);
  const slices = upTo(Math.ceil(pieces.length / atOnce))
    .map((number) => pieces.slice(number * atOnce, (number + 1) * atOnce));
  const count = countOf(sizes, pass.rows);
  const isFew = pass.rows === "queries" && count <= FEW_QUERIES;
  const way = tuning.tiles ? isFew ? "together" : "tiles" : "alone";
  const isWhole = pieces.length <= kept.whole;
  const rows = isWhole ? Math.min(kept.rows, Math.max(1, count)) : 1;
  const block = way === "tiles" ? HARDWARE_LANES : rows;
  const seen = seenBy(sizes, pass.rows);
  const span = seen.span(block);
  const lanes = way === "together" ? powerBelow(Math.min(HARDWARE_LANES, span / 4)) : 1;
  // Long vectors are read piece by piece, in loops for both products of each row.
  const roundsOfFour = 3 * (1 + pieces.length);
  const range = lanes * 4 * powerBelow(Math.min(SEEN_AT_ONCE / 4, LOOP_ROUNDS / roundsOfFour));
  const vectors = Object.keys(pass.others).length;
  const tile = 4 * powerBelow(TILE_PIECES / (4 * pieces.length * vectors));
  const fours = pass.sums.length * Math.min(atOnce, pieces.length) + 1;
  const words = span <= range ? 0 : 4 * fours * sizes.batch * sizes.keyHeads * count;
  return { pass, sizes, way, seen, rows, block, isWhole, lanes, span, range, tile, slices, words };
}
