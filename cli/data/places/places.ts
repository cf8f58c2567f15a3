/**
 * What `--data` names: files, patterns of files, folders and datasets of the hub, one or several,
 * with weights.
 *
 * ```text
 * rows.jsonl                 a file
 * rows/*.parquet             files that match a pattern, in order of their names
 * folder, folder:config      the files of a split in a folder, as the hub has them
 * hub:OWNER/NAME[:CONFIG][@REVISION]   those of a dataset of the hub
 * a.jsonl+hub:OWNER/NAME     several sources
 * 3*a.jsonl+1*b.jsonl        sources with weights
 * ```
 *
 * A file or folder that has such a name is meant first.
 *
 * @module
 */

import { parse } from "node:path";
import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { fileError } from "../../files/file_error.ts";
import { isThere } from "../../files/folders.ts";
import { HUB, type HubFolder, listFolder, readmeConfigs, splitFiles, TRAIN } from "./folder.ts";
import { unpackedName } from "../readers/compression.ts";
import { filesMatching, isPattern } from "./glob.ts";
import { hubFolder } from "./hub.ts";
import type { ProgressOutput } from "../../terminal/progress.ts";

/** A source of rows. */
export interface DataSource {
  /** Its name in messages, as it was given. */
  readonly name: string;
  /** The files, in order. */
  readonly files: readonly string[];
  /** Its share of the rows, relative to those of the others (default: as many as it has). */
  readonly weight?: number;
}

/** What `--data` names. */
export interface DataPlace {
  /** The name in messages, as it was given. */
  readonly name: string;
  /** The sources, at least one. */
  readonly sources: readonly DataSource[];
}

/** How places are found. */
export interface PlaceOptions {
  /** The split, where a place has several (default `train`). */
  readonly split?: string | undefined;
  /** Where the progress of downloads is shown (default: nowhere). */
  readonly progress?: ProgressOutput | undefined;
  /** Finds the folder of a dataset of the hub (default: that of the cache, or downloads it). */
  readonly hub?: (name: string, split: string) => Promise<HubFolder>;
}

/**
 * Finds what `--data` names.
 *
 * @param text The text.
 * @param options The split, and what finds datasets of the hub.
 * @returns The sources.
 * @throws {UserError} If a part names nothing, or some have weights and others none.
 */
export async function findData(
  text: string,
  options: PlaceOptions = {},
): Promise<DataPlace> {
  const pieces = await kindOf(text) !== "nothing" ? [text] : text.split("+");
  const sources: DataSource[] = [];
  for (const piece of pieces) sources.push(await sourceOf(piece, options));
  const weighted = sources.filter(({ weight }) => weight !== undefined);
  if (weighted.length > 0 && weighted.length < sources.length) {
    const other = sources.find(({ weight }) => weight === undefined)?.name ?? "";
    throw new UserError(
      `--data ${quoted(text)}: give a weight to ${quoted(other)} as well, or to none`,
    );
  }
  return { name: text, sources };
}

/**
 * A name for a place, such as that of a run's folder.
 *
 * @param place The place.
 * @returns The names of its sources, without folders and endings.
 *
 * @example
 * ```ts
 * import { placeName } from "./places.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const sources = ["a/rows.jsonl.gz", "hub:owner/sums:main"].map((name) => ({ name, files: [] }));
 * assertEquals(placeName({ name: "", sources }), "rows-sums");
 * ```
 */
export function placeName({ sources }: DataPlace): string {
  const names = sources.map(({ name }) => {
    const own = name.startsWith(HUB) ? name.slice(HUB.length).replace(/[:@].*$/, "") : name;
    return parse(unpackedName(own).inner).name.replace(/[^\p{L}\p{N}._\\-]+/gu, "_");
  });
  return [...new Set(names)].slice(0, 4).join("-") || "data";
}

/** A number before a name: a weight. */
const WEIGHT = /^(\d+(?:\.\d+)?|\.\d+)\*(?=.)/;

async function sourceOf(piece: string, options: PlaceOptions): Promise<DataSource> {
  if (piece === "") throw new UserError("--data: a source has no name");
  if (piece.includes("\0")) throw new UserError(`--data: ${quoted(piece)} is no name of a file`);
  const isWhole = await kindOf(piece) !== "nothing";
  const [weighed = "", number] = isWhole ? [] : WEIGHT.exec(piece) ?? [];
  const name = piece.slice(weighed.length);
  const weight = number === undefined ? undefined : Number(number);
  if (weight !== undefined && !(weight > 0 && Number.isFinite(weight))) {
    throw new UserError(`${quoted(piece)}: a weight is a number above 0`);
  }
  const files = await filesOf(name, options);
  return { name, files, ...weight !== undefined && { weight } };
}

async function filesOf(name: string, options: PlaceOptions): Promise<readonly string[]> {
  const { split = TRAIN, progress } = options;
  const { hub = (name, split) => hubFolder(name, split, { ...progress && { progress } }) } =
    options;
  if (name.startsWith(HUB)) {
    const { folder, config } = await hub(name.slice(HUB.length), split);
    return await folderFiles(folder, { name, split, config });
  }
  const kind = await kindOf(name);
  if (kind === "folder") return await folderFiles(name, { name, split });
  if (kind === "file") return [name];
  const [, folder = "", config = ""] = /^(.*):([^:/\\]+)$/s.exec(name) ?? [];
  if (folder !== "" && await kindOf(folder) === "folder") {
    return await folderFiles(folder, { name: folder, split, config });
  }
  if (!isPattern(name)) return [name];
  const files = await filesMatching(name);
  if (files.length > 0) return files;
  throw new UserError(`no file matches ${quoted(name)}`);
}

async function kindOf(path: string): Promise<"file" | "folder" | "nothing"> {
  if (path === "" || path.includes("\0") || !await isThere(path)) return "nothing";
  try {
    return (await Deno.stat(path)).isDirectory ? "folder" : "file";
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/** The files of a split in a folder. */
async function folderFiles(
  folder: string,
  question: { readonly name: string; readonly split: string; readonly config?: string | undefined },
): Promise<readonly string[]> {
  const { files, readme } = await listFolder(folder);
  const configs = await readmeConfigs(readme, question.name);
  return splitFiles(files, configs, question).map((file) => `${folder}/${file}`);
}
