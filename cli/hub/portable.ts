/**
 * What a page needs to read the Hugging Face hub by itself, without an API of Deno's: names,
 * addresses, listings, and which of the listed files belong to a model.
 *
 * @module
 */

export type { HubAccess } from "./environment.ts";
export type { HubQuestion } from "./hub_error.ts";
export {
  type HubFile,
  type HubListing,
  listingIn,
  type WantedFiles,
  wantedFiles,
} from "./listing.ts";
export { requireHubName } from "./names.ts";
export { contentPath, type HubRepo, listingPath, type RepoKind } from "./paths.ts";
