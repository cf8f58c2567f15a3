/**
 * Batches of data whose reference is renewed: the policy, as it is every few steps, scores the rows of
 * the steps until the next time.
 *
 * @module
 */

import { type Tensor, tensor, zeros } from "@unitune/core";
import type { ObjectiveDescription } from "@unitune/objectives";
import type { RowSource } from "../data/batches.ts";
import { addCost, noCost } from "../learner/cost.ts";
import { createScorer } from "../sampling/scorer.ts";
import type { Feed } from "./feed.ts";
import type { RowForm } from "./forms.ts";
import {
  type BatchMaker,
  type Layout,
  offlineFeed,
  outlinedBy,
  type Reference,
  scoreRowsBy,
  scoresAt,
} from "./offline.ts";

/** The log-probabilities of the rows of some steps. */
export interface Renewed {
  /** By row, in the order of the data from the first of the steps, and by its sequences, `[N, S, T]`. */
  readonly scores: Tensor;
}

/**
 * Rows in the order of a source, scored by the policy as it was at the first of some steps.
 *
 * @param source The rows.
 * @param form How they are read.
 * @param description What the objective says of itself.
 * @param layout How many rows make a batch, and how many batches a step.
 * @param renewal The steps after which the policy scores anew, and how it does.
 * @returns The feed.
 */
export function renewedFeed<Row, S>(
  source: RowSource<Row>,
  form: RowForm<Row, unknown, S>,
  description: ObjectiveDescription,
  layout: Layout,
  { steps, reference }: { readonly steps: number; readonly reference: Reference },
): Feed<S, Renewed> {
  const { batchSize, microBatches } = layout;
  const { sides, sequences } = form;
  const { length } = source;
  const each = batchSize * microBatches;
  const scorer = createScorer(reference.model, reference.device);
  const feedOf = (batch: BatchMaker<Row, S>) =>
    offlineFeed(source, form, batch, description, layout);
  const numbersFrom = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) => first + i);
  const row = sides * length;

  /** The scores of the rows of the steps from one on, and what they have cost. */
  const scored = async (params: unknown, index: number) => {
    const first = index * each;
    const own: RowSource<Row> = {
      ...source,
      row: (number) => source.row(first + number),
      place: (number) => source.place(first + number),
    };
    const { scores, cost } = await scoreRowsBy(scorer, own, form, { ...layout, steps }, {
      ...reference,
      start: { ...reference.start, policy: params },
    });
    const values = new Float32Array(steps * each * row);
    for (const number of numbersFrom(0, steps * each)) {
      const place = own.place(number);
      const ofRow = scores.get(place);
      if (ofRow === undefined) throw new RangeError(`row ${place} has no scores`);
      ofRow.forEach((side, k) => values.set(side, number * row + k * length));
    }
    return {
      experience: { scores: tensor(values, { shape: [steps * each, sides, length] }) },
      cost,
    };
  };

  /** The scores of the rows of a step, by the places of these in the data. */
  const ofStep = async ({ scores }: Renewed, index: number) => {
    const values = Float32Array.from(await scores.data());
    const before = (index % steps) * each;
    return new Map(
      numbersFrom(0, each).map((i) => [
        source.place(index * each + i),
        Array.from({ length: sides }, (_, k) => {
          const start = (before + i) * row + k * length;
          return values.subarray(start, start + length);
        }),
      ]),
    );
  };

  return {
    ...feedOf(outlinedBy(form)),
    empty: { scores: zeros([steps * each, sides, length]) },
    next: async (params, earlier, index) => {
      const { experience, cost } = index % steps === 0
        ? await scored(params, index)
        : { experience: earlier, cost: noCost };
      const scores = await ofStep(experience, index);
      const feed = feedOf((rows, places, padding) =>
        form.scored(rows, padding, scoresAt(rows, places, sequences, scores))
      );
      const step = await feed.next(params, {}, index);
      return { ...step, experience, cost: addCost(step.cost, cost) };
    },
    [Symbol.dispose]: () => scorer[Symbol.dispose](),
  };
}
