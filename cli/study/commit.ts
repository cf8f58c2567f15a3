/**
 * The commit of a git checkout, read without git.
 *
 * @module
 */

/** The text of a file; undefined if it cannot be read. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return undefined;
  }
}

/**
 * Reads the commit of a checkout.
 *
 * @param folder The root of the checkout.
 * @returns The hash; undefined if the folder is not a checkout.
 */
export async function commitOf(folder: string): Promise<string | undefined> {
  const link = /^gitdir: (.*)$/.exec(await textOf(`${folder}/.git`) ?? "")?.[1];
  const git = link ?? `${folder}/.git`;
  const head = await textOf(`${git}/HEAD`);
  const ref = /^ref: (.*)$/.exec(head ?? "")?.[1];
  if (ref === undefined) return head;
  // A worktree has a HEAD of its own, and shares its branches with all others.
  const common = await textOf(`${git}/commondir`);
  const shared = common === undefined ? git : `${git}/${common}`;
  const packed = (await textOf(`${shared}/packed-refs`))?.split("\n")
    .find((line) => line.endsWith(` ${ref}`))?.split(" ", 1).join("");
  return await textOf(`${shared}/${ref}`) ?? packed;
}
