/**
 * Groups of answers that come again: a group whose answers all have one reward teaches nothing, and is
 * replaced by an earlier one whose answers differ.
 *
 * @module
 */

import {
  concat,
  type Device,
  evaluate,
  gather,
  leavesOf,
  replaceLeaves,
  tensor,
} from "@unitune/core";
import type { Random } from "../random.ts";

/** What is told of a group. */
export interface GroupValue {
  /** How much it teaches, above 0; 0 where its answers do not differ, or there is no group. */
  readonly score: number;
  /** The tokens of its prompts and answers. */
  readonly tokens: number;
}

/**
 * A group by its number.
 *
 * @param fresh The groups of the batch, whose numbers come first.
 * @param kept The groups that were kept.
 * @param group The number.
 * @returns What is told of it.
 * @throws {RangeError} If there is no such group.
 */
export function groupAt(
  fresh: readonly GroupValue[],
  kept: readonly GroupValue[],
  group: number,
): GroupValue {
  const found = fresh[group] ?? kept[group - fresh.length];
  if (found === undefined) throw new RangeError(`there is no group ${group}`);
  return found;
}

/** The groups of a batch, and those that are kept, by their numbers: new ones first, then kept ones. */
export interface Replay {
  /** The groups of the batch. */
  readonly batch: readonly number[];
  /** The groups that are kept from now on. */
  readonly kept: readonly number[];
}

/** Added to the deviation that advantages are divided by, as in GRPO. */
const EPSILON = 1e-4;

/**
 * How much a group teaches: `sum_i |A_i| s` of the advantages of GRPO and the deviation s of its rewards,
 * that of a sample (TRL's GRPOWithReplayBufferTrainer).
 *
 * @param rewards The rewards of its answers; null for answers that cannot be judged.
 * @returns The score, 0 if the rewards do not differ.
 */
export function groupScore(rewards: readonly (number | null)[]): number {
  const judged = rewards.filter((reward) => reward !== null);
  const [first = 0] = judged;
  if (judged.every((reward) => reward === first)) return 0;
  const mean = judged.reduce((total, reward) => total + reward, 0) / judged.length;
  const squares = judged.reduce((total, reward) => total + (reward - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (judged.length - 1));
  const distance = judged.reduce((total, reward) => total + Math.abs(reward - mean), 0);
  return distance / (deviation + EPSILON) * deviation;
}

/**
 * The groups of a batch in which those that teach nothing are replaced by kept ones, and the groups that
 * are kept: the best of both, of equals the earlier. Kept groups are drawn in proportion to their scores,
 * each once as long as there are others; where none is kept, a group stays.
 *
 * @param fresh The groups of the batch.
 * @param kept The groups that were kept.
 * @param random A source of numbers, uniform on [0, 1).
 * @returns The groups by their numbers.
 */
export function replayOf(
  fresh: readonly GroupValue[],
  kept: readonly GroupValue[],
  random: Random,
): Replay {
  const scoreOf = (group: number) => groupAt(fresh, kept, group).score;
  // Earlier groups stand before newer ones, so that a newer one has to be better.
  const earlier = kept.map((_, i) => fresh.length + i);
  const best = [...earlier, ...fresh.keys()]
    .toSorted((a, b) => scoreOf(b) - scoreOf(a))
    .slice(0, kept.length);
  const known = best.filter((group) => scoreOf(group) > 0);
  let left: readonly number[] = [];
  const draw = (): number | undefined => {
    if (known.length === 0) return undefined;
    if (left.length === 0) left = known;
    let place = random() * left.reduce((total, group) => total + scoreOf(group), 0);
    const drawn = left.find((group) => (place -= scoreOf(group)) < 0) ?? left.at(-1);
    left = left.filter((group) => group !== drawn);
    return drawn;
  };
  return {
    batch: fresh.map(({ score }, group) => score > 0 ? group : draw() ?? group),
    kept: best,
  };
}

/**
 * Batches of the rows of groups, in which groups were moved.
 *
 * @typeParam B A batch, each of whose tensors has a row for each answer.
 * @param batches The batches of new groups.
 * @param kept The groups that were kept, as one batch.
 * @param replay The groups that both have from now on.
 * @param groupSize Answers of a group.
 * @param device Where the rows are.
 * @returns The batches, and the kept groups.
 */
export function movedGroups<B>(
  batches: readonly B[],
  kept: B,
  replay: Replay,
  { groupSize, device }: { readonly groupSize: number; readonly device: Device },
): { readonly batches: readonly B[]; readonly kept: B } {
  const sources = [...batches, kept].map(leavesOf);
  const columns = leavesOf(kept).map((_, leaf) =>
    concat(sources.flatMap((leaves) => leaves[leaf] ?? []), 0)
  );
  const of = (like: B, groups: readonly number[]): B => {
    const rows = groups.flatMap((group) =>
      Array.from({ length: groupSize }, (_, i) => group * groupSize + i)
    );
    const index = tensor(rows, { dtype: "i32" });
    return replaceLeaves(like, columns.map((column) => gather(column, index)));
  };
  const each = replay.batch.length / batches.length;
  return evaluate({
    batches: batches.map((batch, i) => of(batch, replay.batch.slice(i * each, (i + 1) * each))),
    kept: of(kept, replay.kept),
  }, device);
}
