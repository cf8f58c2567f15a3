/**
 * The content of a file in the cache, downloaded once, and checked.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import { UserError } from "@unitune/training";
import { beginDigest, type RunningDigest } from "../files/digest.ts";
import { fileError } from "../files/file_error.ts";
import { isThere, makeFolder, removeIfThere } from "../files/folders.ts";
import { takeLock } from "../files/lock.ts";
import { PIECE, writeAll, writeError } from "../files/write.ts";
import { blobFile, type CachedModel, snapshotFolder } from "./cache.ts";
import { ConnectionError, type HubQuestion } from "./hub_error.ts";
import type { HubFile } from "./listing.ts";
import { contentPath } from "./paths.ts";
import { askHub, connectionError } from "./requests.ts";

/** How long a download waits, in milliseconds. */
export interface Patience {
  /** Without a byte, before the connection counts as lost. */
  readonly silence: number;
  /** Before the first of the further tries; before the second, twice as long. */
  readonly pause: number;
}

/** A download of a file. */
export interface BlobDownload {
  /** The hub and the model. */
  readonly question: HubQuestion;
  /** The place of the model in the cache. */
  readonly model: CachedModel;
  /** The commit. */
  readonly commit: string;
  /** The file. */
  readonly file: HubFile;
  /** Called with the number of its bytes that are there. */
  readonly tell: (bytes: number) => void;
  /** Called once if another process downloads the same file. */
  readonly tellWait: () => void;
  /** How long it waits. */
  readonly patience: Patience;
  /** Stops the download, which goes on later from the bytes that are there. */
  readonly signal?: AbortSignal;
}

/** Tries without a further byte, before a download fails. */
const TRIES = 3;

/** Milliseconds between two looks at the lock that another process holds. */
const LOOK_EVERY = 200;

/** The file in which a content grows. Python's `huggingface_hub` ignores it. */
function incompleteFile(model: CachedModel, { digest }: HubFile): string {
  return `${blobFile(model, digest)}.incomplete`;
}

/**
 * The number of a file's bytes that the cache holds.
 *
 * @param model The place of the model.
 * @param commit The commit.
 * @param file The file.
 * @returns All of its bytes, those of an interrupted download, or 0.
 */
export async function bytesThere(
  model: CachedModel,
  commit: string,
  file: HubFile,
): Promise<number> {
  if (await isWhole(join(snapshotFolder(model, commit), file.name), file)) return file.size;
  if (await isWhole(blobFile(model, file.digest), file)) return file.size;
  return Math.min(file.size, await sizeOf(incompleteFile(model, file)) ?? 0);
}

/** The size of a file or of what a link leads to; undefined if there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  return await isThere(path) ? (await Deno.stat(path)).size : undefined;
}

async function isWhole(path: string, { size }: HubFile): Promise<boolean> {
  return await sizeOf(path) === size;
}

/**
 * Puts a file into the cache, unless it is there: its content under its digest, and a link to it in
 * the folder of the commit. One process at a time downloads a content; the others wait for it. The
 * lock is that of Python's `huggingface_hub`.
 *
 * @param download The file and where it is from.
 * @throws {UserError} If it can't be downloaded, what was downloaded has another digest, or it
 * can't be written.
 */
export async function cacheFile(download: BlobDownload): Promise<void> {
  const { model, commit, file, tell } = download;
  const [path, blob] = [
    join(snapshotFolder(model, commit), file.name),
    blobFile(model, file.digest),
  ];
  if (!await isWhole(path, file)) {
    for (const folder of [dirname(path), dirname(blob), model.locks]) await makeFolder(folder);
    using _lock = await waitForLock(join(model.locks, `${file.digest}.lock`), download);
    if (!await isWhole(blob, file)) await downloadBlob(download, blob);
    await link(blob, path);
  }
  tell(file.size);
}

/** Takes a lock, and waits while another process holds it. */
async function waitForLock(
  path: string,
  { tellWait, signal }: BlobDownload,
): Promise<Disposable> {
  const free = await takeLock(path);
  if (free !== undefined) return free;
  tellWait();
  for (;;) {
    await pause(LOOK_EVERY, signal);
    const lock = await takeLock(path);
    if (lock !== undefined) return lock;
  }
}

/** Waits; throws the signal's reason if it is aborted meanwhile. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  const stop = () => reject(signal?.reason);
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * Makes a link in the folder of a commit to a content; what is at its place is replaced. Where the
 * file system has no links, the content itself goes there, as Python's `huggingface_hub` does.
 */
async function link(blob: string, path: string): Promise<void> {
  try {
    await removeIfThere(path);
    try {
      // A cache may be moved as a whole.
      await Deno.symlink(relative(dirname(path), blob), path, { type: "file" });
    } catch (error) {
      if (!hasNoLinks(error)) throw error;
      await Deno.rename(blob, path);
    }
  } catch (error) {
    throw fileError(error, "make the link", path);
  }
}

