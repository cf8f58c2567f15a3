/**
 * The form of UPGE in plain numbers: what an objective says of its gradient, evaluated from the
 * policy's probabilities and from the evidence that was collected, without any code of its loss.
 */
import { assert, assertEquals } from "@std/assert";
import {
  add,
  concat,
  exp,
  leafPaths,
  logSoftmax,
  mul,
  neg,
  notEqual,
  slice,
  softmax,
  stopGradient,
  sum,
  takeAlongAxis,
  type Tensor,
  tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import {
  type AnswerSide,
  type Expression,
  type LearnedTerm,
  type Model,
  modelOf,
  type Pointwise,
  type Quantity,
  type Reduction,
  type State,
  type StateAnswer,
  tokenLogProbs,
  type TokenOwner,
} from "@unitune/objectives";
import { context, type Parameters, rowsOf } from "./arbitrary.ts";
import type { Parts, World } from "./worlds.ts";

type Table = readonly (readonly number[])[];

/** The weight of schedules here, other than what it leaves of 1. */
export const SCHEDULED = 0.25;

/** A number for each position of each row. */
function tableOf(like: Table, cell: (b: number, t: number) => number): Table {
  return like.map((row, b) => row.map((_, t) => cell(b, t)));
}

const at = (table: Table, b: number, t: number): number => table[b]?.[t] ?? NaN;

/** The answers that a loss is of: what was collected, and what the policy says at their states. */
interface Answers {
  readonly side: AnswerSide;
  readonly mask: Table;
  readonly given: Table;
  readonly quantities: Readonly<Record<Quantity, Table>>;
}

/** The parts of what was collected, in the order in which their states are evaluated. */
function partsOf(collected: unknown, side: AnswerSide = "single"): [AnswerSide, unknown][] {
  if (Array.isArray(collected)) return collected.flatMap((part) => partsOf(part));
  assert(typeof collected === "object" && collected !== null);
  if ("chosen" in collected && "rejected" in collected) {
    return [
      ["chosen", collected.chosen],
      ["rejected", collected.rejected],
      ..."gold" in collected ? [["gold", collected.gold] satisfies [AnswerSide, unknown]] : [],
    ];
  }
  return [[side, collected]];
}

/** The leaf with a name: of the signal, or else of the states, the nearest to the top. */
function leafNamed(part: unknown, name: string): Tensor | undefined {
  const found = [...leafPaths(part)].flatMap(([path, leaf]) => {
    const steps = path.split(".");
    const rank = (steps[0] === "signal" ? 0 : 1) * 10 + steps.length;
    return steps.at(-1) === name ? [{ rank, leaf }] : [];
  });
  return found.toSorted((a, b) => a.rank - b.rank)[0]?.leaf;
}

/** A model whose embeddings of states are seen. */
function watched(model: Model, seen: Tensor[]): Model {
  return {
    ...model,
    predict(embeddings, options) {
      seen.push(embeddings);
      return model.predict(embeddings, options);
    },
  };
}

/** The embeddings of the states that a loss is of, part by part. */
function statesOf<B>(
  { policy, objective }: Parts<B>,
  collected: unknown,
  params: Parameters,
): Tensor[] {
  const states: Tensor[] = [];
  objective.evaluate(watched(modelOf(policy, params), states), collected, context);
  return states;
}

/** The share of a group's own answers that pass, for each row. */
async function passRates(
  { mask, given, rewards }: World["rollouts"],
  groupSize: number,
): Promise<number[]> {
  const [learned, theirs] = [await rowsOf(mask), await rowsOf(given)];
  const passes = Array.from(await rewards.data(), (reward) => Number(reward >= 1));
  const isOwn = learned.map((row, b) => row.every((one, t) => one * at(theirs, b, t) === 0));
  const groupOf = (b: number) => Math.floor(b / groupSize);
  return learned.map((_, b) =>
    mean(passes.filter((_, i) => groupOf(i) === groupOf(b) && isOwn[i]))
  );
}

/** The targets of a part's answers, `[B, T-1]`. */
function targetsOf(part: unknown): Tensor {
  const ids = leafNamed(part, "ids");
  assert(ids !== undefined);
  return slice(ids, 1, 1);
}

/** The quantities of a part. */
async function answersOf(
  [side, part]: readonly [AnswerSide, unknown],
  logProbs: Tensor,
  rates: readonly number[],
): Promise<Answers> {
  const target = takeAlongAxis(logProbs, targetsOf(part));
  const p = await rowsOf(exp(target));
  const ofAnswers = (values: ArrayLike<number>) => tableOf(p, (b) => values[b] ?? NaN);
  /** A leaf of answers, of tokens, or of the states that a token stands before. */
  const table = async (name: string) => {
    const leaf = leafNamed(part, name);
    if (leaf === undefined) return tableOf(p, () => NaN);
    const [, columns] = leaf.shape;
    if (columns === undefined || columns === 1) {
      const values = await leaf.data();
      return values.length === 1 ? tableOf(p, () => values[0] ?? NaN) : ofAnswers(values);
    }
    const rows = await rowsOf(leaf);
    return columns === p[0]?.length ? rows : rows.map((row) => row.slice(1));
  };
  const all = softmax(logProbs);
  const mask = await table("mask");
  const log = async (name: string) => (await table(name)).map((row) => row.map(Math.exp));
  const pRef = await log("referenceLogProbs");
  const given = await table("given");
  const implicit = mask.map((row, b) =>
    row.reduce(
      (total, one, t) => one === 0 ? total : total + 0.1 * Math.log(at(p, b, t) / at(pRef, b, t)),
      0,
    )
  );
  const shift = implicit.reduce((total, one) => total + one / implicit.length, 0);
  return {
    side,
    mask,
    given,
    quantities: {
      p,
      p_old: await log("oldLogProbs"),
      p_ref: pRef,
      A: await table("advantages"),
      r: await table("rewards"),
      H_bt: await rowsOf(neg(sum(mul(all, logProbs), { axes: [-1] }))),
      collision: await rowsOf(sum(mul(all, all), { axes: [-1] })),
      M_b: tableOf(p, () => NaN),
      desirable: await table("labels"),
      kl: await table("kl"),
      // Before the first step, the mean over the batch alone.
      shift: tableOf(p, () => shift),
      "pass rate": ofAnswers(rates),
      helped: tableOf(mask, (b) => Number(total(seenOf(given, mask, b)) > 0)),
      "w(step)": tableOf(p, () => SCHEDULED),
    },
  };
}

/** Operations of a token. */
const pointwise: Readonly<Record<Pointwise, (a: number, b: number, c: number) => number>> = {
  neg: (a) => -a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  pow: (a, b) => a ** b,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  "log sigmoid": (a) => -Math.log1p(Math.exp(-a)),
  "log odds": (a) => a - Math.log(-Math.expm1(a)),
  ">": (a, b) => Number(a > b),
  "<=": (a, b) => Number(a <= b),
  and: (a, b) => a * b,
  either: (condition, a, b) => condition === 0 ? b : a,
};

/** The tokens that an owner has of an answer. */
function tokensOf({ mask, given }: Answers, owner: TokenOwner): Table {
  if (owner === "all") return mask;
  return tableOf(
    mask,
    (b, t) => at(mask, b, t) * Math.abs(Number(owner === "own") - at(given, b, t)),
  );
}

/** Where an expression is evaluated: on answers, of which it sees some tokens. */
interface Place {
  readonly answers: Answers;
  readonly all: readonly Answers[];
  readonly owner: TokenOwner;
}

/** The answers of a side, and its tokens. */
function sideOf(place: Place, side: AnswerSide): Place {
  const answers = place.all.find((one) => one.side === side);
  assert(answers !== undefined, `there is no ${side} side`);
  return { ...place, answers };
}

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);

