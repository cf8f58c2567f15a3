/** Losses of a few training steps on one batch, as `torch_losses.py` computes them too. */
import { compile, type Device, evaluate, key } from "@unitune/core";
import { adamw, chain, clipByGlobalNorm } from "@unitune/autodiff";
import { gpt, type GptParameters, type GptSizes } from "@unitune/models";
import { type Demonstrations, initTrainingState, sft, trainingStep } from "@unitune/objectives";

/** The training: AdamW with weight decay on matrices, after clipping by the global norm. */
export const recipe = {
  rate: 3e-4,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clip: 1,
} as const;

/** New parameters, on the device. */
export function newParameters(config: GptSizes, device: Device): GptParameters {
  return evaluate(gpt(config).init(key(0)), device);
}

/**
 * The losses before each of some steps of SFT on one batch. The parameters are consumed.
 *
 * @param config The sizes.
 * @param params The parameters to begin with.
 * @param batch The batch.
 * @param device The device to compute on.
 * @param steps The number of steps.
 * @returns The loss before each step.
 */
export async function lossesOf(
  config: GptSizes,
  params: GptParameters,
  batch: Demonstrations,
  device: Device,
  steps: number,
): Promise<number[]> {
  const { rate, clip, ...adam } = recipe;
  const optimizer = chain<unknown[]>(clipByGlobalNorm(clip), adamw(rate, adam));
  using step = compile(
    trainingStep({ policy: gpt(config), objective: sft(), optimizer }),
    { device, donate: [0] },
  );
  let state = evaluate(initTrainingState(params, optimizer, key(1)), device);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const result = step(state, batch);
    state = result.state;
    losses.push(await result.metrics.loss?.item() ?? NaN);
  }
  return losses;
}
