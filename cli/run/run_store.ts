/**
 * The folder of a run as the store of its training: checkpoints, and the lines of its journal.
 *
 * @module
 */

import type {
  CheckpointReader,
  KeptSteps,
  Store,
  StoredCheckpoint,
  TrainingCheckpoint,
  TrainingEvent,
} from "@unitune/training";
import { type Journal, type JournalOptions, openJournal } from "./journal.ts";
import {
  checkpointAt,
  goBackTo,
  saveCheckpoint,
  type SavedCheckpoint,
  tidyCheckpoints,
} from "./checkpoints.ts";
import type { HeldRun } from "./run_folder.ts";
import { checkpointFiles, type CheckpointRun, readModels, readState } from "./trained.ts";

/** The folder of a run as a store, with the journal of its events. */
export interface RunStore extends Store, Disposable {
  /** Writes the lines of an event, if it has any. Later checkpoints record them. */
  write(event: TrainingEvent): Promise<void>;
  /** The latest checkpoint; undefined if there is none yet. */
  latest(): SavedCheckpoint | undefined;
}

/**
 * Opens the store of a run whose folder this process has claimed.
 *
 * @param held The run.
 * @param stages The names of its stages, for the lines of a run with several stages.
 * @param run The models of the run.
 * @param options The files of its journal.
 * @returns The store; disposing of it closes its files.
 */
export function runStore(
  held: HeldRun,
  stages: readonly string[],
  run: CheckpointRun,
  options: Pick<JournalOptions, "hasEvents"> = {},
): RunStore {
  const { folder } = held;
  let latest = held.saved;
  let kept: KeptSteps | undefined;
  let journal: Journal | undefined;
  const opened = () => {
    if (journal === undefined || kept === undefined) throw new RangeError("runStore: not open");
    return { journal, kept };
  };
  const stored = (saved: SavedCheckpoint) => storedIn(run, saved);
  return {
    latest: () => latest,
    async open(steps) {
      if (latest !== undefined) await goBackTo(folder, latest);
      await tidyCheckpoints(folder, steps);
      kept = steps;
      journal = await openJournal(folder, { ...options, position: latest?.position });
      return latest && stored(latest);
    },
    at: async (step) => stored(await checkpointAt(folder, step)),
    async save({ step, cost, models, state }: TrainingCheckpoint) {
      const { journal, kept } = opened();
      const files = await checkpointFiles(run, models, state);
      latest = await saveCheckpoint(folder, held.config, await journal.mark(step, cost), files);
      await tidyCheckpoints(folder, kept);
      return stored(latest);
    },
    async write(event) {
      const { journal } = opened();
      await journal.add(event, stages.length === 1 ? undefined : stages[event.stage]);
    },
    [Symbol.dispose]: () => journal?.[Symbol.dispose](),
  };
}

/** A checkpoint of a run, as its training reads it. */
function storedIn(run: CheckpointRun, saved: SavedCheckpoint): StoredCheckpoint {
  return {
    step: saved.position.step,
    cost: saved.position.cost,
    models: ({ isOutline = false } = {}) =>
      readModels(saved, run.model, {
        architectures: run.architectures,
        isPolicyOutline: isOutline,
      }),
    state: (like, options) => readState(saved, like, options),
  };
}

/**
 * The checkpoints of a run whose folder another process writes.
 *
 * @param folder The folder.
 * @param run The models of the run.
 * @returns What reads them.
 */
export function runReader(folder: string, run: CheckpointRun): CheckpointReader {
  return { at: async (step) => storedIn(run, await checkpointAt(folder, step)) };
}