/** Reductions of a table of values over the tokens that are seen. */
const reductions: Readonly<
  Record<
    Exclude<Reduction, "chosen" | "rejected">,
    (values: Table, seen: Table, by: number) => (b: number, t: number) => number
  >
> = {
  sum_t: (values, seen) => (b) => total(seenOf(values, seen, b)),
  mean_t: (values, seen) => (b) => mean(seenOf(values, seen, b)),
  mean_bt: (values, seen) => {
    const all = mean(values.flatMap((_, b) => seenOf(values, seen, b)));
    return () => all;
  },
  quantile(values, seen, by) {
    const sorted = values.flatMap((_, b) => seenOf(values, seen, b)).toSorted((a, b) => a - b);
    const place = (sorted.length - 1) * by;
    const low = sorted[Math.floor(place)] ?? NaN;
    const high = sorted[Math.min(Math.floor(place) + 1, sorted.length - 1)] ?? NaN;
    return () => low + (place - Math.floor(place)) * (high - low);
  },
  after: (values, seen, by) => (b, t) => decayed(values, seen, b, (i) => i < t ? 0 : by ** (i - t)),
  before: (values, seen, by) => (b, t) =>
    decayed(values, seen, b, (i) => i > t ? 0 : by ** (t - i)),
};

const seenOf = (values: Table, seen: Table, b: number) =>
  (values[b] ?? []).filter((_, t) => at(seen, b, t) !== 0);