/**
 * Whether an error says that there are no links: on Windows, only administrators may make them, and
 * Deno makes none for a program that may write in some folders only.
 */
function hasNoLinks(error: unknown): boolean {
  const { NotCapable, NotSupported, PermissionDenied } = Deno.errors;
  return Deno.build.os === "windows" || error instanceof PermissionDenied ||
    error instanceof NotSupported || error instanceof NotCapable;
}

/** Downloads a content, going on from the bytes that an interrupted download has left. */
async function downloadBlob(download: BlobDownload, blob: string): Promise<void> {
  const { model, file, question, patience, signal } = download;
  const incomplete = incompleteFile(model, file);
  try {
    {
      using target = await Deno.open(incomplete, { read: true, write: true, create: true });
      const content = await contentSoFar(target, file);
      for (let failures = 0; content.bytes < file.size;) {
        const before = content.bytes;
        try {
          await receive(download, target, content);
        } catch (error) {
          if (!(error instanceof ConnectionError)) throw error;
          failures = content.bytes > before ? 1 : failures + 1;
          if (failures === TRIES) throw error;
          await pause(patience.pause * failures, signal);
        }
      }
      await target.sync();
      const digest = content.digest.value();
      if (digest !== file.digest) {
        await removeIfThere(incomplete);
        throw new UserError(
          `${file.name} of ${question.name} arrived with another digest than the hub states ` +
            `(${digest.slice(0, 12)}… instead of ${file.digest.slice(0, 12)}…), and was ` +
            `removed: download it again`,
        );
      }
    }
    await Deno.rename(incomplete, blob);
  } catch (error) {
    throw writeError(error, incomplete);
  }
}

/** The digest by which the hub knows a content. */
function digestOf({ digestOf, size }: HubFile): RunningDigest {
  if (digestOf === "content") return beginDigest();
  const hash = createHash("sha1").update(`blob ${size}\0`);
  return {
    add: (piece) => {
      hash.update(piece);
    },
    value: () => hash.copy().digest("hex"),
  };
}

/** What a file holds of a content; it grows. */
interface Content {
  /** The number of bytes. */
  bytes: number;
  /** Their digest. */
  digest: RunningDigest;
}

/** What a file holds, read from its start. */
async function contentSoFar(target: Deno.FsFile, file: HubFile): Promise<Content> {
  const content = { bytes: 0, digest: digestOf(file) };
  // What is longer than it should be is of no use.
  if ((await target.stat()).size > file.size) await target.truncate(0);
  const piece = new Uint8Array(PIECE);
  for (let count; (count = await target.read(piece)) !== null; content.bytes += count) {
    content.digest.add(piece.subarray(0, count));
  }
  return content;
}

/** Forgets what a file holds. */
async function clear(target: Deno.FsFile, content: Content, file: HubFile): Promise<void> {
  await target.truncate(0);
  await target.seek(0, Deno.SeekMode.Start);
  content.bytes = 0;
  content.digest = digestOf(file);
}

/** Appends what the hub sends to the bytes that are there; returns when it has sent all. */
async function receive(
  { question, commit, file, tell, patience, signal }: BlobDownload,
  target: Deno.FsFile,
  content: Content,
): Promise<void> {
  const silence = new AbortController();
  const lost = new ConnectionError(
    `${question.access.endpoint} sends nothing more of ${file.name}: check the network, and try again`,
  );
  const listen = () => setTimeout(() => silence.abort(lost), patience.silence);
  let timer = listen();
  const either = AbortSignal.any(
    signal === undefined ? [silence.signal] : [silence.signal, signal],
  );
  const from = content.bytes;
  try {
    const response = await askHub(
      question,
      contentPath(question, commit, file.name),
      { headers: from > 0 ? { range: `bytes=${from}-` } : {}, signal: either },
    );
    // The host may send the whole content, whatever part it is asked for.
    if (from > 0 && !continues(response, from)) await clear(target, content, file);
    tell(content.bytes);
    for await (const piece of piecesOf(response, either)) {
      clearTimeout(timer);
      timer = listen();
      if (content.bytes + piece.length > file.size) {
        await clear(target, content, file);
        throw new UserError(
          `${file.name} of ${question.name} is longer than the ${file.size} bytes that the hub ` +
            `states, and was removed: download it again`,
        );
      }
      content.bytes += await writeAll(target, piece, content.digest);
      tell(content.bytes);
    }
    if (content.bytes < file.size) throw lost;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a response is the rest of a content from a byte on. */
function continues({ status, headers }: Response, from: number): boolean {
  return status === 206 && (headers.get("content-range") ?? "").startsWith(`bytes ${from}-`);
}

/** The pieces of a response's body. */
async function* piecesOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    if (response.body !== null) yield* response.body;
  } catch (error) {
    throw connectionError(error, new URL(response.url).host, signal);
  }
}
