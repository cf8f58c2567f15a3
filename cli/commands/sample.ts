/**
 * `deno task sample`: answers prompts, continues a text, or holds a conversation, by the model of a
 * run or by a pretrained one.
 *
 * @module
 */

import { printableLines } from "@unitune/core";
import { baseTemplates, createGenerator } from "@unitune/models";
import { createSampler, isOfTexts, settingTable, UserError } from "@unitune/training";
import { readPromptRows } from "../data/data_file.ts";
import { shownWatch } from "../data/preparation_progress.ts";
import { readPrompt } from "../data/prompts.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import { isThere } from "../files/folders.ts";
import {
  type FlagTable,
  type FlagValues,
  givenFlags,
  parseFlags,
  wantsHelp,
} from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import type { Registries } from "../flags/registries.ts";
import { type NamedDevice, openDevice } from "../run/devices.ts";
import { answerRows, said } from "../sampling/answer_file.ts";
import { chatCommands, converse } from "../sampling/conversation.ts";
import {
  describeOptions,
  generationOptions,
  stopStringsOf,
} from "../sampling/generation_settings.ts";
import { readSpeaker, type Speaker, type Voice } from "../sampling/speaker.ts";
import { speak } from "../sampling/speech.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { inputLines } from "../terminal/input.ts";
import { interruptible } from "../terminal/interruption.ts";
import { sideBySide } from "../terminal/layout.ts";
import { answerUnit, progressReporter, standardProgress } from "../terminal/progress.ts";
import { print, tell, write } from "../terminal/terminal.ts";

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

/** The most tokens of an answer, where neither a flag nor the model says. */
const LONGEST = { answer: 200, chat: 1024 } as const;

const { isShared: _isShared, isPlace: _isPlace, ...device } = settingTable.device;
const flags = {
  run: { kind: "string", placeholder: "DIR", help: "The folder of the run, as train printed it." },
  model: {
    kind: "string",
    placeholder: "DIR",
    help: "The folder of a model in Hugging Face's layout, of a run, or of one of its checkpoints.",
  },
  adapter: {
    kind: "string",
    placeholder: "DIR",
    help:
      "The folder of an adapter, of a run on one, or of one of its checkpoints. Without --model " +
      "it is on the model that it names.",
  },
  "chat-template": {
    kind: "string",
    placeholder: "NAME",
    help: `The chat template of a model that has none: ${Object.keys(baseTemplates).join(", ")}, ` +
      "or a file.",
  },
  prompt: {
    kind: "string",
    placeholder: "TEXT",
    help: "The prompt; for a model of running text, the text to continue.",
  },
  chat: {
    kind: "boolean",
    help:
      "Holds a conversation: reads a message from each line of standard input. Ctrl-C stops an " +
      "answer.",
  },
  prompts: {
    kind: "string",
    placeholder: "FILE",
    help:
      "Rows of prompts to answer, in the column prompt (a text or messages) or messages: files, " +
      "patterns or folders, as --data of train names them.",
  },
  out: { kind: "string", placeholder: "FILE", help: "The new file for the answers to --prompts." },
  system: { kind: "string", placeholder: "TEXT", help: "The message of the system at the start." },
  "compare-base": {
    kind: "boolean",
    help: "Shows the answers of the model without its adapter beside those with it.",
  },
  "max-new-tokens": {
    kind: "integer",
    min: 1,
    help:
      "The most tokens of an answer, which also ends where the context is full (default: that of " +
      `generation_config.json, otherwise ${LONGEST.answer}, and ${LONGEST.chat} in a conversation).`,
  },
  temperature: {
    kind: "number",
    min: 0,
    help:
      "0 always takes the most likely token; 1 samples from the model's probabilities (default: " +
      "that of generation_config.json with its top-k and top-p, otherwise 0).",
  },
  ...drawing,
  stop: {
    kind: "string",
    placeholder: "TEXTS",
    help:
      "Texts that end an answer, beside the model's stop tokens; they are no part of it. Several " +
      "are separated by |; \\n is a line end, \\t a tab, \\| and \\\\ the characters themselves " +
      "(default: those of generation_config.json).",
  },
  "batch-size": { kind: "integer", default: 8, min: 1, help: "Prompts that are answered at once." },
  raw: {
    kind: "boolean",
    help: "Prints completions as they are. Without it, control characters stand as escapes, such " +
      "as \\u001b, so that no completion controls a terminal.",
  },
  device: { ...device, group: "Flags" },
} as const satisfies FlagTable;

