/** What a model expects at every position of an answer, under three kinds of prefixes. */
import { compile, type Device, quoted, softmax, type Tensor, tensor } from "@unitune/core";
import {
  encodeConversation,
  type EncodedSequence,
  encodePrompt,
  type Tokenizer,
} from "@unitune/models";
import {
  type Context,
  type Demonstrations,
  gold,
  intuitive,
  type LambdaSchedule,
  type Model,
  modelOf,
} from "@unitune/objectives";
import { answerLimit, UserError } from "@unitune/training";
import type { Belief, Position, Wondering } from "../protocol.ts";
import { type Bench, modelsOf } from "./training.ts";

/** The number of tokens that are shown of a prediction. */
const SHOWN = 5;

/** Programs for beliefs; they are kept for all questions of an experiment. */
export interface Believer extends Disposable {
  /** What the models expect. */
  believe(wondering: Wondering): Promise<readonly Belief[]>;
}

const step = tensor(0, { dtype: "i32" });
const context: Context = { step };

/** Makes the programs for the beliefs of an experiment's models. */
export function makeBeliever({ prepared, base, trainings }: Bench, device: Device): Believer {
  const { model, tokenizer } = prepared;
  const { context: length } = model.config;

  /** Probabilities `[T-1, V]` along a sequence on gold states. */
  const onGold = compile(
    (params: unknown, batch: Demonstrations) => {
      const policy = modelOf(model, params);
      return softmax(gold.evaluate(policy, gold.collect(policy, batch, context), context).logits());
    },
    { device },
  );
  /** Probabilities `[T-1, V]` on the mix. */
  const onMix = compile(
    (params: unknown, batch: Demonstrations, lambda: Tensor) =>
      softmax(mixedLogits(modelOf(model, params), batch, lambda)),
    { device },
  );

  const batchOf = (ids: readonly number[], prompt: number): Demonstrations => ({
    ids: tensor([Array.from({ length }, (_, t) => ids[t] ?? tokenizer.pad)], { dtype: "i32" }),
    mask: tensor([Array.from({ length }, (_, t) => t >= prompt && t < ids.length ? 1 : 0)]),
  });

  const read = async (
    rows: Tensor,
    from: number,
    said: readonly number[],
    right: readonly number[],
  ) => {
    const data = await rows.data();
    const { size } = tokenizer;
    return said.map((id, i): Position => {
      const row = Array.from(data.subarray((from + i - 1) * size, (from + i) * size), Number);
      const order = row.map((_, token) => token).sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0));
      const wanted = right[i];
      return {
        said: shown(tokenizer, id),
        expected: order.slice(0, SHOWN).map((token) => ({
          token: shown(tokenizer, token),
          probability: row[token] ?? NaN,
        })),
        gold: wanted === undefined ? undefined : row[wanted],
      };
    });
  };

  /** The greedy answer, with one token forced. */
  const decode = async (
    params: unknown,
    prompt: readonly number[],
    most: number,
    forced: { readonly at: number; readonly id: number } | undefined,
  ): Promise<number[]> => {
    const answer: number[] = [];
    while (answer.length < most) {
      const ids = [...prompt, ...answer];
      const data = await onGold(params, batchOf(ids, prompt.length)).data();
      const at = (ids.length - 1) * tokenizer.size;
      const row = Array.from(data.subarray(at, at + tokenizer.size), Number);
      const likeliest = row.reduce((best, p, token) => p > (row[best] ?? -1) ? token : best, 0);
      const next = forced?.at === answer.length ? forced.id : likeliest;
      answer.push(next);
      if (next === tokenizer.stop) break;
    }
    return answer;
  };

  return {
    async believe({ prompt, answer, lambda, forced }) {
      const { ids, start } = encoded(tokenizer, prompt, answer, length);
      const right = ids.slice(start);
      const most = Math.min(answerLimit(right.length), length - start);
      const id = forced &&
        tokenizer.tokens.findIndex((_, id) => shown(tokenizer, id) === forced.token);
      const wrong = forced && id !== undefined && id >= 0 ? { at: forced.at, id } : undefined;
      const firsts = trainings.filter(({ seed }) => seed === 0);
      const stores = [{ lane: -1, store: base }, ...firsts];
      const beliefs: Belief[] = [];
      for (const { lane, store } of stores) {
        const latest = store.latest();
        const { policy } = await modelsOf(latest === undefined ? base : store);
        const batch = batchOf(ids, start);
        const share = tensor(lambda);
        const own = await decode(policy, ids.slice(0, start), most, wrong);
        const ownIds = [...ids.slice(0, start), ...own];
        beliefs.push({
          lane,
          step: lane < 0 ? 0 : latest?.step ?? 0,
          gold: await read(onGold(policy, batch), start, right, right),
          own: await read(onGold(policy, batchOf(ownIds, start)), start, own, right),
          mixed: await read(onMix(policy, batch, share), start, right, right),
        });
      }
      return beliefs;
    },
    [Symbol.dispose]() {
      onGold[Symbol.dispose]();
      onMix[Symbol.dispose]();
    },
  };
}

/** The logits on intuitive states whose share is a tensor. */
function mixedLogits(policy: Model, batch: Demonstrations, lambda: Tensor): Tensor {
  const schedule: LambdaSchedule = { description: "lambda", at: () => lambda };
  const states = intuitive({ lambda: schedule });
  return states.evaluate(policy, states.collect(policy, batch, context), context).logits();
}

/** A token for people. */
function shown({ tokens, stop }: Tokenizer, id: number): string {
  return id === stop ? "\u23ce" : tokens[id] ?? "";
}

/** A prompt and its answer as tokens. */
function encoded(
  tokenizer: Tokenizer,
  prompt: string,
  answer: string,
  length: number,
): { readonly ids: readonly number[]; readonly start: number } {
  if (prompt === "" || answer === "") {
    throw new UserError("Give a prompt and the answer that you take to be right");
  }
  const user = { role: "user", content: prompt } as const;
  let sequence: EncodedSequence;
  let start: number;
  try {
    sequence = encodeConversation(tokenizer, [user, { role: "assistant", content: answer }]);
    start = encodePrompt(tokenizer, [user]).length;
  } catch (error) {
    // The tokenizer names the character that it does not have.
    throw new UserError(error instanceof Error ? error.message : String(error));
  }
  if (sequence.ids.length > length) {
    throw new UserError(
      `The prompt ${quoted(prompt)} and its answer are ${sequence.ids.length} tokens: the models ` +
        `read ${length}, so shorten them`,
    );
  }
  return { ids: sequence.ids, start };
}
