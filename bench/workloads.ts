/** The workloads: models, and batches to train them on. */
import { integerFrom, randomStream } from "@unitune/training";
import { tensor } from "@unitune/core";
import { gptPresets, type GptSizes } from "@unitune/models";
import type { Demonstrations } from "@unitune/objectives";

/** A model and its batches. */
export interface Workload {
  /** Sizes of the model. */
  readonly config: GptSizes;
  /** Sequences in a batch; each as long as the context. */
  readonly batch: number;
  /** Whether it takes so long that it is measured only when asked for. */
  readonly isLong?: boolean;
}

/**
 * The workloads by the names of their presets, in the order in which they are measured. The sizes
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

/** The flag by which a benchmark is told its workload. */
export const presetFlag = {
  kind: "choice",
  choices: Object.keys(workloads),
  help: "The workload (default: all but baby, which takes minutes).",
} as const;

/** The workloads of one preset; without a name, all that do not take long. */
export function chosenWorkloads(preset: string | undefined): [string, Workload][] {
  return Object.entries(workloads).filter(([name, { isLong = false }]) =>
    preset === undefined ? !isLong : name === preset
  );
}

/** Random tokens; the same ones for the same seed. */
export function randomTokens(workload: Workload, length: number, seed = 0): number[] {
  const random = randomStream(seed);
  const { vocabulary } = workload.config;
  return Array.from({ length }, () => integerFrom(random, 0, vocabulary - 1));
}

/** Batches as training on a text has them: a row fills the context, all but its first is learned. */
export function trainingBatches(workload: Workload, count: number): Demonstrations[] {
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
