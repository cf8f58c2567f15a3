/**
 * The files of a model on the hub, and which of them are downloaded.
 *
 * @module
 */

import { abridged, printable } from "@unitune/core";
import { UserError } from "@unitune/training";
import { isNatural, isRecord } from "../files/guards.ts";
import type { HubQuestion } from "./hub_error.ts";
import { ADAPTER, CONFIG, INDEX, shardsIn, TOKENIZER, WEIGHTS } from "./model_files.ts";
import { isCommit } from "./names.ts";
import type { RepoKind } from "./paths.ts";

/** A file of a model or a dataset on the hub. */
export interface HubFile {
  /** Its name; of a dataset's, with its folders. */
  readonly name: string;
  /** Its size in bytes. */
  readonly size: number;
  /** The digest of its content, in hexadecimal. */
  readonly digest: string;
  /** The way of the digest: SHA-256 for large files, git's SHA-1 of a blob for others. */
  readonly digestOf: "content" | "git blob";
}

/** The files of a commit. */
export interface HubListing {
  /** The commit. */
  readonly commit: string;
  /** Its files by name; of a model, without those in folders. */
  readonly files: ReadonlyMap<string, HubFile>;
}

/**
 * The listing in a hub's answer.
 *
 * @param value The answer.
 * @param kind What was asked for (default: a model).
 * @returns The commit and its files; undefined if the answer is no listing.
 *
 * @example
 * ```ts
 * import { listingIn } from "@unitune/cli/hub";
 * import { assertEquals } from "@std/assert";
 *
 * const [sha, blobId] = ["a".repeat(40), "b".repeat(40)];
 * const listing = listingIn({ sha, siblings: [{ rfilename: "config.json", size: 2, blobId }] });
 * assertEquals([...listing?.files.keys() ?? []], ["config.json"]);
 * assertEquals(listingIn({ error: "busy" }), undefined);
 * ```
 */
export function listingIn(value: unknown, kind: RepoKind = "model"): HubListing | undefined {
  const { sha, siblings } = isRecord(value) ? value : {};
  if (typeof sha !== "string" || !isCommit(sha) || !Array.isArray(siblings)) return undefined;
  const files = siblings.flatMap((sibling) => fileIn(sibling, fileNames[kind]) ?? []);
  return { commit: sha, files: new Map(files.map((file) => [file.name, file])) };
}

/**
 * The names of files, which become those of files in the cache: of models those in no folder, of
 * datasets others as well. No part of a name begins with a dot.
 */
const fileNames: Readonly<Record<RepoKind, RegExp>> = {
  model: /^[\w-][\w.-]*$/,
  dataset: /^[\w=@-][\w.=@, -]*(?:\/[\w=@-][\w.=@, -]*)*$/,
};

/** A file in a listing; undefined for one of another name, or without a digest. */
function fileIn(sibling: unknown, names: RegExp): HubFile | undefined {
  if (!isRecord(sibling)) return undefined;
  const { rfilename: name, size, blobId, lfs } = sibling;
  if (typeof name !== "string" || !names.test(name)) return undefined;
  if (isRecord(lfs)) {
    const { sha256, size } = lfs;
    return isDigest(sha256, 64) && isNatural(size)
      ? { name, size, digest: sha256, digestOf: "content" }
      : undefined;
  }
  return isDigest(blobId, 40) && isNatural(size)
    ? { name, size, digest: blobId, digestOf: "git blob" }
    : undefined;
}

function isDigest(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}

/** The small files of a model or an adapter: settings, the tokenizer, and the licence. */
export const smallFiles: readonly string[] = [
  CONFIG,
  "generation_config.json",
  TOKENIZER,
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "vocab.txt",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
  "README.md",
  "LICENSE",
  ADAPTER[0],
];

/** The files that are downloaded. */
export interface WantedFiles {
  /** The index of the weights, if they are in several files. */
  readonly index: HubFile | undefined;
  /**
   * All files, the weights last.
   *
   * @param index The value of the index, if there is one.
   * @throws {UserError} If the index names a file that the model does not have.
   */
  readonly all: (index: unknown) => readonly HubFile[];
}

/**
 * Chooses the files that are downloaded: the settings, the tokenizer, the weights as safetensors.
 * Where one file holds all weights, others are left out, as every reader does.
 *
 * @param question The hub and the model.
 * @param listing Its files.
 * @returns The files.
 * @throws {UserError} If a file is missing that no model can do without.
 *
 * @example
 * ```ts
 * import { wantedFiles } from "@unitune/cli/hub";
 * import { UserError } from "@unitune/training";
 * import { assertThrows } from "@std/assert";
 *
 * const question = { access: { endpoint: "https://hub.test" }, name: "a/b" };
 * const listing = { commit: "c".repeat(40), files: new Map() };
 * assertThrows(() => wantedFiles(question, listing), UserError, "a/b has no config.json");
 * ```
 */
export function wantedFiles(question: HubQuestion, { files }: HubListing): WantedFiles {
  const named = (names: readonly string[]) => names.flatMap((name) => files.get(name) ?? []);
  const required = (names: readonly string[], whose: string) => {
    for (const name of names) if (!files.has(name)) throw lacking(question, name, whose, files);
  };
  if (files.has(ADAPTER[0]) && !files.has(CONFIG)) {
    required(ADAPTER, "an adapter");
    return { index: undefined, all: () => named([...smallFiles, ADAPTER[1]]) };
  }
  required([CONFIG, TOKENIZER], "a model");
  const index = files.has(WEIGHTS) ? undefined : files.get(INDEX);
  if (index === undefined) required([WEIGHTS], "a model");
  return {
    index,
    all: (value) => {
      const weights = index === undefined ? [WEIGHTS] : shardsIn(value);
      required(weights, INDEX);
      return named([...smallFiles, ...weights]);
    },
  };
}

/** Weights that are not read. */
const others = /\.(?:bin|gguf|onnx|h5|msgpack|pt|pth|ckpt)$/;

/** The error for a model without a file that is needed. */
function lacking(
  { access: { endpoint }, name }: HubQuestion,
  file: string,
  whose: string,
  files: ReadonlyMap<string, HubFile>,
): UserError {
  const other = [...files.keys()].find((known) => others.test(known));
  const isWeights = file === WEIGHTS || file === ADAPTER[1];
  const remedy = isWeights && other !== undefined
    ? `${
      printable(abridged(other, 80))
    } is not read; take a model with safetensors, or save this ` +
      `one so in Python by save_pretrained`
    : `take another model from ${endpoint}/models`;
  return new UserError(`${name} has no ${file}, which ${whose} needs: ${remedy}`);
}
