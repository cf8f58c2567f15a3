/**
 * Where a run keeps its checkpoints: a folder, a page's memory, whatever is handed in.
 *
 * @module
 */

import { decodeTree, encodeTree } from "@unitune/models";
import type { Cost } from "./cost.ts";
import { copyModels, type Models } from "./models.ts";

/** All that a run needs to go on: what it has trained so far, and the learner's state. */
export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** What these steps have cost. */
  readonly cost: Cost;
  /** The models as they are now. They live no longer than the saving. */
  readonly models: Models;
  /** The learner's state, a tree of tensors. It lives no longer than the saving. */
  readonly state: unknown;
}

/** A checkpoint that was saved. Whoever reads it gets tensors of their own. */
export interface StoredCheckpoint {
  /** Steps done. */
  readonly step: number;
  /** What these steps have cost. */
  readonly cost: Cost;
  /** Reads the models. */
  models(): Promise<Models>;
  /** Reads the learner's state, which has the structure of `like`. */
  state<S>(like: S): Promise<S>;
}

/** Which checkpoints a run needs, or every run of its settings has. The latest is always kept. */
export interface KeptSteps {
  /** Whether every run of the settings has a checkpoint at a step. */
  readonly isRegular: (step: number) => boolean;
  /** Whether a stage starts from a step, whose models it asks until its end. */
  readonly isStart: (step: number) => boolean;
}

/** Where a run keeps its checkpoints. */
export interface Store {
  /**
   * Opens the store for a training, which goes on from the checkpoint that is returned: whatever
   * was written after that is gone.
   *
   * @param kept Which checkpoints are kept.
   * @returns The latest checkpoint; undefined where there is none yet.
   */
  open(kept: KeptSteps): Promise<StoredCheckpoint | undefined>;
  /** The checkpoint of a step at which `isStart` holds. */
  at(step: number): Promise<StoredCheckpoint>;
  /** Saves a checkpoint: once it is safe, those that are not kept are removed. */
  save(checkpoint: Checkpoint): Promise<StoredCheckpoint>;
}

/** A store in memory. */
export interface MemoryStore extends Store {
  /** The latest checkpoint; undefined where there is none yet. */
  latest(): StoredCheckpoint | undefined;
}

/**
 * A store in memory: a run that is interrupted goes on from it as long as the process lives.
 *
 * @returns The store, empty.
 *
 * @example
 * ```ts
 * import { memoryStore, noCost } from "@unitune/training";
 * import { key, tensor } from "@unitune/core";
 * import { gpt } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 2, dropout: 0 });
 * const models = { policy: model.init(key(0)) };
 * const store = memoryStore();
 * await store.save({ step: 3, cost: noCost, models, state: { moment: tensor([1, 2]) } });
 * const state = await store.latest()?.state({ moment: tensor([0, 0]) });
 * assertEquals(await state?.moment.data(), new Float32Array([1, 2]));
 * ```
 */
export function memoryStore(): MemoryStore {
  let stored: readonly StoredCheckpoint[] = [];
  let isKept = (_step: number) => false;
  return {
    latest: () => stored.at(-1),
    open: (kept) => {
      isKept = kept.isStart;
      return Promise.resolve(stored.at(-1));
    },
    at: (step) => {
      const found = stored.find((checkpoint) => checkpoint.step === step);
      return found === undefined
        ? Promise.reject(new RangeError(`memoryStore: there is no checkpoint of step ${step}`))
        : Promise.resolve(found);
    },
    async save(checkpoint) {
      const saved = await inMemory(checkpoint);
      stored = [...stored.filter(({ step }) => step !== saved.step && isKept(step)), saved];
      return saved;
    },
  };
}

async function inMemory({ step, cost, models, state }: Checkpoint): Promise<StoredCheckpoint> {
  const [own, bytes] = [await copyModels(models), await encodeTree(state)];
  return {
    step,
    cost,
    models: () => copyModels(own),
    state: (like) => Promise.resolve(decodeTree(like, bytes)),
  };
}
