/**
 * The request for the files of a model or a dataset on the hub.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import type { HubQuestion } from "./hub_error.ts";
import { type HubListing, listingIn } from "./listing.ts";
import { listingPath } from "./paths.ts";
import { askHub } from "./requests.ts";

/**
 * Asks a hub for the commit of a revision, and its files with their digests.
 *
 * @param question The hub, the model and the revision.
 * @param revision The revision.
 * @param signal Stops the request.
 * @returns The commit and its files.
 * @throws {UserError} If there is no such model or revision, or it may not be read.
 */
export async function listFiles(
  question: HubQuestion,
  revision: string,
  signal?: AbortSignal,
): Promise<HubListing> {
  const path = listingPath(question, revision);
  const response = await askHub({ ...question, revision }, path, signal && { signal });
  const listing = listingIn(await response.json().catch(() => undefined), question.kind);
  if (listing !== undefined) return listing;
  throw new UserError(
    `${question.access.endpoint} does not list the files of ${question.name} as the hub does: ` +
      `check HF_ENDPOINT, if it is set`,
  );
}
