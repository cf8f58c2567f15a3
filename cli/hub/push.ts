/**
 * Uploads of models and adapters to the hub, by Hugging Face's own package. It is an entry of its
 * own, so that no other command fetches that package.
 *
 * @module
 */

import { commitIter, createRepo, HubApiError } from "npm:@huggingface/hub@^2.17.5";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { readJson } from "../files/read.ts";
import { listed } from "../flags/words.ts";
import { missingIn } from "./cache.ts";
import type { HubAccess } from "./environment.ts";
import { type HubQuestion, refusal } from "./hub_error.ts";
import { listFiles } from "./list_files.ts";
import { smallFiles } from "./listing.ts";
import { ADAPTER, INDEX, shardsIn, WEIGHTS } from "./model_files.ts";
import { isHubName, MAIN } from "./names.ts";
import { connectionError } from "./requests.ts";

/** An upload. */
export interface Push {
  /** The hub, and the token of the account. */
  readonly access: HubAccess;
  /** The folder of a model or an adapter. */
  readonly folder: string;
  /** The name that it gets: `OWNER/NAME`. */
  readonly name: string;
  /** Whether a new model is private; an existing one stays as it is. */
  readonly isPrivate: boolean;
  /** Called with the name of a file and the share of it that is uploaded. */
  readonly tell: (file: string, share: number) => void;
  /** Stops the upload. */
  readonly signal?: AbortSignal;
}

/** An upload that was made. */
export interface Pushed {
  /** The address of the model. */
  readonly address: string;
  /** The names of the files. */
  readonly files: readonly string[];
}

/**
 * Uploads the files of a model or an adapter in one commit, and makes the model on the hub where it
 * is new: the settings, the tokenizer, the weights and the card. Nothing else of the folder is
 * uploaded. Weights that were there and are not replaced are deleted in the same commit.
 *
 * @param push The folder and the name.
 * @returns The address.
 * @throws {UserError} If there is no token, the folder holds no whole model, or the hub refuses.
 */
export async function pushModel(
  { access, folder, name, isPrivate, tell, signal }: Push,
): Promise<Pushed> {
  const { endpoint, token } = access;
  if (!isHubName(name) || !name.includes("/")) {
    throw new UserError(`${quoted(name)} is no name for a model: it has the form OWNER/NAME`);
  }
  if (token === undefined) {
    throw new UserError(
      `there is no token: set HF_TOKEN to one from ${endpoint}/settings/tokens with the right to ` +
        `write`,
    );
  }
  if (!isToken(token)) {
    throw new UserError(
      `the token does not begin with hf_: copy it again from ${endpoint}/settings/tokens`,
    );
  }
  const files = await filesOf(folder);
  const hub = { hubUrl: endpoint, accessToken: token, repo: { type: "model", name } } as const;
  const question = { access, name };
  try {
    signal?.throwIfAborted();
    const isNew = await madeNew({ ...hub, visibility: isPrivate ? "private" : "public" });
    const stale = isNew ? [] : await staleWeights(question, files, signal);
    signal?.throwIfAborted();
    const events = commitIter({
      ...hub,
      title: "Upload a model",
      operations: [
        ...stale.map((path) => ({ operation: "delete", path }) as const),
        ...files.map((path) => ({
          operation: "addOrUpdate",
          path,
          content: pathToFileURL(resolve(folder, path)),
        } as const)),
      ],
      ...signal && { abortSignal: signal },
    });
    for await (const event of events) {
      if (event.event === "fileProgress" && event.state === "uploading") {
        tell(event.path, event.progress);
      }
    }
  } catch (error) {
    throw pushError(error, question, signal);
  }
  return { address: `${endpoint}/${name}`, files };
}

/** Makes a model on the hub; tells whether there was none. */
async function madeNew(model: Parameters<typeof createRepo>[0]): Promise<boolean> {
  try {
    await createRepo(model);
    return true;
  } catch (error) {
    if (error instanceof HubApiError && error.statusCode === 409) return false;
    throw error;
  }
}

/**
 * The weights of a model on the hub that new ones do not replace: a reader would take them, such as
 * a file of all weights beside new shards.
 */
async function staleWeights(
  question: HubQuestion,
  files: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const listing = await listFiles(question, MAIN, signal);
  return [...listing.files.keys()].filter((name) =>
    /^(?:adapter_)?model.*\.safetensors(?:\.index\.json)?$/.test(name) && !files.includes(name)
  );
}

function isToken(token: string): token is `hf_${string}` {
  return token.startsWith("hf_");
}

/** The files of a folder that are uploaded. */
async function filesOf(folder: string): Promise<readonly string[]> {
  if (!await isThere(folder)) throw new UserError(`${folder} does not exist`);
  const missing = await missingIn(folder);
  if (missing.length > 0) {
    throw new UserError(
      `${folder} holds neither a model nor an adapter that is whole: ${
        listed(missing.slice(0, 3))
      } is missing`,
    );
  }
  const index = join(folder, INDEX);
  const shards = await isThere(index) && !await isThere(join(folder, WEIGHTS))
    ? [INDEX, ...shardsIn(await readJson(index))]
    : [WEIGHTS];
  const files: string[] = [];
  for (const file of [...smallFiles, ADAPTER[1], ...shards]) {
    if (await isThere(join(folder, file))) files.push(file);
  }
  return files;
}

/** The error of an upload for the user; the reason of a signal as it is. */
function pushError(error: unknown, question: HubQuestion, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  return error instanceof HubApiError
    ? refusal(question, error.statusCode, null)
    : connectionError(error, new URL(question.access.endpoint).host);
}
