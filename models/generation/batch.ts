/** A batch whose places are taken by one prompt after the other. */
import { key, leavesOf, tensor } from "@unitune/core";
import type { Completion, GrowingCompletion } from "./completion.ts";
import type { Settled } from "./options.ts";
import {
  type GenerationPrograms,
  KEPT_TOKENS,
  NO_TOKEN,
  type Occupation,
  type Places,
  type PlaceSizes,
  type ReadPrompts,
} from "./programs.ts";
import { nextPrompts, type Waiting } from "./prompts.ts";

/** A model's logits are NaN or infinite, so that no token can be chosen. */
export class NonFiniteLogitsError extends Error {
  /** The error's name. */
  override readonly name = "NonFiniteLogitsError";
}

/** A prompt whose completion grows. */
export interface Asked extends Waiting {
  /** Its number among the prompts. */
  readonly row: number;
  /** The most tokens of its completion. */
  readonly room: number;
  /** The completion so far. */
  readonly growing: GrowingCompletion;
}

/** A completion as it stands after a read. */
export interface Grown {
  /** The number of its prompt. */
  readonly row: number;
  /** Its tokens so far. */
  readonly completion: Completion;
  /** Whether none is to follow. */
  readonly isWhole: boolean;
}

/** A place, and the prompt in it. */
interface Occupant extends Asked {
  /** The number of tokens on the device that were not read: its first, where it is new. */
  readonly unread: 0 | 1;
}

/** A batch of completions. */
export interface GenerationBatch extends Disposable {
  /** Gives free places to the prompts that wait; whether there is a completion that grows. */
  refill(): boolean;
  /** Adds tokens to each completion, at most `most` of them, and reads them. */
  grow(most: number): Promise<readonly Grown[]>;
}

/** Stands for no prompt: a place keeps the one that it has. */
const KEEPS = -1;

/** Who generates what. */
export interface BatchOptions<P, C> {
  /** The programs. */
  readonly programs: GenerationPrograms<P, C>;
  /** The model's parameters. */
  readonly params: P;
  /** The prompts, in the order in which they get places. */
  readonly asked: readonly Asked[];
  /** The rule by which tokens are drawn. */
  readonly drawing: Settled;
  /** The places. */
  readonly sizes: PlaceSizes;
}

/**
 * An empty batch.
 *
 * @param options Who generates what.
 */
export function generationBatch<P, C>(
  { programs, params, asked, drawing, sizes }: BatchOptions<P, C>,
): GenerationBatch {
  let occupants = Array<Occupant | undefined>(sizes.places).fill(undefined);
  let occupation = occupationBy(occupants, drawing);
  let places: Places<C> | null = null;
  /** The prompts that were read last, with their numbers. */
  let known:
    | { readonly numbers: ReadonlyMap<string, number>; readonly read: ReadPrompts<C> }
    | null = null;
  let next = 0;
  let slot = 0;

  const forget = () => {
    for (const leaf of leavesOf(known?.read)) leaf[Symbol.dispose]();
    known = null;
  };
  /** Prompts that were read, the one of `asked` among them. */
  const promptsWith = ({ key }: Asked) => {
    if (known?.numbers.has(key)) return known;
    forget();
    const { numbers, ids, count } = nextPrompts(asked, next, sizes);
    return known = { numbers, read: programs.read(params, ids, count) };
  };
  return {
    refill() {
      for (let first = asked[next]; first !== undefined; first = asked[next]) {
        if (!occupants.includes(undefined)) break;
        const { numbers, read } = promptsWith(first);
        const fresh = occupants.map((occupant) => {
          const candidate = occupant === undefined ? asked[next] : undefined;
          if (candidate === undefined || !numbers.has(candidate.key)) return undefined;
          next += 1;
          return candidate;
        });
        occupants = occupants.map((occupant, place) => {
          const one = fresh[place];
          return one === undefined ? occupant : { ...one, unread: 1 };
        });
        occupation = occupationBy(occupants, drawing);
        const from = fresh.map((one) => (one && numbers.get(one.key)) ?? KEEPS);
        places = programs.occupy(
          occupation,
          places,
          read,
          tensor(from, { dtype: "i32" }),
          sizes,
        );
      }
      if (next === asked.length) forget();
      return occupants.some((occupant) => occupant !== undefined);
    },
    async grow(most) {
      if (places === null) return [];
      const present = occupants.filter((occupant) => occupant !== undefined);
      // As many as the longest completion still takes; a token that is unread is one of the kept.
      const wanted = present.reduce((most, one) => Math.max(most, missingTokens(one)), 0);
      const steps = Math.min(wanted, most - Number(present.some(({ unread }) => unread > 0)));
      if (steps > 0) places = programs.step(steps, params, occupation, places, sizes);
      const tokens = await places.tokens.data();
      const grown = occupants.map((occupant, place) => {
        const row = tokens.subarray(place * KEPT_TOKENS, (place + 1) * KEPT_TOKENS);
        return occupant && grow(occupant, row, slot, steps);
      });
      occupants = occupants.map((occupant, place) =>
        occupant === undefined || grown[place]?.isWhole ? undefined : { ...occupant, unread: 0 }
      );
      slot += steps;
      return grown.filter((one) => one !== undefined);
    },
    [Symbol.dispose]() {
      forget();
      for (const leaf of leavesOf(places)) leaf[Symbol.dispose]();
    },
  };
}

/** The number of tokens that a completion has room for, and that no step has given. */
function missingTokens({ room, growing: { completion }, unread }: Occupant): number {
  return room - completion.ids.length - unread;
}

/** Adds the tokens of the steps after `slot`, and the unread one at it, up to the completion's end. */
function grow(
  { row, growing, unread }: Occupant,
  tokens: ArrayLike<number>,
  slot: number,
  steps: number,
): Grown {
  let isWhole = false;
  for (let step = 1 - unread; step <= steps && !isWhole; step++) {
    const token = tokens[(slot + step) % KEPT_TOKENS];
    if (token === undefined || token === NO_TOKEN) {
      throw new NonFiniteLogitsError(
        `the model's logits for token ${growing.completion.ids.length + 1} of completion ${
          row + 1
        } are not finite: its weights are damaged, or its training has diverged; take an earlier ` +
          `checkpoint`,
      );
    }
    isWhole = growing.push(token);
  }
  return { row, completion: growing.completion, isWhole };
}

/** The numbers of the completions in the places; those of a free place are any. */
function occupationBy(
  occupants: readonly (Occupant | undefined)[],
  { temperature, topK, topP, seed, firstRow, vocabulary }: Settled,
): Occupation {
  const lengths = occupants.map((occupant) => occupant?.ids.length ?? 1);
  const rows = occupants.map((occupant) => ((occupant?.row ?? 0) + firstRow) % 2 ** 32);
  return {
    lengths: tensor(lengths, { dtype: "i32" }),
    // A temperature that f32 rounds to 0 is 0.
    ...(Math.fround(temperature) > 0 && {
      sampling: {
        temperature: tensor(temperature),
        // A truncation that keeps every token needs no sorting.
        ...(topK < vocabulary && { topK: tensor(topK, { dtype: "i32" }) }),
        ...(topP < 1 && { topP: tensor(topP) }),
        key: key(seed),
        rows: tensor(rows, { dtype: "u32" }),
      },
    }),
  };
}
