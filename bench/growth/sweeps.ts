/** The growth of a step's cost with one size of a model or of its batches. */
import type { Device } from "@unitune/core";
import { stepOperations } from "../arithmetic.ts";
import { exponentOf, interleaved, type Measuring, type Spread } from "../measure.ts";
import { startTraining } from "../training.ts";
import type { Workload } from "../workloads.ts";

/** Elements of a head, so that a wider model has more heads. */
const HEAD_WIDTH = 32;

/** The workload that the sweeps have in common. */
export const base: Workload = {
  config: { vocabulary: 65, context: 64, layers: 2, heads: 4, width: 128, dropout: 0 },
  batch: 8,
};

/** A size that grows while the others stay, and its values. */
export interface Sweep {
  /** Its name. */
  readonly size: string;
  /** Its values; the base's is one of them. */
  readonly values: readonly number[];
  /** The workload for a value. */
  with(value: number): Workload;
}

/** The sweeps. */
export const sweeps: readonly Sweep[] = [
  {
    size: "width",
    values: [64, 128, 256, 512],
    with: (width) => ({
      ...base,
      config: { ...base.config, width, heads: width / HEAD_WIDTH },
    }),
  },
  {
    size: "layers",
    values: [1, 2, 4, 8],
    with: (layers) => ({ ...base, config: { ...base.config, layers } }),
  },
  {
    size: "context",
    values: [32, 64, 128, 256, 512],
    with: (context) => ({ ...base, config: { ...base.config, context } }),
  },
  {
    size: "vocabulary",
    values: [65, 1024, 4096, 16_384, 65_536],
    with: (vocabulary) => ({ ...base, config: { ...base.config, vocabulary } }),
  },
  { size: "batch", values: [4, 8, 16, 32], with: (batch) => ({ ...base, batch }) },
];

/** A step of one workload of a sweep. */
export interface GrowthPoint {
  /** The value of the size. */
  readonly value: number;
  /** Operations of a step, by {@linkcode stepOperations}. */
  readonly operations: number;
  /** Milliseconds of a step. */
  readonly milliseconds: Spread;
  /** Bytes that a step takes between its operands and its results: activations and gradients. */
  readonly bytes: number;
}

/** The growth of cost with a size. */
export interface Growth {
  /** Its name. */
  readonly size: string;
  /** Its values and their costs. */
  readonly points: readonly GrowthPoint[];
  /** The power of the size that the time grows by. */
  readonly exponent: number;
  /** The power that the operations grow by. */
  readonly expected: number;
}

/** Costs by value, with the powers that fit them best. */
export function growthOf(size: string, points: readonly GrowthPoint[]): Growth {
  const along = (cost: (point: GrowthPoint) => number) =>
    exponentOf(points.map((point) => ({ x: point.value, y: cost(point) })));
  return {
    size,
    points,
    exponent: along(({ milliseconds }) => milliseconds.median),
    expected: along(({ operations }) => operations),
  };
}

/**
 * Measures a step by SFT of every workload of every sweep, all of them in turns.
 *
 * @param device The device to compute on.
 * @param all The sweeps.
 * @param measuring The number of steps of each.
 * @returns The costs by sweep.
 */
export async function measureGrowth(
  device: Device,
  all: readonly Sweep[],
  measuring: Measuring,
): Promise<Growth[]> {
  using stack = new DisposableStack();
  const subjects = all.flatMap((sweep) =>
    sweep.values.map((value) => {
      const workload = sweep.with(value);
      const training = stack.use(startTraining("sft", workload, device));
      return { sweep, value, workload, training, run: training.run };
    })
  );
  const measured = await interleaved(subjects, measuring);
  return all.map((sweep) =>
    growthOf(
      sweep.size,
      measured.filter(({ subject }) => subject.sweep === sweep).map(({ subject, time }) => ({
        value: subject.value,
        operations: stepOperations(subject.workload, "sft"),
        milliseconds: time,
        bytes: subject.training.statistics().arenaBytes,
      })),
    )
  );
}
