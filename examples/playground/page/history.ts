/** The points of an experiment, gathered by metric, objective and seed. */
import type { Point } from "../protocol.ts";

/** A value at a step. */
type Curve = Map<number, number>;

/** The curves of an experiment. */
export interface History {
  add(points: readonly Point[]): void;
  /** Whether some training has measured a metric. */
  has(metric: string): boolean;
  /** The last step that any training has measured. */
  lastStep(): number;
  /** A metric's values for some objectives, as {@linkcode bandsOf} makes them. */
  bands(metric: string, lanes: number): Bands;
}

/** A metric of several objectives over steps: of each, the mean over seeds, the least, the most. */
export interface Bands {
  readonly steps: readonly number[];
  readonly lanes: readonly {
    readonly mean: readonly (number | null)[];
    readonly low: readonly (number | null)[];
    readonly high: readonly (number | null)[];
  }[];
}

/** The bands of curves, `[lane][seed]`. A step that some seed lacks is left out of the lane. */
export function bandsOf(curves: readonly (readonly Curve[])[]): Bands {
  const steps = [...new Set(curves.flat().flatMap((curve) => [...curve.keys()]))]
    .sort((a, b) => a - b);
  return {
    steps,
    lanes: curves.map((seeds) => {
      const rows = steps.map((step) => {
        const values = seeds.flatMap((curve) => {
          const value = curve.get(step);
          return value === undefined || !Number.isFinite(value) ? [] : [value];
        });
        if (values.length === 0 || values.length < seeds.length) return undefined;
        return {
          mean: values.reduce((sum, value) => sum + value, 0) / values.length,
          low: values.reduce((least, value) => Math.min(least, value)),
          high: values.reduce((most, value) => Math.max(most, value)),
        };
      });
      return {
        mean: rows.map((row) => row?.mean ?? null),
        low: rows.map((row) => row?.low ?? null),
        high: rows.map((row) => row?.high ?? null),
      };
    }),
  };
}

/** An empty history of trainings with some seeds each. */
export function makeHistory(seeds: number): History {
  const metrics = new Map<string, Map<number, Curve[]>>();
  let last = 0;
  return {
    add(points) {
      for (const { lane, seed, step, values } of points) {
        last = Math.max(last, step);
        for (const [metric, value] of Object.entries(values)) {
          const lanes = metrics.get(metric) ?? new Map<number, Curve[]>();
          metrics.set(metric, lanes);
          const own = lanes.get(lane) ?? Array.from({ length: seeds }, (): Curve => new Map());
          lanes.set(lane, own);
          own[seed]?.set(step, value);
        }
      }
    },
    has: (metric) => metrics.has(metric),
    lastStep: () => last,
    bands: (metric, lanes) =>
      bandsOf(Array.from({ length: lanes }, (_, lane) => metrics.get(metric)?.get(lane) ?? [])),
  };
}
