/**
 * Stores for the checkpoints of a run: the memory of a page, a folder, or any other.
 *
 * @module
 */

import { type Device, mapTree, outline } from "@unitune/core";
import { decodeTree, encodeTree } from "@unitune/models";
import type { Collective } from "../collective/collective.ts";
import { gatherValues } from "../collective/plain.ts";
import type { Cost } from "../learner/cost.ts";
import { copyModels, type Models } from "../learner/models.ts";

/** Everything that a run needs to be resumed: its models and the state of its learner. */
export interface TrainingCheckpoint {
  /** The number of finished steps. */
  readonly step: number;
  /** The cost of these steps. */
  readonly cost: Cost;
  /** The current models. Their tensors are valid during the saving only. */
  readonly models: Models;
  /** The state of the learner, a tree of tensors, which are valid during the saving only. */
  readonly state: unknown;
}

/** A saved checkpoint. Each read returns new tensors. */
export interface StoredCheckpoint {
  /** The number of finished steps. */
  readonly step: number;
  /** The cost of these steps. */
  readonly cost: Cost;
  /** Reads the models; of the policy only outlines, where no more is wanted (default: all). */
  models(options?: { readonly isOutline?: boolean }): Promise<Models>;
  /** Reads the state of the learner, which has the structure of `like`. */
  state<S>(like: S, options?: StateOptions): Promise<S>;
}

/** How the state of a learner is read. */
export interface StateOptions {
  /** Whether more than an outline is wanted of the tensor at a path (default: of each). */
  readonly isWanted?: (path: string) => boolean;
  /**
   * The device that is going to compute with it: a store may put each tensor there as it is read, so
   * that the host never has all of them.
   */
  readonly device?: Device;
}

/** The checkpoints to keep. The latest is always kept. */
export interface KeptSteps {
  /** Tells whether every run of the settings, interrupted or not, has a checkpoint at a step. */
  readonly isRegular: (step: number) => boolean;
  /** Tells whether a stage starts at a step, and needs the models of its start until its end. */
  readonly isStart: (step: number) => boolean;
}

/** A store for the checkpoints of a run. */
export interface Store {
  /**
   * Opens the store for a training, which resumes from the returned checkpoint. Everything that was
   * written after it is removed.
   *
   * @param kept The checkpoints to keep.
   * @returns The latest checkpoint; undefined if there is none yet.
   */
  open(kept: KeptSteps): Promise<StoredCheckpoint | undefined>;
  /** The checkpoint at a step for which `isStart` holds. */
  at(step: number): Promise<StoredCheckpoint>;
  /** Saves a checkpoint. Once it is safe, checkpoints that are not to be kept are removed. */
  save(checkpoint: TrainingCheckpoint): Promise<StoredCheckpoint>;
}

/** Reads the checkpoints that another process saves. */
export interface CheckpointReader {
  /** The checkpoint of a step, which is there. */
  at(step: number): Promise<StoredCheckpoint>;
}

/**
 * A store that several processes have in common: the first one opens it and saves, and the others
 * read what it has saved.
 *
 * @param collective The processes.
 * @param store The store, of the first; what reads its checkpoints, of another.
 * @returns The store of this process.
 * @throws {RangeError} If the first process only reads.
 */
export function sharedStore(collective: Collective, store: Store | CheckpointReader): Store {
  const { rank, barrier } = collective;
  /** The step that the first process names; undefined where it names none. */
  const hear = async (step?: number): Promise<number | undefined> =>
    (await gatherValues(collective, step ?? null))[0] ?? undefined;
  if (rank > 0) {
    return {
      open: async () => {
        const step = await hear();
        return step === undefined ? undefined : await store.at(step);
      },
      at: (step) => store.at(step),
      save: async ({ step }) => {
        await barrier();
        return await store.at(step);
      },
    };
  }
  if (!("save" in store)) throw new RangeError("sharedStore: the first process saves");
  return {
    open: async (kept) => {
      const saved = await store.open(kept);
      await hear(saved?.step);
      return saved;
    },
    at: (step) => store.at(step),
    save: async (checkpoint) => {
      const saved = await store.save(checkpoint);
      await barrier();
      return saved;
    },
  };
}

/** A store in memory. */
export interface MemoryStore extends Store {
  /** The latest checkpoint; undefined if there is none yet. */
  latest(): StoredCheckpoint | undefined;
}

/**
 * Makes a store in memory, from which an interrupted run can be resumed by the same process.
 *
 * @returns The empty store.
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

async function inMemory(
  { step, cost, models, state }: TrainingCheckpoint,
): Promise<StoredCheckpoint> {
  const [own, bytes] = [await copyModels(models), await encodeTree(state)];
  return {
    step,
    cost,
    models: async ({ isOutline = false } = {}) =>
      isOutline
        ? { ...await copyModels({ ...own, policy: [] }), policy: mapTree(own.policy, outline) }
        : await copyModels(own),
    state: (like, { isWanted = () => true } = {}) =>
      Promise.resolve(
        mapTree(decodeTree(like, bytes), (leaf, path) => isWanted(path) ? leaf : outline(leaf)),
      ),
  };
}
