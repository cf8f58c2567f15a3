/**
 * The variables by which every tool of Hugging Face is told its cache, its token and its hub.
 *
 * @module
 */

import { join } from "node:path";
import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { readText } from "../files/read.ts";

/**
 * A variable that is read: the first five say where the cache is, the next two which hub there is
 * and whether it may be asked, the last two hold a token or say where one is.
 */
export type HubVariable =
  | "HF_HUB_CACHE"
  | "HF_HOME"
  | "XDG_CACHE_HOME"
  | "HOME"
  | "USERPROFILE"
  | "HF_ENDPOINT"
  | "HF_HUB_OFFLINE"
  | "HF_TOKEN"
  | "HF_TOKEN_PATH";

/** The values of the variables; undefined for one that is not set. */
export type HubEnvironment = (variable: HubVariable) => string | undefined;

/**
 * The variables of the process.
 *
 * @param variable The name of one.
 * @returns Its value; undefined if it is not set or empty.
 * @throws {UserError} If the process may not read it.
 */
export function processEnvironment(variable: HubVariable): string | undefined {
  try {
    return Deno.env.get(variable) || undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new UserError(
      `Deno was not given the permission to read ${variable}, which tells of the hub or its cache: ` +
        `run the task as deno.json has it, or add --allow-env=${variable}`,
      { cause: error },
    );
  }
}

/**
 * A variable of the process that something is better with, and done without.
 *
 * @param variable The name of one.
 * @returns Its value; undefined if it is not set or empty, or if the process may not read it.
 */
export function grantedEnvironment(variable: HubVariable | "PATH"): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) || undefined : undefined;
}

/** A path whose leading `~` is the home folder. */
function expanded(path: string, env: HubEnvironment): string {
  return path === "~" || /^~[/\\]/.test(path) ? join(homeOf(env), path.slice(1)) : path;
}

/** The folder of the user. */
function homeOf(env: HubEnvironment): string {
  const home = env("HOME") ?? env("USERPROFILE");
  if (home !== undefined) return home;
  throw new UserError("no home folder is known: say by HF_HOME where the models of the hub are");
}

/** The folder of all of Hugging Face's tools. */
function hubHome(env: HubEnvironment): string {
  const home = env("HF_HOME");
  if (home !== undefined) return expanded(home, env);
  const caches = env("XDG_CACHE_HOME");
  return join(
    caches === undefined ? join(homeOf(env), ".cache") : expanded(caches, env),
    "huggingface",
  );
}

/**
 * The folder of the cache: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, which is `huggingface` in
 * `XDG_CACHE_HOME` or in `~/.cache` where it is not set.
 *
 * @param env The variables.
 * @returns The path; nothing need be there.
 * @throws {UserError} If a variable may not be read, or no home folder is known.
 *
 * @example
 * ```ts
 * import { cacheFolder, type HubEnvironment } from "./environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = (values: Record<string, string>): HubEnvironment => (name) => values[name];
 * assertEquals(cacheFolder(env({ HOME: "/home/ann" })), "/home/ann/.cache/huggingface/hub");
 * assertEquals(cacheFolder(env({ HF_HOME: "/data" })), "/data/hub");
 * assertEquals(cacheFolder(env({ HF_HUB_CACHE: "~/models", HOME: "/home/ann" })), "/home/ann/models");
 * ```
 */
export function cacheFolder(env: HubEnvironment): string {
  const cache = env("HF_HUB_CACHE");
  return cache === undefined ? join(hubHome(env), "hub") : expanded(cache, env);
}

/**
 * Tells whether the user forbids requests, by `HF_HUB_OFFLINE` (1, true, yes or on).
 *
 * @param env The variables.
 * @returns True if so.
 */
export function isOffline(env: HubEnvironment): boolean {
  return /^(?:1|true|yes|on)$/i.test(env("HF_HUB_OFFLINE") ?? "");
}

/** A hub, and the right to ask it for what is not public. */
export interface HubAccess {
  /** The origin and the path that addresses begin with, without a slash at the end. */
  readonly endpoint: string;
  /** The token of an account. */
  readonly token?: string;
}

/** The public hub. */
const PUBLIC_HUB = "https://huggingface.co";

/**
 * The address of the hub (`HF_ENDPOINT`, default: that of the public one).
 *
 * @param env The variables.
 * @returns The address, without a slash at its end.
 * @throws {UserError} If the variable may not be read, or holds no address.
 */
export function hubEndpoint(env: HubEnvironment): string {
  const endpoint = (env("HF_ENDPOINT") ?? PUBLIC_HUB).replace(/\/+$/, "");
  const { protocol } = URL.parse(endpoint) ?? {};
  if (protocol === "https:" || protocol === "http:") return endpoint;
  throw new UserError(
    `HF_ENDPOINT is ${quoted(endpoint)}, expected an address such as ${PUBLIC_HUB}`,
  );
}

/**
 * The hub and the token: `HF_TOKEN`, or the content of the file `HF_TOKEN_PATH`, or of `token` in
 * `HF_HOME`, where `hf auth login` leaves it.
 *
 * @param env The variables.
 * @returns The hub and the token, if there is one.
 * @throws {UserError} If a variable may not be read, or does not hold what it should.
 */
export async function hubAccess(env: HubEnvironment): Promise<HubAccess> {
  const endpoint = hubEndpoint(env);
  const token = (env("HF_TOKEN") ?? await storedToken(env))?.trim();
  if (token === undefined || token === "") return { endpoint };
  // The token itself is never shown.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new UserError(
      "the token of the hub has characters that no token has: copy it again to HF_TOKEN from " +
        `${endpoint}/settings/tokens`,
    );
  }
  return { endpoint, token };
}

/** The token that a tool of Hugging Face has stored. */
async function storedToken(env: HubEnvironment): Promise<string | undefined> {
  const named = env("HF_TOKEN_PATH");
  const path = named === undefined ? join(hubHome(env), "token") : expanded(named, env);
  return await isThere(path) ? await readText(path) : undefined;
}
