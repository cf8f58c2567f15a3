/**
 * The results of a model that golden files hold: logits, loss, gradients, the losses of some steps of
 * AdamW, and greedy answers. Formulas are those of `models.py`.
 */
import { adamw, applyUpdates, type GradientTransform, valueAndGradAux } from "@unitune/autodiff";
import {
  cast,
  compile,
  type CompileOptions,
  defaultDevice,
  type Device,
  dims,
  evaluate,
  type FloatDType,
  headLogits,
  logSoftmax,
  mapTree,
  mean,
  neg,
  slice,
  takeAlongAxis,
  type Tensor,
  tensor,
} from "@unitune/core";
import { createGenerator, generatedIds, type LanguageModel } from "@unitune/models";

/** The finalizer of MurmurHash3 on 32-bit integers. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Numbers from -1/2 to 1/2, multiples of 2^-16: of the bytes of a name and of the index. */
export function uniform(name: string, size: number): Float64Array<ArrayBuffer> {
  const seed = new TextEncoder().encode(name).reduce((seed, byte) => mix(seed ^ byte), 0);
  return Float64Array.from(
    { length: size },
    (_, i) => (mix(Math.imul(i, 0x9e3779b1) + seed) >>> 16) / 2 ** 16 - 0.5,
  );
}

/** The elements of a tensor: uniform ones, added to the common value of gains in those of norms. */
export function weightOf(
  name: string,
  shape: readonly number[],
  gain: number,
): Float32Array<ArrayBuffer> {
  const elements = uniform(name, shape.reduce((product, axis) => product * axis, 1));
  const isGain = shape.length === 1 && name.endsWith("weight");
  return Float32Array.from(elements, (x) => isGain ? gain + x / 2 : x);
}

/** A model, its parameters, and the device that computes them. */
export interface Loaded {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
  /** The device (default: that of f32). */
  readonly device?: Device;
}

/** A model in another type of floats; the reference computes in f64. */
export function inType({ model, params }: Loaded, dtype: FloatDType): Loaded {
  const device = defaultDevice(dtype);
  return { model, params: evaluate(mapTree(params, (leaf) => cast(leaf, dtype)), device), device };
}

/** The options of programs on a model's device. */
function onDevice({ device }: Loaded): CompileOptions {
  return device === undefined ? {} : { device };
}

/** Token ids, `[B, T]`. */
export function tokenIds(rows: readonly (readonly number[])[]): Tensor {
  return tensor(rows, { dtype: "i32" });
}

/** The logits of all positions, `[B, T, V]`. */
export function logitsOf(model: LanguageModel, params: unknown, ids: Tensor): Tensor {
  return headLogits(model.head(params), model.hidden(params, model.embed(params, ids)));
}

/** The mean of `-log p` of each token after those before it, and the logits. */
function lossOf(model: LanguageModel, params: unknown, ids: Tensor) {
  const { T } = dims(ids, "B T");
  const logits = logitsOf(model, params, ids);
  const logProbs = logSoftmax(slice(logits, 1, 0, T - 1)); // [B, T - 1, V]
  const loss = neg(mean(takeAlongAxis(logProbs, slice(ids, 1, 1))));
  return { value: loss, aux: logits };
}

/** Loss, logits and gradient of a model on token ids. */
export function differentiate(loaded: Loaded, ids: Tensor) {
  const { model, params } = loaded;
  const loss = (params: unknown) => lossOf(model, params, ids);
  using run = compile(valueAndGradAux(loss), onDevice(loaded));
  const { value, aux: logits, gradient } = run(params);
  return { loss: value, logits, gradient };
}

/** AdamW as in `models.py`: PyTorch decays all parameters. */
const optimizer = adamw(1e-2, { weightDecay: 0.01, mask: () => true });

/** The losses before each of some steps of AdamW. */
export async function descend(
  loaded: Loaded,
  ids: Tensor,
  steps: number,
): Promise<readonly number[]> {
  const { model, params } = loaded;
  const options = onDevice(loaded);
  using step = compile((state: State) => {
    const { value, gradient } = valueAndGradAux((params: unknown) => lossOf(model, params, ids))(
      state.params,
    );
    const { updates, state: next } = optimizer.update(gradient, state.optimizer, state.params);
    return { loss: value, state: { params: applyUpdates(state.params, updates), optimizer: next } };
  }, options);
  const losses: number[] = [];
  let state: State = { params, optimizer: evaluate(optimizer.init(params), options.device) };
  for (let i = 0; i < steps; i++) {
    const done = step(state);
    losses.push(await done.loss.item());
    state = done.state;
  }
  return losses;
}

interface State {
  readonly params: unknown;
  readonly optimizer: OptimizerState;
}

type OptimizerState = typeof optimizer extends GradientTransform<infer S> ? S : never;

/** Greedy answers to prompts, in one batch with padding on the left, each up to a stop token. */
export async function answers(
  { model, params }: Loaded,
  prompts: readonly (readonly number[])[],
  count: number,
  stop: readonly number[] = [],
): Promise<readonly (readonly number[])[]> {
  using generator = createGenerator(model);
  const completions = await generator.generate(params, prompts, { maxNewTokens: count, stop });
  return completions.map(generatedIds);
}

/** The norm of the difference of two lists of numbers, relative to the norm of the second. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} numbers beside ${b.length}`);
  const norm = (at: (i: number) => number) => {
    let total = 0;
    for (let i = 0; i < b.length; i++) total += at(i) ** 2;
    return Math.sqrt(total);
  };
  return norm((i) => Number(a[i]) - Number(b[i])) / norm((i) => Number(b[i]));
}
