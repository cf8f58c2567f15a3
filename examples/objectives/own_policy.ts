/**
 * Five objectives on two policies of your own: `deno run examples/objectives/own_policy.ts`.
 *
 * The same lines train the table and the net; only the objective and its data change.
 */
import { adamw } from "@unitune/autodiff";
import { compile, key, type Tensor } from "@unitune/core";
import {
  distillation,
  dpo,
  grpo,
  ift,
  initTrainingState,
  modelOf,
  type Objective,
  type Policy,
  sft,
  trainingStep,
} from "@unitune/objectives";
import { bigram, initBigram, initRecurrent, recurrent } from "./policies.ts";
import { demonstrations, pairs, rollOut, scoredBy, VOCABULARY } from "./task.ts";

/** The course of the loss, or for rollouts of the reward. */
export interface Course {
  readonly objective: string;
  readonly measure: string;
  readonly first: number;
  readonly last: number;
}

/** Trains a policy; the batch may be made from the policy before each step. */
async function train<P, B>(
  policy: Policy<P>,
  params: P,
  objective: Objective<B>,
  batchOf: (params: P, step: number) => B | Promise<B>,
  steps: number,
  measure: string,
): Promise<{ readonly params: P; readonly course: Omit<Course, "objective"> }> {
  const optimizer = adamw(0.05);
  const step = compile(trainingStep({ policy, objective, optimizer }));
  let state = initTrainingState(params, optimizer, key(1));
  const values: number[] = [];
  for (let i = 0; i < steps; i++) {
    const result = step(state, await batchOf(state.params, i));
    state = result.state;
    values.push(await result.metrics[measure]?.item() ?? NaN);
  }
  const [first = NaN, last = NaN] = [values[0], values.at(-1)];
  return { params: state.params, course: { measure, first, last } };
}

/** Trains one policy by each of five objectives, from the same start. */
export async function fiveObjectives<P>(policy: Policy<P>, start: P): Promise<Course[]> {
  const reference = modelOf(policy, start);
  const scoredPairs = {
    chosen: scoredBy(reference, pairs.chosen),
    rejected: scoredBy(reference, pairs.rejected),
  };
  const supervised = await train(policy, start, sft(), () => demonstrations, 25, "loss");
  const teacher = modelOf(policy, supervised.params);
  const others = {
    ift: await train(policy, start, ift({ lambda: 0.2 }), () => demonstrations, 25, "nll"),
    dpo: await train(policy, start, dpo({ beta: 0.5 }), () => scoredPairs, 25, "loss"),
    distillation: await train(
      policy,
      start,
      distillation(teacher),
      () => demonstrations,
      25,
      "loss",
    ),
    grpo: await train(
      policy,
      start,
      grpo({ groupSize: 8 }),
      (params, step) => rollOut(modelOf(policy, params), 8, 100 * step),
      20,
      "reward",
    ),
  };
  return Object.entries({ sft: supervised, ...others }).map(([objective, { course }]) => ({
    objective,
    ...course,
  }));
}

/** Trains both policies. */
export async function main(): Promise<Readonly<Record<string, readonly Course[]>>> {
  const seed: Tensor = key(0);
  return {
    "bigram table": await fiveObjectives(bigram, initBigram(seed, VOCABULARY)),
    "recurrent net": await fiveObjectives(recurrent, initRecurrent(seed, VOCABULARY)),
  };
}

if (import.meta.main) {
  for (const [name, courses] of Object.entries(await main())) {
    console.log(name);
    for (const { objective, measure, first, last } of courses) {
      console.log(
        `  ${objective.padEnd(14)}${measure.padEnd(8)}${first.toFixed(3)} -> ${last.toFixed(3)}`,
      );
    }
  }
}