type SampleFlags = FlagValues<typeof flags>;

const usage = `Generates from the latest checkpoint of a run, or from a pretrained model.

  deno task sample --run runs/sft-tasks --prompt "reverse bead"
  deno task sample --run runs/sft-book --prompt "Once" --temperature 0.8
  deno task sample --model models/SmolLM2-135M-Instruct --chat
  deno task sample --adapter runs/sft-rows --prompt "Hello" --compare-base
  deno task sample --model models/a --prompts rows.jsonl --out answers.jsonl`;

/** What the command is asked to do. */
const modes = ["prompt", "chat", "prompts"] as const;

type Mode = typeof modes[number];

/** The flags that have an effect in some modes only. */
const flagModes: Readonly<Record<string, readonly Mode[]>> = {
  "--out": ["prompts"],
  "--batch-size": ["prompts"],
  "--count": ["prompt", "prompts"],
  "--compare-base": ["prompt", "prompts"],
  "--raw": ["prompt", "chat"],
};

/** What the command is asked to do, by the only one of its flags. */
function modeOf(values: SampleFlags, given: readonly string[]): Mode {
  const [mode, ...others] = modes.filter((mode) => values[mode] !== undefined && values[mode]);
  if (mode === undefined) {
    throw new UsageError('--prompt "..." is needed, or --chat, or --prompts FILE with --out FILE');
  }
  const [other] = others;
  if (other !== undefined) {
    throw new UsageError(`--${mode} and --${other} exclude each other: give one of them`);
  }
  const vain = given.find((flag) => !(flagModes[flag] ?? modes).includes(mode));
  if (vain !== undefined) {
    throw new UsageError(`${vain} has no effect with --${mode}: leave it out`);
  }
  if (mode === "prompts" && values.out === undefined) {
    throw new UsageError("--prompts needs --out FILE, the new file for the answers");
  }
  return mode;
}

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
  const { values } = parsed;
  const given = givenFlags(parsed);
  const { run, model, adapter, out } = values;
  const name = run ?? adapter ?? model;
  if (name === undefined) {
    throw new UsageError("--run DIR is needed, or --model DIR, or --adapter DIR");
  }
  if (run !== undefined && adapter !== undefined) {
    throw new UsageError("--run and --adapter exclude each other: give one of them");
  }
  const mode = modeOf(values, given);
  if (out !== undefined) await requireNew(out);
  const rows = values.prompts === undefined ? [] : await readPromptRows(values.prompts);
  // With auto, the reason why the device is wasm matters less than the answer.
  using device = await openDevice(values.device, values.device === "auto" ? undefined : tell);
  const speaker = await readShown(values, name, device, architectures);
  refuseMisfit(speaker, values, mode);
  const longest = mode === "chat" ? LONGEST.chat : LONGEST.answer;
  const options = generationOptions(values, speaker.settings, longest);
  const draws = given.filter((flag) => drawn.has(flag));
  if (options.temperature === 0 && draws.length > 0) {
    throw new UsageError(
      `${draws.join(", ")}: nothing is drawn at temperature 0, give a --temperature above it`,
    );
  }
  tellSettings(speaker, options, given);
  const asked: Asked = {
    ...{ speaker, device, values, stopStrings: stopStringsOf(values, speaker.settings) },
    options: { ...options, seed: values.seed },
  };
  if (mode === "chat") return await chat(asked);
  if (mode === "prompts") return await answerFile(asked, rows, out ?? "");
  return await answerPrompt(asked, values.prompt ?? "");
}

