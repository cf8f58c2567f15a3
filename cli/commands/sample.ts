/**
 * `deno task sample`: answers a prompt, or continues a text, by the model of a run.
 *
 * @module
 */

import { createSampler, settingTable } from "@unitune/training";
import { openDevice } from "../run/devices.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { type FlagTable, givenFlags, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import type { Registries } from "../flags/registries.ts";
import { readPrompt } from "../data/prompts.ts";
import { print, tell } from "../terminal/terminal.ts";
import { readTrainedModel } from "../run/trained.ts";

/** The flags that have an effect only where tokens are drawn: at a temperature above 0. */
const drawing = {
  "top-k": { kind: "integer", min: 1, help: "Samples from the K most likely tokens only." },
  "top-p": {
    kind: "number",
    above: 0,
    max: 1,
    help: "Samples from the smallest set of most likely tokens with this total probability.",
  },
  count: { kind: "integer", default: 1, min: 1, help: "The number of completions." },
  seed: { kind: "integer", default: 0, min: 0, help: "The seed of the sampling." },
} as const satisfies FlagTable;

const drawn: ReadonlySet<string> = new Set(Object.keys(drawing).map((name) => `--${name}`));

const { isShared: _isShared, isPlace: _isPlace, ...device } = settingTable.device;
const flags = {
  run: { kind: "string", placeholder: "DIR", help: "The folder of the run, as train printed it." },
  prompt: {
    kind: "string",
    placeholder: "TEXT",
    help: "The prompt; for a model of running text, the text to continue.",
  },
  "max-new-tokens": {
    kind: "integer",
    default: 200,
    min: 1,
    help: "The most tokens to generate; generation also ends where the context is full.",
  },
  temperature: {
    kind: "number",
    default: 0,
    min: 0,
    help: "0 always takes the most likely token; 1 samples from the model's probabilities.",
  },
  ...drawing,
  raw: {
    kind: "boolean",
    help: "Prints completions as they are. Without it, control characters stand as escapes, such " +
      "as \\u001b, so that no completion controls a terminal.",
  },
  device: { ...device, group: "Flags" },
} as const satisfies FlagTable;

const usage = `Generates from the latest checkpoint of a run.

  deno task sample --run runs/sft-tasks --prompt "reverse bead"
  deno task sample --run runs/sft-book --prompt "Once" --temperature 0.8`;

/**
 * The command `sample`.
 *
 * @param argv The command line.
 * @param registries The architectures (default: those of `@unitune/models`).
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the run or its model cannot be read.
 */
export async function sampleCommand(
  argv: readonly string[],
  { architectures }: Registries = {},
): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const parsed = parseFlags(flags, argv);
  const { run, prompt, topK, topP, count, raw, ...options } = parsed.values;
  if (run === undefined) throw new UsageError("--run DIR is needed");
  if (prompt === undefined) throw new UsageError('--prompt "..." is needed');
  const draws = givenFlags(parsed).filter((flag) => drawn.has(flag));
  if (options.temperature === 0 && draws.length > 0) {
    throw new UsageError(
      `${draws.join(", ")}: nothing is drawn at temperature 0, give a --temperature above it`,
    );
  }
  const trained = await readTrainedModel(run, architectures);
  const { model, params, tokenizer, kind } = trained;
  const ids = readPrompt({ tokenizer, kind, context: model.config.context }, prompt);
  // With auto, the reason why the device is wasm matters less than the answer.
  const device = await openDevice(options.device, options.device === "auto" ? undefined : tell);
  using sampler = createSampler(model, tokenizer, device);
  const show = raw ? console.log : print;
  for (let firstRow = 0; firstRow < count; firstRow += AT_ONCE) {
    const prompts = Array<readonly number[]>(Math.min(AT_ONCE, count - firstRow)).fill(ids);
    const answers = await sampler.sample(params, prompts, {
      ...options,
      firstRow,
      ...(topK === undefined ? {} : { topK }),
      ...(topP === undefined ? {} : { topP }),
    });
    for (const { ids } of answers) {
      show(`${kind === "text" ? prompt : ""}${tokenizer.decode(ids)}`);
    }
  }
  return 0;
}

/** Completions that are generated together. */
const AT_ONCE = 64;

if (import.meta.main) await runCommand(() => sampleCommand(Deno.args));
