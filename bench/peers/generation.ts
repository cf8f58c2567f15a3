/** `deno task bench --peers --generation`: `generate` of transformers beside ours, in turns. */
import { fileURLToPath } from "node:url";
import { alignTable, type Estimate } from "@unitune/cli";
import type { Measuring } from "../measure.ts";
import { brief, quartiles } from "../report.ts";
import type { Missing, PeerCommand } from "./peer.ts";
import { type DeviceName, permissionsFor } from "./permissions.ts";
import { measureSittings, turnsOf } from "./sittings.ts";
import { pairedRatio, together } from "./turns.ts";

/** The sizes of a model and of what it generates, as they are passed to a peer. */
export interface GenerationSizes {
  /** Blocks. */
  readonly layers: number;
  /** Width of the hidden states. */
  readonly width: number;
  /** Heads of queries. */
  readonly heads: number;
  /** Heads of keys and values. */
  readonly keyValueHeads: number;
  /** Width of the perceptrons. */
  readonly hiddenWidth: number;
  /** Tokens that there are. */
  readonly vocabulary: number;
  /** The longest sequence. */
  readonly context: number;
  /** Prompts that are completed at once. */
  readonly batch: number;
  /** Tokens of a prompt. */
  readonly prompt: number;
  /** Tokens of a completion. */
  readonly tokens: number;
  /** The element type of the weights, as PyTorch names it. */
  readonly dtype: "float32" | "bfloat16";
}

/** The shape of SmolLM2-135M, by its config.json. */
const SMOLLM2 = {
  ...{ layers: 30, width: 576, heads: 9, keyValueHeads: 3, hiddenWidth: 1536 },
  ...{ vocabulary: 49_152, context: 1024 },
} as const;

/** Prompts that are completed at once. */
const BATCHES = [1, 16] as const;

/** The measurements of generation for some prompts at once. */
export interface GenerationComparison {
  /** Prompts that are completed at once. */
  readonly batch: number;
  /** Tokens of a prompt. */
  readonly prompt: number;
  /** Tokens of a completion. */
  readonly tokens: number;
  /** The libraries: the time from prompts to completions, also as a multiple of ours in f32. */
  readonly turns: readonly (ReturnType<typeof together> & {
    readonly version: string;
    readonly tokensPerSecond: number;
    readonly paired: Estimate;
  })[];
  /** Libraries that could not be measured. */
  readonly missing: readonly Missing[];
}

/** What is compared. */
export interface ComparisonOptions {
  /** Where ours computes. */
  readonly device: DeviceName;
  /** The Python that has transformers. */
  readonly python: string;
  /** Another checkout of this repository. */
  readonly checkout: string | undefined;
  /** Tokens of a prompt, and of a completion. */
  readonly tokens: number;
  /** The number of times that the libraries are started anew. */
  readonly sittings: number;
  /** The length of a turn. */
  readonly turnMilliseconds: number;
}

function commandsOf(
  sizes: Omit<GenerationSizes, "dtype">,
  { device, python, checkout }: ComparisonOptions,
): readonly [ours: PeerCommand, ...others: PeerCommand[]] {
  const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const ours = (name: string, folder: string, dtype: GenerationSizes["dtype"]): PeerCommand => ({
    name,
    program: Deno.execPath(),
    args: [
      ...["run", "--no-prompt", ...permissionsFor(device, folder)],
      `--config=${folder}/deno.json`,
      ...[path("unitune_generation.ts"), folder, device, JSON.stringify({ ...sizes, dtype })],
    ],
  });
  const theirs = (name: string, dtype: GenerationSizes["dtype"]): PeerCommand => ({
    name,
    program: python,
    args: [path("transformers_generation.py"), JSON.stringify({ ...sizes, dtype })],
  });
  const own = path("../..");
  return [
    ours("unitune f32", own, "float32"),
    ours("unitune bf16", own, "bfloat16"),
    ...checkout === undefined ? [] : [ours(checkout, Deno.realPathSync(checkout), "float32")],
    theirs("transformers f32", "float32"),
    theirs("transformers bf16", "bfloat16"),
  ];
}

/**
 * Measures the time of completing prompts by each library, for one prompt and for several at once.
 *
 * @param options What is compared.
 * @param measuring The rounds, and the warm-up before them.
 * @returns A comparison for each number of prompts.
 */
export async function compareGeneration(
  options: ComparisonOptions,
  measuring: Measuring,
): Promise<readonly GenerationComparison[]> {
  const { tokens } = options;
  const comparisons: GenerationComparison[] = [];
  for (const [i, batch] of BATCHES.entries()) {
    const commands = commandsOf({ ...SMOLLM2, batch, prompt: tokens, tokens }, options);
    const [ours] = commands;
    const sittings = await measureSittings(commands, options, {
      ...measuring,
      progress: (done, all) => measuring.progress?.(i * all + done, BATCHES.length * all),
    });
    const [{ peers, missing }] = sittings;
    comparisons.push({
      ...{ batch, prompt: tokens, tokens, missing },
      turns: peers.map(({ name, version }) => {
        const turn = together(turnsOf(sittings, name));
        const tokensPerSecond = 1000 * batch * tokens / turn.milliseconds.median;
        const paired = pairedRatio(turnsOf(sittings, ours.name), turnsOf(sittings, name));
        return { ...turn, version, tokensPerSecond, paired };
      }),
    });
  }
  return comparisons;
}

/** A comparison as text. */
export function generationLines(
  { batch, prompt, tokens, turns, missing }: GenerationComparison,
): string[] {
  const rows = turns.map(({ name, version, milliseconds, tokensPerSecond, paired }) => [
    name,
    brief(milliseconds.median),
    quartiles(milliseconds),
    brief(tokensPerSecond),
    `${paired.mean.toFixed(2)} [${paired.low.toFixed(2)}, ${paired.high.toFixed(2)}]`,
    version,
  ]);
  const what = `${batch} x ${prompt} + ${tokens} tokens`;
  const titles = [what, "ms", "quartiles", "tokens/s", "ours f32 / its", "version"];
  return [
    ...alignTable([titles, ...rows]),
    ...missing.map(({ name, missing }) => `${name}: not measured: ${missing}`),
  ];
}
