/**
 * The files of the study on a language model, with their digests.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { digestOf } from "../files/digest.ts";
import { isThere } from "../files/folders.ts";
import { modelDigest, modelFolder } from "../run/located.ts";
import { UsageError } from "../terminal/errors.ts";
import type { LanguageMaterial } from "./language_plan.ts";

/** What the command line says of them. */
export interface NamedFiles {
  /** The folder or the run of the pretrained model. */
  readonly model?: string | undefined;
  /** The run of the better model. */
  readonly teacher?: string | undefined;
  /** The file of rows. */
  readonly data?: string | undefined;
  /** The column of prompts. */
  readonly promptColumn?: string | undefined;
  /** The column of answers. */
  readonly completionColumn?: string | undefined;
}

/** The digest of the model in a folder, or of a run's latest. */
async function digestOfModel(flag: string, folder: string): Promise<string> {
  if (await isThere(folder)) return await modelDigest(await modelFolder(folder));
  throw new UserError(`--${flag} ${folder}: there is no such folder`);
}

/**
 * Reads the digests of the study's files.
 *
 * @param named What the command line says of them.
 * @returns The files.
 * @throws {UsageError} If one is not named.
 * @throws {UserError} If one is not there.
 */
export async function languageMaterial(
  { model, teacher, data, promptColumn, completionColumn }: NamedFiles,
): Promise<LanguageMaterial> {
  if (model === undefined || teacher === undefined || data === undefined) {
    throw new UsageError(
      "--study language needs --model, a pretrained model; --teacher, the run of a better one with " +
        "the same tokens; and --data, a file of prompts and answers",
    );
  }
  if (!await isThere(data)) throw new UserError(`--data ${data}: there is no such file`);
  const { isFile } = await Deno.stat(data);
  if (!isFile) throw new UserError(`--data ${data}: the study reads one file of rows`);
  return {
    ...{ model, teacher, data },
    columns: {
      ...promptColumn !== undefined && { promptColumn },
      ...completionColumn !== undefined && { completionColumn },
    },
    files: {
      [model]: await digestOfModel("model", model),
      [teacher]: await digestOfModel("teacher", teacher),
      [data]: digestOf(await Deno.readFile(data)),
    },
  };
}
