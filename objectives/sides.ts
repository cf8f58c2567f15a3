/** Rows with several answers: what is known of one answer, as it is of one among others. */
import type { SideStates } from "./description.ts";
import { within } from "./formula.ts";
import { remembering } from "./memory.ts";
import type { Optimization } from "./optimization.ts";
import { type AnswerSide, mapUnified } from "./unified/gradient.ts";
import type { State } from "./unified/states.ts";

/** The state of an estimation on single answers. */
export function onlyState({ single }: SideStates): State {
  if (single !== undefined) return single;
  throw new RangeError("paired: expected an estimation on single answers, got one on several");
}

/** An optimization on single answers as one on an answer of rows that have several. */
export function describedOn<E>(
  side: Exclude<AnswerSide, "single">,
  { description, memory }: Optimization<E>,
): Pick<Optimization<E>, "description" | "memory"> {
  const { formula, normalizer, transition, gradient } = description;
  return {
    description: {
      transition,
      formula: within(formula, (expression) => ({ expression: `${side}: ${expression}` })),
      normalizer: `${side}: ${normalizer}`,
      gradient: mapUnified(gradient, (own) => ({ ...own, side })),
    },
    ...remembering(memory),
  };
}
