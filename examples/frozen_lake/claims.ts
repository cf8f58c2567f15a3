/**
 * The paper's claims on Frozen Lake (arXiv 2405.11870, 5.3, B.2, figure 3), and which of them hold.
 */
import { type Estimate, estimateOf, meanOf } from "@unitune/cli";
import type { MethodRuns, Run } from "./experiment.ts";

/** Whether a claim holds: its interval is on the claim's side of 0, on the other, or on both. */
export type Verdict = "holds" | "does not hold" | "undecided";

/** A claim that some difference is above 0, and the measured difference. */
export interface Finding {
  readonly claim: string;
  /** The measured quantity, seed by seed; above 0 is as claimed. */
  readonly measured: string;
  readonly difference: Estimate;
  readonly verdict: Verdict;
}

/** A claim that a number is above 0, given for each seed. */
export interface Claim {
  readonly claim: string;
  readonly measured: string;
  /** The method whose run gives the value. */
  readonly of: string;
  /** The method whose value is subtracted (default: none). */
  readonly less?: string;
  readonly value: (run: Run) => number;
}

/** The least distance of a run. */
export function bestDistance({ distances }: Run): number {
  return distances.reduce((least, distance) => Math.min(least, distance), Infinity);
}

/** The distance at the end of a run. */
export function lastDistance({ distances }: Run): number {
  return distances.at(-1) ?? NaN;
}

function nearer(better: string, worse: string): Claim {
  return {
    claim: `${better} comes nearer to the optimal policy than ${worse}`,
    measured: `best distance, ${worse} - ${better}`,
    of: worse,
    less: better,
    value: bestDistance,
  };
}

/** The least fall or rise that counts, as a fraction of the distance at the start. */
const LEAST_MOVE = 0.005;

function turns(name: string): Claim {
  return {
    claim: `${name} first comes nearer, then goes away again`,
    measured: `the lesser of the fall to the best distance and the rise after it, less ` +
      `${100 * LEAST_MOVE} % of the start's distance`,
    of: name,
    value(run) {
      const [start = NaN] = run.distances;
      const best = bestDistance(run);
      return Math.min(start - best, lastDistance(run) - best) - LEAST_MOVE * start;
    },
  };
}

function exploresMore(name: string): Claim {
  return {
    claim: `${name} explores more cells than SFT`,
    measured: `distinct cells that were read, ${name} - SFT`,
    of: name,
    less: "SFT",
    value: ({ explored }) => explored,
  };
}

function closer(nearer: string, farther: string): Claim {
  return {
    claim: `the cells that ${nearer} reads are closer to the policy's own than ${farther}'s`,
    measured: `closeness, ${nearer} - ${farther}`,
    of: nearer,
    less: farther,
    value: ({ closeness }) => closeness,
  };
}

/** The ordering of best distances. */
export const ordering: readonly Claim[] = [
  nearer("DPO", "IFT"),
  nearer("IFT", "ORPO"),
  nearer("ORPO", "SFT"),
  nearer("IFT", "SFT"),
];

/** All claims. */
export const claims: readonly Claim[] = [
  ...ordering,
  ...["SFT", "ORPO", "IFT", "DPO"].map(turns),
  ...["IFT", "DPO", "ORPO"].map(exploresMore),
  {
    claim: "IFT copes better with a wrong step of its own than SFT",
    measured: "probability to reach the goal after a wrong step, at the end, IFT - SFT",
    of: "IFT",
    less: "SFT",
    value: ({ last }) => last.recovery,
  },
  closer("DPO", "IFT"),
  closer("IFT", "ORPO"),
  closer("ORPO", "SFT"),
  {
    claim: "SFT overestimates the model: the teacher-forced probability exceeds the success",
    measured: "mean over training of teacher-forced probability - probability to reach the goal",
    of: "SFT",
    value: ({ snapshots }) =>
      meanOf(snapshots.slice(1).map(({ teacherForced, success }) => teacherForced - success)),
  },
];

/** The least size of a difference: rounding in f32 may leave as much between two equal runs. */
const ROUNDING = 1e-9;

/** The verdict on an estimate that is claimed to be above 0. */
export function verdictOf({ low, high }: Pick<Estimate, "low" | "high">): Verdict {
  if (low > ROUNDING) return "holds";
  return high < -ROUNDING ? "does not hold" : "undecided";
}

/**
 * The findings on some claims, by the differences between runs of the same seed.
 *
 * @param results The runs.
 * @param which The claims (default: all).
 * @returns The findings.
 */
export function findingsOf(
  results: readonly MethodRuns[],
  which: readonly Claim[] = claims,
): readonly Finding[] {
  const valuesOf = (name: string, value: Claim["value"]) =>
    results.find(({ method }) => method.name === name)?.runs.map(value) ?? [];
  return which.map(({ claim, measured, of, less, value }) => {
    const taken = less === undefined ? [] : valuesOf(less, value);
    const difference = estimateOf(valuesOf(of, value).map((x, i) => x - (taken[i] ?? 0)));
    return { claim, measured, difference, verdict: verdictOf(difference) };
  });
}
