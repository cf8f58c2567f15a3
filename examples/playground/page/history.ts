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
  /** The mean over seeds at the last step that all of them have measured; undefined before. */
  latest(metric: string, lane: number): number | undefined;
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

const meanOf = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const leastOf = (values: readonly number[]) =>
  values.reduce((least, value) => Math.min(least, value));
const mostOf = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value));

/** The bands of curves, `[lane][seed]`. A step that some seed lacks is left out of the lane. */
function bandsOf(curves: readonly (readonly Curve[])[]): Bands {
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
          mean: meanOf(values),
          low: leastOf(values),
          high: mostOf(values),
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

/** The most points of a line: a chart is hardly wider. */
const MOST_POINTS = 240;

/**
 * Bands of fewer steps. Some steps become one, the last of them: a line's mean over them, the least
 * and the most of its band.
 *
 * @param bands The bands.
 * @param most The most steps (default 240).
 * @returns The same bands if they have no more.
 */
export function thinned(bands: Bands, most: number = MOST_POINTS): Bands {
  const { steps, lanes } = bands;
  const width = Math.ceil(steps.length / most);
  if (width <= 1) return bands;
  const parts = Array.from(
    { length: Math.ceil(steps.length / width) },
    (_, i) => [i * width, (i + 1) * width] as const,
  );
  const joined = (
    values: readonly (number | null)[],
    join: (own: readonly number[]) => number,
  ) =>
    parts.map(([from, to]) => {
      const own = values.slice(from, to).filter((value) => value !== null);
      return own.length === 0 ? null : join(own);
    });
  return {
    steps: parts.flatMap(([from, to]) => steps.slice(from, to).slice(-1)),
    lanes: lanes.map(({ mean, low, high }) => ({
      mean: joined(mean, meanOf),
      low: joined(low, leastOf),
      high: joined(high, mostOf),
    })),
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
    latest(metric, lane) {
      const curves = metrics.get(metric)?.get(lane);
      if (curves === undefined) return undefined;
      for (let step = last; step >= 0; step--) {
        const mean = meanOf(curves.map((curve) => curve.get(step) ?? NaN));
        if (Number.isFinite(mean)) return mean;
      }
      return undefined;
    },
    bands: (metric, lanes) =>
      bandsOf(Array.from({ length: lanes }, (_, lane) => metrics.get(metric)?.get(lane) ?? [])),
  };
}