const mean = (values: readonly number[]) => total(values) / values.length;
const decayed = (values: Table, seen: Table, b: number, weight: (i: number) => number) =>
  total((values[b] ?? []).map((x, i) => at(seen, b, i) === 0 ? 0 : weight(i) * x));

/** The value of an expression for each token. */
function valueOf(expression: Expression, place: Place): Table {
  const seen = tokensOf(place.answers, place.owner);
  switch (expression.kind) {
    case "constant":
      return tableOf(seen, () => expression.value);
    case "quantity":
      return expression.name === "M_b"
        ? tableOf(seen, (b) => total([...seen[b] ?? []]))
        : place.answers.quantities[expression.name];
    case "named":
      return valueOf(expression.is, place);
    case "pointwise": {
      const operands = expression.of.map((one) => valueOf(one, place));
      const [x = [], y = x, z = y] = operands;
      const apply = pointwise[expression.operation];
      return tableOf(seen, (b, t) => apply(at(x, b, t), at(y, b, t), at(z, b, t)));
    }
    case "reduction": {
      const { operation, of, by } = expression;
      if (operation === "chosen" || operation === "rejected") {
        return valueOf(of, sideOf(place, operation));
      }
      return tableOf(seen, reductions[operation](valueOf(of, place), seen, by.constant));
    }
    case "ranked": {
      const [values, own] = [valueOf(expression.of, place), valueOf(expression.by, place)];
      // The values of an answer are the same at all of its tokens.
      const sorted = values.map((_, b) => at(values, b, 0)).toSorted((a, b) => a - b);
      const first = own.map((_, b) => at(own, b, 0));
      const ranks = first.map((x) => first.filter((other) => other < x).length);
      return tableOf(seen, (b) => sorted[ranks[b] ?? NaN] ?? NaN);
    }
    default:
      return expression satisfies never;
  }
}

/** The weight of a token in a normalizer: 1 over the number that the sum is divided by. */
function shares({ normalizer, counts }: LearnedTerm, answers: Answers): (b: number) => number {
  const counted = tokensOf(answers, counts);
  const lengths = counted.map((row) => total([...row]));
  const rows = lengths.filter((length) => length > 0).length;
  if (normalizer === "token") return () => 1 / total(lengths);
  if (normalizer === "sequence") return (b) => 1 / ((lengths[b] ?? NaN) * rows);
  if (normalizer === "answers") return () => 1 / rows;
  return () => 1 / (normalizer * lengths.length);
}

/** `mask (1 / denominator) advantage` of each token, divided: what its `grad p` is multiplied by. */
export function coefficients(term: LearnedTerm, all: readonly Answers[]): Table {
  const answers = all.find(({ side }) => side === term.side);
  assert(answers !== undefined);
  const place = { answers, all, owner: term.tokens };
  const [mask, denominator, advantage] = [term.mask, term.denominator, term.advantage].map((slot) =>
    valueOf(slot, place)
  );
  assert(mask !== undefined && denominator !== undefined && advantage !== undefined);
  const [seen, share] = [tokensOf(answers, term.tokens), shares(term, answers)];
  return tableOf(
    seen,
    (b, t) =>
      at(seen, b, t) === 0 ? 0 : at(mask, b, t) / at(denominator, b, t) * at(advantage, b, t) *
        share(b),
  );
}

/** What an objective was evaluated on: the parts of what was collected, and their answers. */
export interface Evaluated {
  readonly collected: unknown;
  readonly sides: readonly (readonly [AnswerSide, unknown])[];
  readonly answers: readonly Answers[];
}

