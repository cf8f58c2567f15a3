/** Timing: what is done with a clock, and nothing that knows what is timed. */

/** Milliseconds since some moment. */
export type Clock = () => number;

/** The middle of some measurements, and how far they spread. */
export interface Spread {
  /** Half of the measurements are below, half above. */
  readonly median: number;
  /** The first quartile. */
  readonly low: number;
  /** The third quartile. */
  readonly high: number;
}

/**
 * The value below which a part `q` of the measurements lies, in a straight line between the two
 * nearest ones.
 *
 * @throws {RangeError} If there are none.
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

/** Something that takes time. It is over when its promise is kept. */
export interface Timed {
  /** Does it once. */
  run(): Promise<void>;
}

/** How long something takes, once. */
export async function timeOf(subject: Timed, now: Clock): Promise<number> {
  const start = now();
  await subject.run();
  return now() - start;
}

/** How long something is run before it is timed: so often and for so long, whichever ends later. */
export interface WarmUp {
  /** Runs at least. */
  readonly runs: number;
  /** Milliseconds of running at least. */
  readonly milliseconds: number;
}

/**
 * Runs something until it is warm.
 *
 * What an engine compiles better after a while, it does for a function that has run for long enough,
 * so that a warm-up is a matter of time: what has not become faster by its end takes too small a part
 * of the whole to matter. A few runs do not tell the speed of small steps.
 */
export async function warm(subject: Timed, { runs, milliseconds }: WarmUp, now: Clock) {
  let total = 0;
  for (let run = 0; run < runs || total < milliseconds; run++) total += await timeOf(subject, now);
}

/** How often things are measured, and by which clock. */
export interface Measuring {
  /** What comes first, for each of them. */
  readonly warmUp: WarmUp;
  /** Rounds that are counted. */
  readonly rounds: number;
  /** The clock. */
  readonly now: Clock;
  /** Told how much of the work is done: things that are warm, and rounds. */
  readonly progress?: (done: number, all: number) => void;
}

/** How things are measured that are warmed up for some seconds, by the clock. */
export function measuringFor(
  { warmUp, rounds }: { readonly warmUp: number; readonly rounds: number },
): Measuring {
  return {
    warmUp: { runs: 1, milliseconds: 1000 * warmUp },
    rounds,
    now: () => performance.now(),
  };
}

/** How long something takes. */
export interface Measured<S> {
  /** What was timed. */
  readonly subject: S;
  /** The middle of its times, in milliseconds. */
  readonly time: Spread;
  /** Its time in each round, in milliseconds. */
  readonly times: readonly number[];
}

/**
 * How long things take, in one sitting: all are warmed up, then in every round each is done once, in
 * turns from the first to the last and from the last to the first. So whatever slows the machine for
 * a while, and whatever one leaves behind in its caches for the next, falls on all of them alike, and
 * their medians can be divided.
 */
export async function interleaved<S extends Timed>(
  subjects: readonly S[],
  { warmUp, rounds, now, progress = () => {} }: Measuring,
): Promise<Measured<S>[]> {
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
 * @throws {RangeError} If the points have fewer than two different places.
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
