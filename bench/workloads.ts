/** The workloads: models, and batches to train them on. */
import { integerFrom, randomStream } from "@unitune/training";
import { tensor } from "@unitune/core";
import {
  gpt,
  gptPresets,
  type GptSizes,
  type LanguageModel,
  languageModel,
  type LanguageModelConfig,
  llama,
} from "@unitune/models";
import type { Demonstrations } from "@unitune/objectives";

/** The configuration of a workload's model: GPT-2's sizes, or those of another architecture. */
export type WorkloadConfig = GptSizes | (LanguageModelConfig & { readonly heads: number });

/**
 * A model and its batches.
 *
 * @typeParam C The configuration of the model; other libraries have only GPT-2.
 */
export interface Workload<C extends WorkloadConfig = GptSizes> {
  /** Sizes of the model. */
  readonly config: C;
  /** Sequences in a batch; each as long as the context. */
  readonly batch: number;
  /** Whether it takes so long that it is measured only when asked for. */
  readonly isLong?: boolean;
}

/** A workload of any architecture. */
export type AnyWorkload = Workload<WorkloadConfig>;

/** The model of a workload. */
export function modelOf({ config }: AnyWorkload): LanguageModel {
  return "modelType" in config ? languageModel(config) : gpt(config);
}

/**
 * The workloads of GPT-2 by the names of their presets, in the order in which they are measured. The sizes
 * are those that other libraries were measured with: `nano-cpu` is nanoGPT's configuration for a
 * CPU, `baby` the one for a GPU, with a smaller batch and, as benchmarks have it, without dropout.
 */
export const workloads: Readonly<Record<string, Workload>> = {
  nano: { config: { ...gptPresets.nano, vocabulary: 32 }, batch: 16 },
  "nano-cpu": { config: { ...gptPresets["nano-cpu"], vocabulary: 65 }, batch: 12 },
  baby: {
    config: { ...gptPresets.baby, vocabulary: 65, dropout: 0 },
    batch: 8,
    isLong: true,
  },
};

/** The sizes of SmolLM2-135M, for a shorter context: a Llama with tied embeddings. */
const smolLm2 = llama.readConfig({
  vocab_size: 49_152,
  max_position_embeddings: 512,
  num_hidden_layers: 30,
  hidden_size: 576,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  intermediate_size: 1536,
  hidden_act: "silu",
  rms_norm_eps: 1e-5,
  rope_theta: 100_000,
  tie_word_embeddings: true,
});

/** The workloads of all architectures: those of GPT-2, and the shape of a pretrained model. */
export const allWorkloads: Readonly<Record<string, AnyWorkload>> = {
  ...workloads,
  "smollm2-135m": { config: smolLm2, batch: 1, isLong: true },
};

/** The flag by which a benchmark is told its workload. */
export const presetFlag = {
  kind: "choice",
  choices: Object.keys(allWorkloads),
  help: "The workload (default: all but baby and smollm2-135m, which take minutes).",
} as const;

/** The flag by which a benchmark of other libraries is told its workload. */
export const gptPresetFlag = {
  kind: "choice",
  choices: Object.keys(workloads),
  help: "The workload (default: all but baby, which takes minutes).",
} as const;

/** The workloads of one preset; without a name, all that do not take long. */
export function chosenWorkloads<C extends WorkloadConfig>(
  preset: string | undefined,
  among: Readonly<Record<string, Workload<C>>>,
): [string, Workload<C>][] {
  return Object.entries(among).filter(([name, { isLong = false }]) =>
    preset === undefined ? !isLong : name === preset
  );
}

/** Random tokens; the same ones for the same seed. */
export function randomTokens(workload: AnyWorkload, length: number, seed = 0): number[] {
  const random = randomStream(seed);
  const { vocabulary } = workload.config;
  return Array.from({ length }, () => integerFrom(random, 0, vocabulary - 1));
}

/** Batches as training on a text has them: a row fills the context, all but its first is learned. */
export function trainingBatches(workload: AnyWorkload, count: number): Demonstrations[] {
  const length = workload.config.context + 1;
  const shape = [workload.batch, length];
  const learned = Array.from(
    { length: workload.batch * length },
    (_, i) => i % length === 0 ? 0 : 1,
  );
  return Array.from({ length: count }, (_, seed) => ({
    ids: tensor(randomTokens(workload, learned.length, seed), { shape, dtype: "i32" }),
    mask: tensor(learned, { shape }),
  }));
}