/** What is asked of whom. */
interface Asked {
  readonly speaker: Speaker;
  readonly device: NamedDevice;
  readonly values: SampleFlags;
  readonly options: ReturnType<typeof generationOptions> & { readonly seed: number };
  /** Texts that end an answer. */
  readonly stopStrings: readonly string[];
}

/** Reads the model that answers, and shows the progress if that takes long. */
async function readShown(
  values: SampleFlags,
  name: string,
  device: NamedDevice,
  architectures: Registries["architectures"],
): Promise<Speaker> {
  using watch = shownWatch(standardProgress());
  return await readSpeaker(values, {
    device,
    ...architectures && { architectures },
    tell: watch.begin({ doing: `reading ${name}`, subject: name }),
  });
}

/** Refuses what the model cannot do. */
function refuseMisfit(
  { name, kind, tokenizer, base }: Speaker,
  { system, compareBase }: SampleFlags,
  mode: Mode,
): void {
  if (compareBase && base === undefined) {
    throw new UserError(
      `${name} has no adapter to compare with its base: leave out --compare-base`,
    );
  }
  if (!isOfTexts(kind) && tokenizer.chat !== undefined) return;
  const conversing = mode === "chat" ? "--chat" : system === undefined ? undefined : "--system";
  if (conversing === undefined) return;
  throw new UserError(
    tokenizer.chat === undefined
      ? `${name} has no chat template, which ${conversing} needs: name one by --chat-template, or ` +
        `have a text continued by --prompt`
      : `${name} was trained on running text, and knows no conversation, which ${conversing} ` +
        `needs: have a text continued by --prompt`,
  );
}

/** The flags that come before the settings of a model's folder. */
const overriding: ReadonlySet<string> = new Set(["--temperature", "--top-k", "--top-p"]);

/** Tells how a model is sampled whose folder says how it is to be. */
function tellSettings(
  { settings }: Speaker,
  options: ReturnType<typeof generationOptions>,
  given: readonly string[],
): void {
  if (settings === undefined) return;
  const { isStated, unapplied } = settings;
  const flags = given.filter((flag) => overriding.has(flag));
  const sources = ["generation_config.json", ...flags].join(", ");
  if (isStated) tell(`${describeOptions(options)} (by ${sources})`);
  if (unapplied.length === 0) return;
  tell(
    `note: generation_config.json sets ${unapplied.join(", ")}, which is not applied: other ` +
      `programs may give other answers`,
  );
}

/** Refuses a file that is already there. */
async function requireNew(path: string): Promise<void> {
  if (!await isThere(path)) return;
  throw new UserError(`${path} is already there, and is not replaced: name a new file by --out`);
}

/** Completions of one prompt that are generated together. */
const AT_ONCE = 64;

/** Answers a prompt, on standard output. */
async function answerPrompt(
  { speaker, device, values, options, stopStrings }: Asked,
  prompt: string,
): Promise<number> {
  const { model, params, tokenizer, kind, base } = speaker;
  const { context } = model.config;
  const ids = readPrompt({ tokenizer, kind, context }, prompt, values.system);
  const { count, raw } = values;
  const begin = isOfTexts(kind) ? prompt : "";
  if (count === 1 && !values.compareBase) {
    using generator = createGenerator(model, { device });
    const show = (text: string) => write(raw ? text : printableLines(text));
    show(begin);
    await speak({ generator, params, tokenizer, write: show, stopStrings }, ids, options);
    show("\n");
    return 0;
  }
  const show = raw ? console.log : print;
  using stack = new DisposableStack();
  const voices = (values.compareBase && base !== undefined ? [base, speaker] : [speaker]).map(
    ({ model, params }) => ({
      sampler: stack.use(createSampler(model, tokenizer, device, { stopStrings })),
      params,
    }),
  );
  for (let firstRow = 0; firstRow < count; firstRow += AT_ONCE) {
    const prompts = Array<readonly number[]>(Math.min(AT_ONCE, count - firstRow)).fill(ids);
    const texts: string[][] = [];
    for (const { sampler, params } of voices) {
      const answers = await sampler.sample(params, prompts, { ...options, firstRow });
      texts.push(answers.map((answer) => `${begin}${said(answer, speaker)}`));
    }
    const [own = [], tuned] = texts;
    own.forEach((text, i) => {
      const other = tuned?.[i];
      if (other === undefined) show(text);
      else sideBySide(["base", text], ["with the adapter", other]).forEach((line) => show(line));
    });
  }
  return 0;
}

