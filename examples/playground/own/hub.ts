/**
 * A model of a hub, read by the page itself: its listing first, then the headers of its weights, so
 * that what cannot be read or does not fit is refused before its weights are downloaded.
 */
import { printable, quoted, SafetensorsError } from "@unitune/core";
import {
  contentPath,
  type HubFile,
  listingIn,
  listingPath,
  requireHubName,
  wantedFiles,
} from "@unitune/cli/hub";
import { CheckpointError, type CheckpointSource, readCheckpoint, textIn } from "@unitune/models";
import { UserError } from "@unitune/training";
import { requireRoom, unreadable } from "./checkpoint.ts";

/** A model of a hub. */
export interface HubPlace {
  /** The hub's address. */
  readonly endpoint: string;
  /** The name of the model. */
  readonly name: string;
}

/** What follows a download. */
export interface DownloadWatch {
  /** The most bytes that weights may take. */
  readonly limit: number;
  /** Hears of the bytes that have arrived, and of all. */
  readonly tell: (read: number, total: number) => void;
  /** Ends the download. */
  readonly signal: AbortSignal;
}

/** The revision that is read. */
const REVISION = "main";

/** The sentence on a status of the hub. */
function refusalOf({ endpoint, name }: HubPlace, status: number): string {
  if (status === 401 || status === 403 || status === 404) {
    return `${name} is no model of ${endpoint} that everyone may read: check the name. A model ` +
      `that is private, or whose licence is to be accepted, can be downloaded by ` +
      `\`deno task download ${name}\`, and its folder chosen here`;
  }
  if (status === 429) return `${endpoint} was asked too often: wait some minutes`;
  return `${endpoint} answers with the status ${status} for ${name}: try again later`;
}

/** The error of a request that has failed. */
function failure({ endpoint, name }: HubPlace, signal: AbortSignal, cause: unknown): UserError {
  const sentence = signal.aborted
    ? "the download was stopped"
    : `${endpoint} can't be reached, or the connection was lost while ${name} was read: check the ` +
      `network, and try again`;
  return new UserError(sentence, { cause });
}

/** Asks the hub; the storage to which it redirects sends the content. */
async function ask(
  place: HubPlace,
  path: string,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${place.endpoint}${path}`, {
      ...{ headers, signal, credentials: "omit", referrerPolicy: "no-referrer" },
    });
  } catch (error) {
    throw failure(place, signal, error);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  throw new UserError(refusalOf(place, response.status));
}

/** The pieces of a response. */
async function* piecesOf(
  place: HubPlace,
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    if (response.body !== null) yield* response.body;
  } catch (error) {
    throw failure(place, signal, error);
  }
}

/** A part of a content. A host may send it from its start, whatever part it is asked for. */
async function partOf(
  pieces: AsyncIterable<Uint8Array>,
  isWhole: boolean,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  const part = new Uint8Array(end - begin);
  let at = isWhole ? 0 : begin;
  for await (const piece of pieces) {
    const from = Math.max(begin - at, 0);
    const own = piece.subarray(from, Math.max(end - at, from));
    part.set(own, at + from - begin);
    at += piece.length;
    if (at >= end) return part;
  }
  throw new CheckpointError(`a file ends before its byte ${end}`);
}

/** A value of JSON; undefined for what is none. */
function parsed(text = ""): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The files of a model, and the place of each. */
interface HubFiles {
  readonly source: CheckpointSource;
  readonly wanted: readonly HubFile[];
  readonly pathOf: (file: string) => string;
}

/** Lists the files of a model that are read. */
async function listed(place: HubPlace, signal: AbortSignal): Promise<HubFiles> {
  const question = { access: { endpoint: place.endpoint }, name: place.name };
  const answer = await ask(place, listingPath(place, REVISION), signal);
  const listing = listingIn(await answer.json().catch(() => undefined));
  if (listing === undefined) {
    throw new UserError(`${place.endpoint} does not list the files of ${place.name} as a hub does`);
  }
  const { files, commit } = listing;
  const pathOf = (file: string) => contentPath(place, commit, file);
  const source: CheckpointSource = {
    names: [...files.keys()],
    size: (name) => Promise.resolve(files.get(name)?.size ?? 0),
    async read(name, begin, end) {
      if (begin === end) return new Uint8Array();
      const range = { range: `bytes=${begin}-${end - 1}` };
      const response = await ask(place, pathOf(name), signal, range);
      const pieces = piecesOf(place, response, signal);
      return await partOf(pieces, response.status !== 206, begin, end);
    },
  };
  const { index, all } = wantedFiles(question, listing);
  const parts = all(parsed(index && await textIn(source, index.name)));
  const wanted = index === undefined ? parts : [index, ...parts];
  return { source: { ...source, names: wanted.map(({ name }) => name) }, wanted, pathOf };
}

/** Refuses a model whose settings, or whose weights by their headers, cannot be read. */
async function requireReadable(source: CheckpointSource): Promise<void> {
  if (!source.names.includes("config.json")) {
    throw new UserError("this is an adapter, and not a whole model: name the model it belongs to");
  }
  try {
    await readCheckpoint(source, { isOutline: true });
  } catch (error) {
    throw error instanceof CheckpointError || error instanceof SafetensorsError
      ? unreadable(error)
      : error;
  }
}

/**
 * Downloads a model.
 *
 * @param place The hub and the name.
 * @param watch Follows and ends the download.
 * @returns Its files, as if they were chosen on this machine.
 * @throws {UserError} If the name is none, the hub refuses or cannot be reached, or the model does
 * not fit or cannot be read.
 */
export async function downloadModel(
  place: HubPlace,
  { limit, tell, signal }: DownloadWatch,
): Promise<readonly File[]> {
  requireHubName(place.name);
  const { source, wanted, pathOf } = await listed(place, signal);
  await requireRoom(source, limit);
  await requireReadable(source);
  const total = wanted.reduce((sum, { size }) => sum + size, 0);
  let read = 0;
  const files: File[] = [];
  for (const { name, size } of wanted) {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    const response = await ask(place, pathOf(name), signal);
    for await (const piece of piecesOf(place, response, signal)) {
      pieces.push(piece);
      tell(read += piece.length, total);
    }
    const file = new File(pieces, name);
    if (file.size !== size) {
      throw new UserError(
        `${printable(name)} of ${
          quoted(place.name)
        } has arrived with ${file.size} bytes, and the ` +
          `hub states ${size}: read it again`,
      );
    }
    files.push(file);
  }
  return files;
}
