/**
 * Modules beside this one that import packages of npm: they are loaded where they are needed.
 *
 * @module
 */

import { UserError } from "@unitune/training";

/**
 * Loads a module whose name is not known before the program runs: a package that the code names is
 * fetched before the first line of any command, whether it is used or not.
 *
 * @param file The file of the module, in this folder.
 * @param purpose What its packages are for, as the beginning of a sentence.
 * @param isModule Whether it has what is used of it.
 * @returns The module.
 * @throws {UserError} If its packages can't be loaded.
 */
export async function loadedModule<M>(
  file: string,
  purpose: string,
  isModule: (value: object) => value is object & M,
): Promise<M> {
  const loaded: unknown = await import(new URL(file, import.meta.url).href).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new UserError(`${purpose}, which cannot be loaded: ${reason}`, { cause });
    },
  );
  if (typeof loaded === "object" && loaded !== null && isModule(loaded)) return loaded;
  throw new RangeError(`${file} is not the module of this version`);
}
