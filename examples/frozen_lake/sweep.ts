/** A sweep over the choices that the paper leaves open: does the ordering depend on them? */
import { findingsOf, ordering, type Verdict } from "./claims.ts";
import { gameOf } from "./dynamics.ts";
import { type Budget, type MethodRuns, problemOf, runMethod } from "./experiment.ts";
import type { Lake } from "./lake.ts";
import type { Method } from "./methods.ts";
import type { Setting } from "./training.ts";

/** A setting of the sweep. */
export interface Variant extends Setting {
  readonly slippery: boolean;
}

/** The result of the variant. */
export interface VariantResult {
  readonly variant: Variant;
  readonly results: readonly MethodRuns[];
  /** The verdict on each claim of the ordering. */
  readonly verdicts: readonly Verdict[];
}

/** Optimizers with rates at which SFT is nearest to the optimum after some tens of steps. */
const rules = [
  { optimizer: "adam", learningRate: 0.002 },
  { optimizer: "rmsprop", learningRate: 0.001 },
  { optimizer: "sgd", learningRate: 0.3 },
] as const satisfies readonly Pick<Setting, "optimizer" | "learningRate">[];

/** All combinations of the open choices; on a slippery lake, with one optimizer. */
export const variants: readonly Variant[] = [false, true].flatMap((slippery) =>
  (["cell", "row-column"] as const).flatMap((input) =>
    (["none", "relu", "tanh"] as const).flatMap((activation) =>
      [16, 128].flatMap((width) =>
        rules.slice(0, slippery ? 1 : rules.length).map((rule) => ({
          ...rule,
          slippery,
          input,
          activation,
          width,
        }))
      )
    )
  )
);

/**
 * Trains the paper's methods under a variant.
 *
 * @param lake The lake.
 * @param variant The variant.
 * @param methods The methods.
 * @param budget Seeds and steps.
 * @param onStep Called after each step.
 * @returns The result of the variant.
 */
export async function runVariant(
  lake: Lake,
  variant: Variant,
  methods: readonly Method[],
  budget: Budget,
  onStep: () => void,
): Promise<VariantResult> {
  const problem = await problemOf(gameOf(lake, variant.slippery), variant);
  const results: MethodRuns[] = [];
  for (const method of methods) results.push(await runMethod(problem, method, budget, onStep));
  return {
    variant,
    results,
    verdicts: findingsOf(results, ordering).map(({ verdict }) => verdict),
  };
}
