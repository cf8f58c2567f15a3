/**
 * Rejected answers of the model's own, for pairs that have none.
 *
 * @module
 */

import type { Tokenizer } from "@unitune/models";
import { alone } from "../collective/collective.ts";
import { gatherValues } from "../collective/plain.ts";
import { rangeOf } from "../collective/vector.ts";
import { answeredPrompt, answerLimit } from "./answers.ts";
import { type Cost, noCost } from "../learner/cost.ts";
import { type EncodedPair, knownPairs, type PairCandidate } from "../data/examples.ts";
import type { RowTable } from "../data/table.ts";
import { isSameSequence } from "../data/fit.ts";
import { UserError } from "../text/errors.ts";
import type { Reference } from "../feeds/offline.ts";
import { answersAtOnce, EVALUATION_ROWS } from "../limits.ts";
import { longest } from "../longest.ts";
import type { UserMessage } from "../text/message.ts";
import { createSampler, type Sampler } from "./sampler.ts";

/** Answers that a model is asked for at once. */
const ASKED = 256;

/** Pairs, and what it took to have them. */
export interface OwnPairs {
  /** The pairs. */
  readonly pairs: RowTable<EncodedPair>;
  /** The cost of sampling them. */
  readonly cost: Cost;
  /** Notes for the user on prompts that give no pair; none if each gives one. */
  readonly notes: readonly UserMessage[];
}

/**
 * Pairs whose rejected answers are there: those of the data, and where it has none, wrong answers of
 * the model's own. A prompt that the model answers rightly gives no pair. An answer that was cut off
 * has no stop token: the model has not said one. Of several processes each samples the answers to some
 * of the prompts, and tells them to the others.
 *
 * @param candidates The pairs, rejected answers missing.
 * @param needed How many are needed at most; of more candidates only so many are asked.
 * @param tokenizer The tokenizer.
 * @param seed The seed of the answers.
 * @param reference The model that answers.
 * @returns The pairs, what they have cost, and which prompts give none.
 * @throws {UserError} Where none is left.
 */
export async function withOwnAnswers(
  candidates: RowTable<PairCandidate>,
  needed: number,
  tokenizer: Tokenizer,
  seed: number,
  reference: Reference,
): Promise<OwnPairs> {
  const known = knownPairs(candidates);
  if (known !== undefined) return { pairs: known, cost: noCost, notes: [] };
  const { model, device, stopStrings = [] } = reference;
  const sampler = createSampler(model, tokenizer, device, { stopStrings });
  try {
    return await answered(candidates, needed, sampler, seed, reference);
  } finally {
    sampler[Symbol.dispose]();
  }
}

/** Pairs whose rejected answers are those of a policy. */
async function answered(
  candidates: RowTable<PairCandidate>,
  needed: number,
  sampler: Sampler<unknown>,
  seed: number,
  { start: { policy }, rows = EVALUATION_ROWS, collective = alone }: Reference,
): Promise<OwnPairs> {
  const pairs: EncodedPair[] = [];
  let forwardTokens = 0;
  let [total, right, same] = [0, 0, 0];
  for (let first = 0; first < candidates.length && pairs.length < needed; first += ASKED) {
    const asked = [...candidates.slice(first, first + ASKED)];
    total += asked.length;
    const longestAnswer = longest(
      asked,
      ({ prompt, chosen }) => chosen.ids.length - prompt.length,
    );
    const { from, to } = rangeOf(asked.length, collective.rank, collective.size);
    const own = await sampler.sample(policy, asked.slice(from, to).map(({ prompt }) => prompt), {
      maxNewTokens: answerLimit(longestAnswer),
      temperature: 1,
      seed,
      firstRow: first + from,
      places: answersAtOnce(rows),
    });
    const answers = (await gatherValues(collective, own)).flat();
    asked.forEach(({ prompt, chosen, isRight }, i) => {
      const given = answers[i];
      if (given === undefined) throw new RangeError("withOwnAnswers: a prompt without an answer");
      forwardTokens += prompt.length + given.ids.length - Number(given.isEnded);
      if (given.isText && isRight(given.text)) {
        right += 1;
        return;
      }
      const rejected = answeredPrompt(prompt, given.ids);
      // A preferred answer that was cut, or is wrong itself, may be what the model says.
      if (isSameSequence(chosen, rejected)) same += 1;
      else pairs.push({ chosen, rejected });
    });
  }
  if (pairs.length === 0) {
    throw new UserError(
      "the model gives no wrong answer to any prompt: there is nothing for it to reject",
    );
  }
  return { pairs, cost: { ...noCost, forwardTokens }, notes: noteOfLost({ total, right, same }) };
}

/** The notes on prompts that give no pair. */
function noteOfLost(
  { total, right, same }: {
    readonly total: number;
    readonly right: number;
    readonly same: number;
  },
): readonly string[] {
  const why = [
    ...(right > 0 ? [`the model answers ${right} rightly`] : []),
    ...(same > 0 ? [`it gives the preferred answer itself to ${same}`] : []),
  ];
  return why.length === 0
    ? []
    : [`${right + same} of ${total} prompts give no pair: ${why.join(", and ")}.`];
}
