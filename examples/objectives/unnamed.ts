/**
 * Combinations without a name in the literature: `deno run examples/objectives/unnamed.ts`.
 *
 * Each is one expression of parts written for other objectives.
 */
import { adamw, linearWarmup } from "@unitune/autodiff";
import { compile, key } from "@unitune/core";
import {
  advantage,
  againstReference,
  best,
  both,
  clipped,
  distilled,
  entropyBonus,
  estimate,
  estimator,
  formulaText,
  indicator,
  initTrainingState,
  intuitive,
  kl,
  modelOf,
  nll,
  type Objective,
  objective,
  onChosen,
  paired,
  pairwise,
  propagated,
  sumOf,
  teacher,
  trainingStep,
  weight,
} from "@unitune/objectives";
import { initRecurrent, recurrent, type RecurrentParameters } from "./policies.ts";
import { demonstrations, pairs, rollOut, scoredBy, VOCABULARY } from "./task.ts";

const start = initRecurrent(key(0), VOCABULARY);
const reference = modelOf(recurrent, start);

/** Intuitive states with a pairwise loss, and the chosen side's likelihood propagated as IFT does. */
export const intuitiveDpo = objective(
  paired(estimate(intuitive({ lambda: 0.2 }), againstReference(reference))),
  sumOf(pairwise({ form: "dpo", beta: 0.5 }), weight(0.1, onChosen(propagated({ gamma: 0.95 })))),
);

/** Intuitive states with group advantages, clipped, near a reference, and kept uncertain at first. */
export const intuitiveGroups = objective(
  estimate(
    intuitive({ lambda: 0.2, own: "expected" }),
    both(advantage(estimator("group-z-score", 8)), againstReference("precomputed")),
  ),
  sumOf(
    sumOf(clipped({ epsilon: 0.2, normalizer: "sequence" }), weight(0.01, kl())),
    weight(linearWarmup({ peak: 0.01, warmup: 10 }), entropyBonus()),
  ),
);

/** The best of several own answers, learned on intuitive states. */
export const intuitiveBest = objective(
  best(estimate(intuitive({ lambda: 0.2 }), indicator), { groupSize: 8 }),
  nll(),
);

/** A teacher's predictions on intuitive states, beside the demonstration's own tokens. */
export const intuitiveDistillation = objective(
  estimate(intuitive({ lambda: 0.2 }), both(indicator, teacher(reference))),
  sumOf(nll(), weight(0.1, distilled({ beta: 0.5 }))),
);

/** The losses before the first step and after some. */
export interface Course {
  readonly description: string;
  readonly first: number;
  readonly last: number;
}

async function train<B>(objective: Objective<B>, batch: B): Promise<Course> {
  const optimizer = adamw(0.02);
  const step = compile(trainingStep({ policy: recurrent, objective, optimizer }));
  let state = initTrainingState<RecurrentParameters, ReturnType<typeof optimizer.init>>(
    start,
    optimizer,
    key(1),
  );
  const losses: number[] = [];
  for (let i = 0; i < 15; i++) {
    const result = step(state, batch);
    state = result.state;
    losses.push(await result.metrics.loss?.item() ?? NaN);
  }
  const { modelStates, signal, formula } = objective.description;
  const [first = NaN, last = NaN] = [losses[0], losses.at(-1)];
  return { description: `${modelStates} | ${signal} | ${formulaText(formula)}`, first, last };
}

/** Trains by every combination. */
export async function main(): Promise<Readonly<Record<string, Course>>> {
  const rollouts = await rollOut(reference, 8, 1);
  return {
    intuitiveDpo: await train(intuitiveDpo, pairs),
    intuitiveGroups: await train(intuitiveGroups, {
      ...rollouts,
      ...scoredBy(reference, rollouts),
    }),
    intuitiveBest: await train(intuitiveBest, rollouts),
    intuitiveDistillation: await train(intuitiveDistillation, demonstrations),
  };
}

if (import.meta.main) {
  for (const [name, { description, first, last }] of Object.entries(await main())) {
    console.log(`${name}: loss ${first.toFixed(3)} -> ${last.toFixed(3)}\n  ${description}`);
  }
}
