/**
 * Modules that import packages of npm: they are loaded where they are needed.
 *
 * @module
 */

import { UserError } from "@unitune/training";

/**
 * Loads a module whose name is not known before the program runs: a package that the code names is
 * fetched before the first line of any command, whether it is used or not.
 *
 * @param url The module.
 * @param purpose What its packages are for, as the beginning of a sentence.
 * @param remedy What needs no package, as the end of a sentence.
 * @param isModule Whether it has what is used of it.
 * @returns The module.
 * @throws {UserError} If its packages can't be loaded.
 */
export async function loadedModule<M>(
  url: URL,
  purpose: string,
  remedy: string,
  isModule: (value: object) => value is object & M,
): Promise<M> {
  const loaded: unknown = await import(url.href).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new UserError(`${purpose}, which cannot be loaded: ${reason}; ${remedy}`, {
        cause,
      });
    },
  );
  if (typeof loaded === "object" && loaded !== null && isModule(loaded)) return loaded;
  throw new RangeError(`${url.href} is not the module of this version`);
}
