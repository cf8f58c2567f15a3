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

/** How often things are measured, and by which clock. */
export interface Measuring {
  /** Rounds that are not counted. */
  readonly warmUp: number;
  /** Rounds that are. */
  readonly rounds: number;
  /** The clock. */
  readonly now: Clock;
}

/** How long something takes. */
export interface Measured<S> {
  /** What was timed. */
  readonly subject: S;
  /** Its times in milliseconds. */
  readonly time: Spread;
}

/**
 * How long things take, in one sitting: in every round each is done once, in turns from the first to
 * the last and from the last to the first. So whatever slows the machine for a while, and whatever
 * one leaves behind in its caches for the next, falls on all of them alike, and their medians can be
 * divided.
 */
export async function interleaved<S extends Timed>(
  subjects: readonly S[],
  { warmUp, rounds, now }: Measuring,
): Promise<Measured<S>[]> {
  const measured = subjects.map((subject) => ({ subject, times: new Array<number>() }));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const { subject, times } of round % 2 === 0 ? measured : measured.toReversed()) {
      const time = await timeOf(subject, now);
      if (round >= warmUp) times.push(time);
    }
  }
  return measured.map(({ subject, times }) => ({ subject, time: spreadOf(times) }));
}
