/**
 * The commit that a checkout is at, read without git.
 *
 * @module
 */

/** The text of a file; undefined where it cannot be read. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return undefined;
  }
}

/**
 * The commit of a checkout.
 *
 * @param folder Its root.
 * @returns The hash; undefined where there is no checkout.
 */
export async function commitOf(folder: string): Promise<string | undefined> {
  const link = /^gitdir: (.*)$/.exec(await textOf(`${folder}/.git`) ?? "")?.[1];
  const git = link ?? `${folder}/.git`;
  const head = await textOf(`${git}/HEAD`);
  const ref = /^ref: (.*)$/.exec(head ?? "")?.[1];
  if (ref === undefined) return head;
  // A worktree has its own HEAD, and its branches with all others.
  const common = await textOf(`${git}/commondir`);
  const shared = common === undefined ? git : `${git}/${common}`;
  const packed = (await textOf(`${shared}/packed-refs`))?.split("\n")
    .find((line) => line.endsWith(` ${ref}`))?.split(" ", 1).join("");
  return await textOf(`${shared}/${ref}`) ?? packed;
}
