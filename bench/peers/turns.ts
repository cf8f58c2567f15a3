/** Trainings of several libraries, measured in turns. */
import { type Estimate, estimateOf } from "@unitune/cli";
import { interleaved, type Measuring, type Spread, spreadOf, timeOf, warm } from "../measure.ts";

/** A training that takes steps on request. */
export interface Steppable {
  /** Its name. */
  readonly name: string;
  /** Takes a number of steps. */
  run(steps: number): Promise<unknown>;
}

/** The measurements of a training. */
export interface TurnReport {
  /** Its name. */
  readonly name: string;
  /** Milliseconds of a step. */
  readonly milliseconds: Spread;
  /** Milliseconds of a step in each round. */
  readonly rounds: readonly number[];
  /** Steps of a turn. */
  readonly stepsPerTurn: number;
}

/**
 * Measures the time of a step of each training, in turns of several steps: long enough for a
 * training to have processor and caches to itself.
 *
 * @param trainings The trainings.
 * @param measuring The rounds, and the warm-up before them.
 * @param turnMilliseconds The length of a turn, which takes as many steps as fit, at least one.
 */
export async function measureTurns(
  trainings: readonly Steppable[],
  measuring: Measuring,
  turnMilliseconds: number,
): Promise<TurnReport[]> {
  const { warmUp, now } = measuring;
  const turns = [];
  for (const training of trainings) {
    const step = { run: async () => void await training.run(1) };
    await warm(step, warmUp, now);
    const steps = Math.max(1, Math.floor(turnMilliseconds / await timeOf(step, now)));
    turns.push({ training, steps, run: async () => void await training.run(steps) });
  }
  const cold = { runs: 0, milliseconds: 0 };
  const measured = await interleaved(turns, { ...measuring, warmUp: cold });
  return measured.map(({ subject: { training, steps }, time: { median, low, high }, times }) => ({
    name: training.name,
    stepsPerTurn: steps,
    rounds: times.map((time) => time / steps),
    milliseconds: { median: median / steps, low: low / steps, high: high / steps },
  }));
}

/** The measurements of a training from several sittings, as one. */
export function together(sittings: readonly TurnReport[]): Omit<TurnReport, "stepsPerTurn"> {
  const rounds = sittings.flatMap((sitting) => sitting.rounds);
  return { name: sittings[0]?.name ?? "", rounds, milliseconds: spreadOf(rounds) };
}

/**
 * The logarithm of the ratio of two trainings in a sitting: the mean of the logarithms within each
 * round.
 */
function sittingRatio(one: TurnReport, other: TurnReport | undefined): number {
  if (one.rounds.length !== other?.rounds.length) {
    throw new RangeError(
      `pairedRatio: expected as many rounds of ${one.name} as of ${other?.name}, ` +
        `got ${one.rounds.length} and ${other?.rounds.length}`,
    );
  }
  const logs = one.rounds.map((time, round) => Math.log(time / (other.rounds[round] ?? NaN)));
  return logs.reduce((sum, log) => sum + log, 0) / logs.length;
}

/**
 * The ratio of the times of two trainings: the geometric mean over sittings of the geometric mean
 * of the ratios within each round, whose two turns follow one another, with Student's 95 % interval
 * of the logarithms of sittings. A single sitting says little: the placement of a process's code
 * and memory is drawn once when it starts, and changes its time by up to 2 %.
 *
 * @throws {RangeError} If the two do not have the same sittings with the same numbers of rounds.
 */
export function pairedRatio(
  one: readonly TurnReport[],
  other: readonly TurnReport[],
): Estimate {
  const { mean, low, high, count } = estimateOf(
    one.map((sitting, i) => sittingRatio(sitting, other[i])),
  );
  return { mean: Math.exp(mean), low: Math.exp(low), high: Math.exp(high), count };
}
