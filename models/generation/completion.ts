/** Completions: the tokens that follow a prompt, one after the other until one ends them. */

/** The tokens that follow a prompt. */
export interface Completion {
  /** The tokens, without the prompt and the stop token. */
  readonly ids: readonly number[];
  /** The stop token that was generated after them; absent where none was. */
  readonly stop?: number;
  /**
   * The stop string that their text has at its end, maybe amid the last token's; absent where none
   * ended the completion. Its tokens are among the ids: the model has chosen them.
   */
  readonly stopString?: string;
}

/**
 * The tokens that were generated: those of a completion, and the stop token that ended it.
 *
 * @example
 * ```ts
 * import { generatedIds } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(generatedIds({ ids: [5, 7], stop: 1 }), [5, 7, 1]);
 * assertEquals(generatedIds({ ids: [5, 7] }), [5, 7]);
 * ```
 *
 * @param completion The completion.
 * @returns All tokens that the model chose, in order.
 */
export function generatedIds({ ids, stop }: Completion): readonly number[] {
  return stop === undefined ? ids : [...ids, stop];
}

/**
 * Whether the model itself ended a completion, by a stop token or a stop string; otherwise it was cut
 * off.
 *
 * @example
 * ```ts
 * import { isEnded } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([{ ids: [5], stop: 1 }, { ids: [5], stopString: "." }, { ids: [5] }].map(isEnded), [
 *   true,
 *   true,
 *   false,
 * ]);
 * ```
 *
 * @param completion The completion.
 * @returns Whether it has an end.
 */
export function isEnded({ stop, stopString }: Completion): boolean {
  return stop !== undefined || stopString !== undefined;
}

/**
 * Watches the text of one completion: called with each token in turn, it gives the stop string that
 * the text contains then, if it does.
 */
export type TextWatch = (id: number) => string | undefined;

/** A completion that grows. */
export interface GrowingCompletion {
  /** Takes the next token; whether none is to follow. */
  push(id: number): boolean;
  /** The completion so far. */
  readonly completion: Completion;
}

/**
 * A completion that grows until a stop token, a stop string or `room` tokens.
 *
 * @param room The most tokens.
 * @param stops The stop tokens.
 * @param watch Watches its text.
 */
export function growingCompletion(
  room: number,
  stops: ReadonlySet<number>,
  watch?: TextWatch,
): GrowingCompletion {
  const ids: number[] = [];
  let end: Pick<Completion, "stop" | "stopString"> = {};
  return {
    push(id) {
      if (stops.has(id)) {
        end = { stop: id };
        return true;
      }
      const stopString = watch?.(id);
      if (stopString !== undefined) end = { stopString };
      return ids.push(id) === room || stopString !== undefined;
    },
    get completion() {
      return { ids, ...end };
    },
  };
}
