/**
 * `deno task push`: uploads a model or an adapter to the hub. Nothing else uploads anything.
 *
 * @module
 */

import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { leadingWords } from "../flags/words.ts";
import { hubAccess, processEnvironment } from "../hub/environment.ts";
import { pushModel } from "../hub/push.ts";
import { modelFolder } from "../run/located.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { interruptible } from "../terminal/interruption.ts";
import { print, tell } from "../terminal/terminal.ts";

const flags = {
  private: {
    kind: "boolean",
    default: false,
    help: "Make a new model private. One that exists stays as it is.",
  },
} as const satisfies FlagTable;

const usage =
  `Uploads the folder of a model or an adapter to the Hugging Face hub, in one commit: its ` +
  `settings, tokenizer, weights and card. Of a run, that is its latest checkpoint. It needs ` +
  `HF_TOKEN, with the right to write.

  deno task push runs/sft-rows ann/my-adapter --private`;

/**
 * The command `push`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the upload fails.
 */
export async function pushCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const [[folder, name], rest] = leadingWords(argv, 2);
  const { values } = parseFlags(flags, rest);
  if (folder === undefined || name === undefined) {
    throw new UsageError("name the folder and the model: deno task push FOLDER OWNER/NAME");
  }
  const access = await hubAccess(processEnvironment);
  using interruption = interruptible();
  const { signal } = interruption;
  try {
    const { address, files } = await pushModel({
      access,
      folder: await modelFolder(folder),
      name,
      isPrivate: values.private,
      signal,
      tell: (file, share) => {
        if (share === 1) tell(`uploaded ${file}`);
      },
    });
    print(`${address} has ${files.length} files of ${folder}`);
    return 0;
  } catch (error) {
    if (error !== signal.reason || !signal.aborted) throw error;
    tell("stopped; the model on the hub is as it was");
    return interruption.exitCode;
  }
}

if (import.meta.main) await runCommand(() => pushCommand(Deno.args));