/** Answers the prompts of a file, in a new file. */
async function answerFile(
  { speaker, device, values, options, stopStrings }: Asked,
  rows: Awaited<ReturnType<typeof readPromptRows>>,
  out: string,
): Promise<number> {
  const { tokenizer, kind, model: { config: { context } } } = speaker;
  const { count, batchSize, system } = values;
  using stack = new DisposableStack();
  const sampled = ({ model, params }: Voice) => ({
    sampler: stack.use(createSampler(model, tokenizer, device, { stopStrings })),
    params,
  });
  const base = values.compareBase ? speaker.base : undefined;
  const answerers = {
    completion: sampled(speaker),
    ...base && { base_completion: sampled(base) },
  };
  const total = rows.length * count;
  const answered = async () => {
    using progress = progressReporter(standardProgress(), total, batchSize, answerUnit);
    return await answerRows(rows, {
      reader: { tokenizer, kind, context },
      answerers,
      sampling: options,
      ...{ count, system, batch: batchSize },
      tell: (answers) => progress.update(answers),
    });
  };
  const { text, cut } = await answered();
  await requireNew(out);
  await writeFileAtomically(out, text);
  print(`${out}: ${total} answers`);
  if (cut > 0) {
    tell(
      `${cut} answers were cut off after ${options.maxNewTokens} tokens or at the context's end: ` +
        `--max-new-tokens allows more`,
    );
  }
  return 0;
}

/** The exit code after Ctrl-C, which stops an answer and not the conversation. */
const INTERRUPTED = 130;

/** Holds a conversation on standard input and output. */
async function chat(
  { speaker, device, values, options, stopStrings }: Asked,
): Promise<number> {
  const { model, params, tokenizer, kind, name } = speaker;
  const isTerminal = Deno.stdin.isTerminal();
  if (isTerminal) {
    const known = Object.entries(chatCommands).map(([name, what]) => `${name} ${what}`);
    tell(`A conversation with ${name}: ${known.join(", ")}; Ctrl-C stops an answer.`);
  }
  using generator = createGenerator(model, { device });
  const show = (text: string) => write(values.raw ? text : printableLines(text));
  let exitCode = 0;
  await converse({ tokenizer, kind, context: model.config.context }, {
    lines: inputLines(Deno.stdin.readable),
    ask: () => isTerminal && write("> "),
    answered: (notes) => {
      write(isTerminal && notes.length === 0 ? "\n\n" : "\n");
      notes.forEach(tell);
    },
    tell,
  }, {
    system: values.system,
    answer: async (prompt, turn) => {
      using interruption = interruptible();
      const { signal } = interruption;
      const speech = { generator, params, tokenizer, write: show, stopStrings };
      const spoken = await speak(speech, prompt, { ...options, firstRow: turn, signal });
      const isOver = interruption.exitCode !== 0 && interruption.exitCode !== INTERRUPTED;
      if (isOver) exitCode = interruption.exitCode;
      return isOver ? undefined : spoken;
    },
  });
  if (isTerminal) write("\n");
  return exitCode;
}

if (import.meta.main) await runCommand(() => sampleCommand(Deno.args));
