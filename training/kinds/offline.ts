/**
 * Learners from data that is there before the training.
 *
 * @module
 */

import { compile, tensor } from "@unitune/core";
import {
  addEvaluations,
  type AskedModels,
  evaluationStep,
  type GivenOptions,
  type Objective,
  summarize,
} from "@unitune/objectives";
import type { RowSource } from "../data/batches.ts";
import { readLength } from "../data/fit.ts";
import { classOf, inClasses, lengthClasses } from "../data/lengths.ts";
import { addCost, type Cost, noCost } from "../learner/cost.ts";
import { readScalars } from "../evaluation.ts";
import { formLength, type Padding, type RowForm } from "../feeds/forms.ts";
import type { Feed } from "../feeds/feed.ts";
import { offlineFeed, outlinedBy, scoreAll, scoreRows, scoresAt } from "../feeds/offline.ts";
import { renewedFeed } from "../feeds/renewed.ts";
import type { Learner } from "../learner/learner.ts";
import { longest } from "../longest.ts";
import type { UserMessage } from "../text/message.ts";
import { createScorer, type Scores } from "../sampling/scorer.ts";
import { objectiveOptions } from "../settings.ts";
import { askingObjective, followsPolicy, type StageObjective } from "../learner/average.ts";
import { learnerOf, type LearnerParts, type Validation } from "../learner/stage_learner.ts";
import type { LearnerPlan, StageParts } from "./stage.ts";
import { partsOf } from "./stage.ts";

/**
 * An objective whose batches have the log-probabilities of a reference (S), or have not (B).
 */
export type OfflineObjective<B, S> =
  | {
    readonly reference: "log-probs";
    readonly make: Make<S>;
    readonly referenceSteps?: (given?: GivenOptions) => number;
  }
  | { readonly reference: "none" | "model"; readonly make: Make<B> };

type Make<B> = (given?: GivenOptions, models?: AskedModels) => Objective<B>;

/** Rows that a stage trains on. */
export interface StageRows<Row> {
  /** The rows. */
  readonly source: RowSource<Row>;
  /** Rows that are kept aside, about which the objective is asked (default: none). */
  readonly aside?: readonly Row[];
  /** The cost of making the rows (default: nothing). */
  readonly cost?: Cost;
  /** Notes for the user on rows that were left out (default: none). */
  readonly notes?: readonly UserMessage[];
}

/**
 * The learner of a stage whose rows are there before. Where the objective reads the reference's
 * log-probabilities, and only there, all rows are scored first, or those of some steps at the first of
 * them; where the reference follows the policy, those of each step.
 *
 * @param plan The stage.
 * @param entry The objective.
 * @param form How rows are read.
 * @param rows The rows.
 * @returns The learner.
 */
export async function offlineLearner<Row, B, S>(
  plan: LearnerPlan,
  entry: OfflineObjective<B, S>,
  form: RowForm<Row, B, S>,
  rows: StageRows<Row>,
): Promise<Learner> {
  const parts = partsOf(plan);
  const { layout, reference, asked } = parts;
  const { source } = rows;
  // Only the first process evaluates.
  const given = plan.collective.rank === 0 ? rows.aside ?? [] : [];
  const options = objectiveOptions(plan.settings);
  const context = readLength(plan.settings.objective, plan.model.config.context);
  const others = {
    length: formLength(given, form, context),
    padding: layout.padding,
    ...layout.vocabulary !== undefined && { vocabulary: layout.vocabulary },
  };
  const classes = lengthClasses(others.length);
  const aside = inClasses(classes, given, form.lengthOf);
  const paddingAside = (some: readonly Row[]): Padding => ({
    length: classOf(classes, longest(some, form.lengthOf)),
    padding: layout.padding,
  });
  const { description } = parts;
  if (entry.reference !== "log-probs") {
    const asking = askingObjective(entry.make, plan.settings, asked);
    return await learnerOn(plan, parts, asking, { ...rows, aside }, {
      feed: offlineFeed(
        source,
        form,
        (some, _places, padding) => form.batch(some, padding),
        description,
        layout,
      ),
      batchesAside: madeOnce((some) => form.batch(some, paddingAside(some))),
    });
  }
  const asking = askingObjective(entry.make, plan.settings, asked);
  const steps = entry.referenceSteps?.(options);
  if (steps !== undefined) {
    return await learnerOn(plan, parts, asking, rows, {
      feed: renewedFeed(source, form, description, layout, { steps, reference }),
    });
  }
  const outlined = outlinedBy(form);
  if (followsPolicy(plan.settings)) {
    const scorer = createScorer(plan.model, plan.device);
    const scored = async (some: readonly Row[], padding: Padding, params: unknown) => {
      const count = form.sides * (padding.size ?? some.length);
      const sequences = some.flatMap(form.sequences);
      const scores = await scorer.scoreAll(params, sequences, { ...padding, rows: count });
      return form.scored(some, padding, scores);
    };
    return await learnerOn(plan, parts, asking, { ...rows, aside }, {
      feed: {
        ...offlineFeed(
          source,
          form,
          outlined,
          description,
          layout,
          scored,
        ),
        [Symbol.dispose]: () => scorer[Symbol.dispose](),
      },
      batchesAside: madeAnew((some, params) => scored(some, paddingAside(some), params)),
    });
  }
  const { isOutline = false } = plan;
  const { scores, cost } = isOutline
    ? { scores: new Map(), cost: noCost }
    : await scoreRows(source, form, layout, reference);
  const scoresAside: Scores = isOutline
    ? new Map()
    : await scoreAll(reference, aside.flatMap(form.sequences), others);
  return await learnerOn(
    plan,
    parts,
    asking,
    { ...rows, aside, cost: addCost(rows.cost ?? noCost, cost) },
    {
      feed: offlineFeed(
        source,
        form,
        isOutline
          ? outlined
          : (some, places, padding) =>
            form.scored(some, padding, scoresAt(some, places, form.sequences, scores)),
        description,
        layout,
      ),
      batchesAside: madeOnce((some) => form.scored(some, paddingAside(some), scoresAside)),
    },
  );
}

