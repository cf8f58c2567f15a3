/**
 * `deno task merge`: writes a model with an adapter's changes in it.
 *
 * @module
 */

import { checkpointFiles, mergeAdapter, modelCard, type WeightsDType } from "@unitune/models";
import { UserError } from "@unitune/training";
import { writeDirectoryAtomically } from "../files/atomic.ts";
import { isThere } from "../files/folders.ts";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import type { Registries } from "../flags/registries.ts";
import { readAdapterOn } from "../run/adapters.ts";
import { textTokens } from "../run/trained.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { taskCommand } from "../terminal/shell.ts";
import { print } from "../terminal/terminal.ts";

const flags = {
  adapter: {
    kind: "string",
    placeholder: "DIR",
    help: "The folder of an adapter, as PEFT writes it, or of a run with --lora.",
  },
  model: {
    kind: "string",
    placeholder: "MODEL",
    help: "The model that the adapter is of.",
    defaultHelp: "the one that the adapter names",
  },
  out: {
    kind: "string",
    placeholder: "DIR",
    help: "The new folder of the merged model.",
  },
  dtype: {
    kind: "choice",
    choices: ["f32", "bf16"],
    help: "The element type of the weights.",
    defaultHelp: "that of the model",
  },
} as const satisfies FlagTable;

const usage =
  `Writes a model with an adapter's changes in it: W + s B A in place of each W. The folder is one ` +
  `that transformers, vLLM and the converter of llama.cpp load.

  deno task merge --adapter runs/sft-rows --out merged`;

/** The element type of a model's files, by the names that PyTorch has for them. */
function dtypeOf({ dtype, torch_dtype: older }: Readonly<Record<string, unknown>>): WeightsDType {
  return (dtype ?? older) === "bfloat16" ? "bf16" : "f32";
}

/**
 * The command `merge`.
 *
 * @param argv The command line.
 * @param registries The architectures (default: those of `@unitune/models`).
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the adapter or its model cannot be read.
 */
export async function mergeCommand(
  argv: readonly string[],
  { architectures }: Registries = {},
): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { adapter, model: named, out, dtype } } = parseFlags(flags, argv);
  if (adapter === undefined) throw new UsageError("--adapter DIR is needed");
  if (out === undefined) throw new UsageError("--out DIR is needed");
  if (await isThere(out)) throw new UserError(`${out} exists already: choose another --out`);
  const rows = architectures === undefined ? {} : { architectures };
  const { model, params, tokenizer, base: { settings } } = await readAdapterOn(
    adapter,
    named,
    rows,
  );
  const files = checkpointFiles(
    { model: model.base.model, params: mergeAdapter(model, params, architectures), settings },
    {
      tokens: textTokens(tokenizer),
      files: new Map([...tokenizer.files(), ["README.md", modelCard({})]]),
      dtype: dtype ?? dtypeOf(settings),
      ...rows,
    },
  );
  await writeDirectoryAtomically(out, Object.fromEntries(files));
  print(
    `the merged model is in ${out}; ask it by\n  ${
      taskCommand("sample", { model: out })
    } --prompt "..."`,
  );
  return 0;
}

if (import.meta.main) await runCommand(() => mergeCommand(Deno.args));