/** Evaluates an objective's answers at the parameters of a world. */
export async function evaluated<B>(parts: Parts<B>, world: World): Promise<Evaluated> {
  const { policy, objective, batch } = parts;
  const model = modelOf(policy, world.params);
  const collected = objective.collect(model, batch, context);
  const sides = partsOf(collected);
  const states = statesOf(parts, collected, world.params);
  const { groupSize } = objective.description;
  const rates = await passRates({ ...world.rollouts, ...batch }, groupSize);
  const answers = await Promise.all(sides.map((side, i) => {
    const embeddings = states[i];
    assert(embeddings !== undefined, "there are states of each part");
    return answersOf(side, logSoftmax(model.predict(embeddings).logits()), rates);
  }));
  return { collected, sides, answers };
}

type Side = Evaluated["sides"][number];

/** The part whose answers a state is of, where a term is of a side. */
function partOfState(of: StateAnswer, side: AnswerSide, sides: readonly Side[]): unknown {
  const named: Readonly<Record<StateAnswer, readonly AnswerSide[]>> = {
    demonstrated: ["gold", "chosen", "single"],
    chosen: ["chosen"],
    rejected: ["rejected"],
    own: [side],
  };
  const found = named[of].flatMap((name) => sides.filter(([own]) => own === name))[0];
  assert(found !== undefined, `there is no answer ${of}`);
  assert((of === "own") <= (leafNamed(found[1], "oldLogProbs") !== undefined), "it is sampled");
  return found[1];
}

/**
 * The embeddings of a state, from the tokens of answers and a model: with the gradient that the state
 * has, and own tokens that the model as it is at the start predicts.
 */
function embeddingsOf(
  state: State,
  { side, sides, model, start }: {
    readonly side: AnswerSide;
    readonly sides: readonly Side[];
    readonly model: Model;
    readonly start: Model;
  },
): Tensor {
  // Without keys there is no noise.
  if (state.kind === "noisy") return embeddingsOf(state.state, { side, sides, model, start });
  const part = partOfState(state.of, side, sides);
  const [ids, mask] = [leafNamed(part, "ids"), leafNamed(part, "mask")];
  assert(ids !== undefined && mask !== undefined && state.kind !== "end");
  const read = slice(ids, 1, 0, -1);
  const prefix = model.embed(read);
  // Without keys, nothing is replaced.
  if (state.kind !== "mixed") return prefix;
  assertEquals(state.own, { token: "argmax", at: "prefix", isAction: false });
  const predicted = start.predict(start.embed(read)).argmax();
  const own = concat([slice(read, 1, 0, 1), slice(predicted, 1, 0, -1)], 1);
  const { share } = state;
  assert(typeof share === "number");
  const mix = add(mul(prefix, 1 - share), mul(model.embed(own), share));
  const isAnswer = unsqueeze(notEqual(slice(mask, 1, 0, -1), 0), -1);
  return where(isAnswer, state.embeddings === "live" ? mix : stopGradient(mix), prefix);
}

/**
 * A function with the gradient that an objective's terms in the form of UPGE say: the sum over
 * tokens of `-mask (1 / denominator) advantage p_t`, all but the last factor being numbers. The last
 * is the probability at the state that the term says.
 */
export function claimedLoss<B>(
  { policy }: Pick<Parts<B>, "policy">,
  { sides, answers }: Evaluated,
  terms: readonly LearnedTerm[],
  world: Pick<World, "params">,
): (params: Parameters) => Tensor {
  const weights = terms.map((term) => ({
    term,
    part: sides.find(([side]) => side === term.side)?.[1],
    by: tensor(coefficients(term, answers), { dtype: "f64" }),
  }));
  const start = modelOf(policy, world.params);
  return (params) => {
    const model = modelOf(policy, params);
    const losses = weights.map(({ term: { likelihood, side }, part, by }) => {
      const embeddings = embeddingsOf(likelihood, { side, sides, model, start });
      const p = exp(tokenLogProbs(model.predict(embeddings).logits(), targetsOf(part)));
      return neg(sum(mul(by, p)));
    });
    return losses.reduce((a, b) => add(a, b));
  };
}