/** Validation rows, in parts, as batches by the reference of a step. */
type BatchesAside<Row, B> = (
  parts: readonly (readonly Row[])[],
) => (reference: unknown) => Promise<readonly B[]>;

/** Batches that are the same by any reference. */
function madeOnce<Row, B>(batch: (rows: readonly Row[]) => B): BatchesAside<Row, B> {
  return (parts) => {
    const made = parts.map(batch);
    return () => Promise.resolve(made);
  };
}

/** Batches that a reference scores as it is then. */
function madeAnew<Row, B>(
  batch: (rows: readonly Row[], reference: unknown) => Promise<B>,
): BatchesAside<Row, B> {
  return (parts) => (reference) => Promise.all(parts.map((rows) => batch(rows, reference)));
}

/** The batches of one objective: of training rows, and of validation rows where it is asked of any. */
interface Batching<Row, B, E> {
  readonly feed: Feed<B, E>;
  readonly batchesAside?: BatchesAside<Row, B>;
}

/** A learner whose objective reads the batches. */
function learnerOn<Row, B, E>(
  { settings, stage, device, collective, evaluation, ownsStart, isOutline = false }: LearnerPlan,
  { trainee }: StageParts,
  asking: StageObjective<B>,
  { aside = [], cost = noCost, notes = [] }: StageRows<Row>,
  { feed, batchesAside }: Batching<Row, B, E>,
): Promise<Learner> {
  const own = { settings, stage, device, collective, isOutline, evaluation };
  const parts = { ...own, trainee, asking, ...ownsStart !== undefined && { ownsStart } };
  return learnerOf({
    ...parts,
    feed: { ...feed, setUp: cost, notes },
    ...aside.length > 0 && batchesAside !== undefined && !isOutline && {
      validation: validationOf(
        parts,
        batchesAside(batchesOf(aside, Math.min(ASIDE_ROWS, settings.evalBatchSize))),
      ),
    },
  });
}

/** The most rows kept aside that are looked at at once. */
const ASIDE_ROWS = 32;

/** Rows in parts. The last is smaller, not padded: some objectives compare the rows of a batch. */
function batchesOf<Row>(rows: readonly Row[], size: number): readonly (readonly Row[])[] {
  return Array.from(
    { length: Math.ceil(rows.length / size) },
    (_, i) => rows.slice(i * size, (i + 1) * size),
  );
}

/** The metrics that say which of two answers is preferred, and by how much. */
const PREFERENCES = /^(?:rewards|logps)\//;

/** The metrics of an objective on validation batches, which are those by a reference. */
function validationOf<B>(
  { trainee: { policy }, asking, device }: Pick<
    LearnerParts<B, unknown>,
    "trainee" | "asking" | "device"
  >,
  batchesBy: (reference: unknown) => Promise<readonly B[]>,
): Validation {
  const score = compile(evaluationStep({ policy, ...asking }), { device });
  const step = tensor(0, { dtype: "i32" });
  return {
    metrics: async ({ params, average }, reference) => {
      const state = { params, step, ...average && { average } };
      const batches = await batchesBy(reference);
      const whole = batches.map((batch) => score(state, batch)).reduce(addEvaluations);
      const metrics = Object.entries(await readScalars(summarize(whole)));
      return Object.fromEntries(
        metrics.filter(([name]) => PREFERENCES.test(name))
          .map(([name, value]) => [`eval_${name}`, value]),
      );
    },
    [Symbol.dispose]: () => score[Symbol.dispose](),
  };
}
