/**
 * Models that a user names: by a folder, or by a name of the hub.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { alternatives } from "../flags/words.ts";
import type { ProgressOutput } from "../terminal/progress.ts";
import { shellQuote } from "../terminal/shell.ts";
import type { Patience } from "./blob.ts";
import { cachedModel, findSnapshot, type Snapshot } from "./cache.ts";
import { downloadModel } from "./download.ts";
import {
  cacheFolder,
  hubAccess,
  hubEndpoint,
  type HubEnvironment,
  isOffline,
  processEnvironment,
} from "./environment.ts";
import { isHubName, MAIN, requireRevision } from "./names.ts";

/** Options of finding a model. */
export interface ResolveOptions {
  /** A branch, a tag or a commit of a model of the hub (default `main`). */
  readonly revision?: string | undefined;
  /** The variables of the environment (default: those of the process). */
  readonly env?: HubEnvironment;
  /** Whether the hub may not be asked (default: whether `HF_HUB_OFFLINE` says so). */
  readonly isOffline?: boolean;
  /** Where the progress of a download is shown (default: nowhere). */
  readonly progress?: ProgressOutput;
  /** Stops a download, which goes on later from the bytes that are there. */
  readonly signal?: AbortSignal;
  /** How long a download waits. */
  readonly patience?: Patience;
}

/** A model that was found. */
export interface ResolvedModel {
  /** The folder of its files. */
  readonly folder: string;
  /** The name by which it was asked for: that of the hub, or the folder. */
  readonly name: string;
  /** The commit of the hub; undefined for a folder. */
  readonly commit?: string;
}

/**
 * Finds the folder of a model: a folder as it is; a name of the hub in the cache; and what is not
 * there is downloaded, if the process may use the network.
 *
 * @param nameOrFolder A folder, or a name such as `HuggingFaceTB/SmolLM2-135M-Instruct`.
 * @param options The revision, the environment, and whether and how to download.
 * @returns The folder, and the commit of a name.
 * @throws {UserError} If it is neither, is not in the cache and cannot be downloaded, or a revision
 * is asked of a folder.
 *
 * @example
 * ```ts
 * import { resolveModel } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * assertEquals(await resolveModel(folder), { folder, name: folder });
 * await Deno.remove(folder);
 * ```
 */
export async function resolveModel(
  nameOrFolder: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  const isPath = nameOrFolder !== "" && !nameOrFolder.includes("\0") && await isThere(nameOrFolder);
  if (isPath) {
    if (!(await Deno.stat(nameOrFolder)).isDirectory) {
      throw new UserError(
        `${nameOrFolder} is a file: name the folder of a model, with all its files`,
      );
    }
    if (options.revision === undefined) return { folder: nameOrFolder, name: nameOrFolder };
    throw new UserError(
      `${nameOrFolder} is a folder, which has no revisions: leave out the revision, or name a model ` +
        `of the hub`,
    );
  }
  if (!isHubName(nameOrFolder)) {
    throw new UserError(
      `${quoted(nameOrFolder)} is neither a folder nor a name of the hub, such as ` +
        `HuggingFaceTB/SmolLM2-135M-Instruct`,
    );
  }
  const { folder, commit } = await hubModel(nameOrFolder, options);
  return { folder, name: nameOrFolder, commit };
}

/** Finds a model of the hub in the cache, or downloads it. */
async function hubModel(
  name: string,
  { revision: given, env = processEnvironment, isOffline: mayNot, ...options }: ResolveOptions,
): Promise<Snapshot> {
  const revision = requireRevision(given ?? MAIN);
  const cache = cacheFolder(env);
  const found = await findSnapshot(cachedModel(cache, name), revision);
  if (found?.missing.length === 0) return found;
  if (mayNot === true) throw notInCache(name, given, cache, found, "offline");
  if (!await mayReachHub(env)) throw notInCache(name, given, cache, found, "not permitted");
  if (mayNot ?? isOffline(env)) throw notInCache(name, given, cache, found, "offline");
  return await downloadModel({ access: await hubAccess(env), cache, name, revision, ...options });
}

/**
 * Whether the process may use the network to reach the hub, whose storage may be elsewhere. A task
 * that may not even know which hub there is uses no network.
 */
export async function mayReachHub(env: HubEnvironment): Promise<boolean> {
  const isGranted = async (descriptor: Deno.PermissionDescriptor) =>
    (await Deno.permissions.query(descriptor)).state === "granted";
  const mayKnow = env !== processEnvironment ||
    await isGranted({ name: "env", variable: "HF_ENDPOINT" });
  return mayKnow && await isGranted({ name: "net", host: new URL(hubEndpoint(env)).host });
}

/** The error for a model that is not whole in the cache. */
function notInCache(
  name: string,
  revision: string | undefined,
  cache: string,
  found: Snapshot | undefined,
  why: "offline" | "not permitted",
): UserError {
  const what = found === undefined
    ? `${name}${
      revision === undefined ? "" : ` at ${revision}`
    } is neither a folder nor a model in ` +
      `the cache ${cache}`
    : `${name} is not whole in the cache ${cache}, where ${
      alternatives(found.missing.slice(0, 3))
    } is missing`;
  const words = ["deno task download", shellQuote(name)];
  if (revision !== undefined) words.push("--revision", shellQuote(revision));
  const remedy = why === "offline"
    ? "and HF_HUB_OFFLINE forbids to ask the hub: unset it and download the model by"
    : "and this task does not use the network: download it by";
  return new UserError(`${what}, ${remedy}`, { command: words.join(" ") });
}
