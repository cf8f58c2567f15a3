/**
 * Reverse-mode differentiation as a transformation, and gradient optimizers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, mul, sub, sum, type Tensor, tensor } from "@unitune/core";
 * import { valueAndGrad } from "@unitune/autodiff";
 *
 * const distance = (x: Tensor, to: Tensor) => sum(mul(sub(x, to), sub(x, to)));
 * const step = compile(valueAndGrad(distance));
 * const { value, gradient } = step(tensor([3, 1]), tensor([1, 1]));
 * assertEquals(await value.item(), 4);
 * assertEquals(await gradient.data(), new Float32Array([4, 0]));
 * ```
 *
 * @module
 */
export {
  grad,
  type ValueAndAux,
  valueAndGrad,
  valueAndGradAux,
  type ValueAndGradient,
  type Vjp,
  vjp,
} from "./vjp.ts";
export {
  type AveragedParameters,
  type AverageInterval,
  bema,
  type BemaOptions,
  movingAverage,
  type MovingAverageOptions,
  type ParameterAverage,
} from "./averages.ts";
export { checkGradients, type CheckOptions } from "./check_gradients.ts";
export { checkpoint } from "./checkpoint.ts";
export { customVjp, type Residuals } from "./custom_vjp.ts";
export {
  accumulate,
  type Accumulation,
  averaged,
  emptyAccumulation,
} from "./optimizers/accumulation.ts";
export {
  type AdamOptions,
  type AdamState,
  adamw,
  type AdamWOptions,
  scaleByAdam,
} from "./optimizers/adam.ts";
export {
  type Adam8bitState,
  adamw8bit,
  type QuantizedByPath,
  scaleByAdam8bit,
} from "./optimizers/adam8bit.ts";
export {
  adafactor,
  type AdafactorOptions,
  clipByBlockRms,
  type FactoredRmsOptions,
  type FactoredRmsState,
  relativeSteps,
  scaleByFactoredRms,
  scaleByParameterRms,
} from "./optimizers/adafactor.ts";
export {
  dequantized,
  inBlocks,
  type MapKind,
  outOfBlocks,
  type Quantized,
  quantized,
} from "./optimizers/blockwise.ts";
export { clipByGlobalNorm, globalNorm } from "./optimizers/clip.ts";
export {
  lion,
  type LionMomentumOptions,
  type LionOptions,
  type LionState,
  scaleByLion,
} from "./optimizers/lion.ts";
export {
  muon,
  type MuonMomentumOptions,
  type MuonOptions,
  type MuonState,
  orthogonalized,
  scaleByMuon,
} from "./optimizers/muon.ts";
export { masked } from "./optimizers/masked.ts";
export { partition, type PartitionState } from "./optimizers/partition.ts";
export {
  type RmsOptions,
  rmsprop,
  type RmspropOptions,
  type RmsState,
  scaleByRms,
} from "./optimizers/rmsprop.ts";
export { addMomentum, type MomentumOptions, type MomentumState, sgd } from "./optimizers/sgd.ts";
export {
  addDecayedWeights,
  applyUpdates,
  type ByPath,
  chain,
  type GradientTransform,
  type LearningRate,
  onlyMatrices,
  type ParameterMask,
  scale,
  scaleByLearningRate,
  scaleBySchedule,
  type Stateless,
  type StepState,
  type Updated,
} from "./optimizers/transform.ts";
export {
  constant,
  cosineDecay,
  type CosineOptions,
  linearWarmup,
  type Schedule,
  warmupCosine,
  type WarmupCosineOptions,
  type WarmupOptions,
} from "./schedules.ts";
