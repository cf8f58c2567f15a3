/** Timing by a clock, whatever is timed. */

/** Milliseconds since some moment. */
export type Clock = () => number;

/** The median of some measurements, and their quartiles. */
export interface Spread {
  /** Half of the measurements are below, half above. */
  readonly median: number;
  /** The first quartile. */
  readonly low: number;
  /** The third quartile. */
  readonly high: number;
}

/**
 * The value below which a fraction `q` of the measurements lies, interpolated linearly between the
 * two nearest ones.
 *
 * @throws {RangeError} If there are no measurements.
 */
export function quantile(measurements: readonly number[], q: number): number {
  const sorted = measurements.toSorted((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) {
    throw new RangeError("quantile: expected at least one measurement, got none");
  }
  return below + (above - below) * (place - Math.floor(place));
}

/** The median and the quartiles of some measurements. */
export function spreadOf(measurements: readonly number[]): Spread {
  return {
    median: quantile(measurements, 0.5),
    low: quantile(measurements, 0.25),
    high: quantile(measurements, 0.75),
  };
}

/** Something to time. It is over when its promise resolves. */
export interface Timed {
  /** Does it once. */
  run(): Promise<void>;
}

/** Times one run. */
export async function timeOf(subject: Timed, now: Clock): Promise<number> {
  const start = now();
  await subject.run();
  return now() - start;
}

/** The runs before timing: at least a number of runs and a time, whichever ends later. */
export interface WarmUp {
  /** Runs at least. */
  readonly runs: number;
  /** Milliseconds of running at least. */
  readonly milliseconds: number;
}

/**
 * Runs a subject until it is warm.
 *
 * An engine optimises a function after it has run for long enough, so a warm-up is a matter of
 * time: a function that is not optimised by its end takes too small a part of the whole to matter.
 * A few runs do not show the speed of small steps.
 */
export async function warm(subject: Timed, { runs, milliseconds }: WarmUp, now: Clock) {
  let total = 0;
  for (let run = 0; run < runs || total < milliseconds; run++) total += await timeOf(subject, now);
}

/** The rounds of a measurement, and its clock. */
export interface Measuring {
  /** The warm-up of each subject. */
  readonly warmUp: WarmUp;
  /** Rounds that are counted. */
  readonly rounds: number;
  /** The clock. */
  readonly now: Clock;
  /** Called with the progress: warm subjects and finished rounds, of all. */
  readonly progress?: (done: number, all: number) => void;
}

/** A measurement with a warm-up of some seconds, by the real clock. */
export function measuringFor(
  { warmUp, rounds }: { readonly warmUp: number; readonly rounds: number },
): Measuring {
  return {
    warmUp: { runs: 1, milliseconds: 1000 * warmUp },
    rounds,
    now: () => performance.now(),
  };
}

/** The times of a subject. */
export interface TimedSubject<S> {
  /** The subject. */
  readonly subject: S;
  /** Median and quartiles of its times, in milliseconds. */
  readonly time: Spread;
  /** Its time in each round, in milliseconds. */
  readonly times: readonly number[];
}

/**
 * Times several subjects in one sitting: all are warmed up, then every round runs each of them
 * once, alternately from the first to the last and from the last to the first. So slow phases of
 * the machine, and the caches that one subject leaves to the next, affect all of them alike, and
 * their medians can be divided.
 */
export async function interleaved<S extends Timed>(
  subjects: readonly S[],
  { warmUp, rounds, now, progress = () => {} }: Measuring,
): Promise<TimedSubject<S>[]> {
  let done = 0;
  const tell = () => progress(++done, subjects.length + rounds);
  for (const subject of subjects) {
    await warm(subject, warmUp, now);
    tell();
  }
  const measured = subjects.map((subject) => ({ subject, times: new Array<number>() }));
  for (let round = 0; round < rounds; round++) {
    for (const { subject, times } of round % 2 === 0 ? measured : measured.toReversed()) {
      times.push(await timeOf(subject, now));
    }
    tell();
  }
  return measured.map(({ subject, times }) => ({ subject, time: spreadOf(times), times }));
}

/**
 * The exponent of the power that fits best: the slope of a line through points whose coordinates are
 * logarithms, by least squares.
 *
 * @throws {RangeError} If the points have fewer than two different x.
 */
export function exponentOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  const mean = (of: (point: { x: number; y: number }) => number) =>
    logs.reduce((sum, point) => sum + of(point), 0) / logs.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const variance = mean((point) => (point.x - x) ** 2);
  if (!(variance > 0)) throw new RangeError("exponentOf: expected points at two places at least");
  return mean((point) => (point.x - x) * (point.y - y)) / variance;
}
