/**
 * The addresses of a hub, behind its endpoint.
 *
 * @module
 */

/** What is kept on a hub. */
export type RepoKind = "model" | "dataset";

/** What has a page on a hub. */
export interface HubRepo {
  /** The name of the model or the dataset. */
  readonly name: string;
  /** What has the name (default: a model). */
  readonly kind?: RepoKind;
}

/**
 * The path of a model's or a dataset's page on a hub, without a slash in front.
 *
 * @param question The name, and what has it.
 * @returns The path.
 *
 * @example
 * ```ts
 * import { pagePath } from "./paths.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pagePath({ name: "a/b" }), "a/b");
 * assertEquals(pagePath({ name: "a/b", kind: "dataset" }), "datasets/a/b");
 * ```
 */
export function pagePath({ name, kind }: HubRepo): string {
  return kind === "dataset" ? `datasets/${name}` : name;
}

/**
 * The path of the listing of a revision's files, with their sizes and digests.
 *
 * @param repo The name, and what has it.
 * @param revision A branch, a tag or a commit.
 * @returns The path, with a slash in front.
 *
 * @example
 * ```ts
 * import { listingPath } from "@unitune/cli/hub";
 * import { assertEquals } from "@std/assert";
 *
 * const path = listingPath({ name: "a/b" }, "refs/pr/1");
 * assertEquals(path, "/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true");
 * ```
 */
export function listingPath({ name, kind = "model" }: HubRepo, revision: string): string {
  return `/api/${kind}s/${name}/revision/${encodeURIComponent(revision)}?blobs=true`;
}

/**
 * The path of a file's content, from which a hub may redirect to its storage.
 *
 * @param repo The name, and what has it.
 * @param commit The commit.
 * @param file The name of the file, with its folders.
 * @returns The path, with a slash in front.
 *
 * @example
 * ```ts
 * import { contentPath } from "@unitune/cli/hub";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(contentPath({ name: "a/b" }, "main", "x/#.json"), "/a/b/resolve/main/x/%23.json");
 * ```
 */
export function contentPath(repo: HubRepo, commit: string, file: string): string {
  const parts = file.split("/").map(encodeURIComponent);
  return `/${pagePath(repo)}/resolve/${commit}/${parts.join("/")}`;
}
