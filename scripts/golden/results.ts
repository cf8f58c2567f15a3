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
  encodeSafetensors,
  evaluate,
  type FloatDType,
  headLogits,
  headScores,
  logSoftmax,
  mapTree,
  mean,
  neg,
  type RawTensor,
  slice,
  square,
  takeAlongAxis,
  type Tensor,
  tensor,
  toRawTensor,
} from "@unitune/core";
import {
  adapt,
  type AdapterBase,
  type CheckpointSource,
  createGenerator,
  generatedIds,
  type LanguageModel,
  readAdapter,
  type SavedAdapter,
  type ScoreParameters,
} from "@unitune/models";

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

/** The files of a model whose weights are the formula's, as transformers writes them. */
export function modelFiles(
  config: { readonly model_type: string },
  shapes: Readonly<Record<string, readonly number[]>>,
): Map<string, Uint8Array> {
  const gain = config.model_type.startsWith("gemma") ? 0 : 1;
  const tensors = Object.entries(shapes).map(([name, shape]): [string, RawTensor] => [
    name,
    toRawTensor({ dtype: "f32", shape, data: weightOf(name, shape, gain) }),
  ]);
  return new Map([
    ["config.json", new TextEncoder().encode(JSON.stringify(config))],
    ["model.safetensors", encodeSafetensors(new Map(tensors))],
  ]);
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

/** A tree in another type of floats; the reference computes in f64. */
function treeIn<T>(tree: T, dtype: FloatDType): T {
  return evaluate(mapTree(tree, (leaf) => cast(leaf, dtype)), defaultDevice(dtype));
}

/** A model in another type of floats. */
export function inType({ model, params }: Loaded, dtype: FloatDType): Loaded {
  return { model, params: treeIn(params, dtype), device: defaultDevice(dtype) };
}

/** The options of programs on a model's device. */
function onDevice({ device }: Pick<Loaded, "device">): CompileOptions {
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

/** A loss, and the results that it is of. */
interface LossOf {
  readonly value: Tensor;
  readonly aux: Tensor;
}

/** The mean of `-log p` of each token after those before it, and the logits. */
function tokenLoss(model: LanguageModel, params: unknown, ids: Tensor): LossOf {
  const { T } = dims(ids, "B T");
  const logits = logitsOf(model, params, ids);
  const logProbs = logSoftmax(slice(logits, 1, 0, T - 1)); // [B, T - 1, V]
  const loss = neg(mean(takeAlongAxis(logProbs, slice(ids, 1, 1))));
  return { value: loss, aux: logits };
}

/** Loss, logits and gradient of a model on token ids. */
export function differentiate(loaded: Loaded, ids: Tensor) {
  return differentiateLoss(
    loaded.params,
    (params) => tokenLoss(loaded.model, params, ids),
    onDevice(loaded),
  );
}

/** A loss, what it is of, and its gradient. */
function differentiateLoss<P>(params: P, lossOf: (params: P) => LossOf, options: CompileOptions) {
  using run = compile(valueAndGradAux(lossOf), options);
  const { value, aux: logits, gradient } = run(params);
  return { loss: value, logits, gradient };
}

/** AdamW as in `models.py`: PyTorch decays all parameters. */
const optimizer = adamw(1e-2, { weightDecay: 0.01, mask: () => true });

/** The losses before each of some steps of AdamW. */
export function descend(
  loaded: Loaded,
  ids: Tensor,
  steps: number,
): Promise<readonly number[]> {
  const lossOf = (params: unknown) => tokenLoss(loaded.model, params, ids);
  return descendLoss(loaded.params, lossOf, steps, onDevice(loaded));
}

/** The losses before each of some steps of AdamW on a loss. */
async function descendLoss<P>(
  params: P,
  lossOf: (params: P) => LossOf,
  steps: number,
  options: CompileOptions,
): Promise<readonly number[]> {
  using step = compile((state: State<P>) => {
    const { value, gradient } = valueAndGradAux(lossOf)(state.params);
    const { updates, state: next } = optimizer.update(gradient, state.optimizer, state.params);
    return { loss: value, state: { params: applyUpdates(state.params, updates), optimizer: next } };
  }, options);
  const losses: number[] = [];
  let state: State<P> = { params, optimizer: evaluate(optimizer.init(params), options.device) };
  for (let i = 0; i < steps; i++) {
    const done = step(state);
    losses.push(await done.loss.item());
    state = done.state;
  }
  return losses;
}

interface State<P> {
  readonly params: P;
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

/**
 * How far a gradient is from what golden files hold of it, its norm and its product with
 * {@linkcode uniform} of `along NAME`: relative to the norm.
 */
export function summaryDifference(
  name: string,
  gradient: ArrayLike<number>,
  [norm, product]: readonly [norm: number, product: number],
): number {
  const found = Float64Array.from(gradient);
  const along = uniform(`along ${name}`, found.length);
  const dot = (a: Float64Array, b: Float64Array) =>
    a.reduce((total, x, i) => total + x * (b[i] ?? NaN), 0);
  // The product of two vectors errs by the error of one times the norm of the other.
  const longest = norm * Math.sqrt(dot(along, along));
  return Math.max(
    Math.abs(Math.sqrt(dot(found, found)) / norm - 1),
    Math.abs(dot(found, along) - product) / longest,
  );
}

/** The elements of a tensor of an adapter, as `adapters.py` has them. */
export function adapterWeightOf(
  name: string,
  shape: readonly number[],
): Float32Array<ArrayBuffer> {
  const elements = weightOf(name, shape, 1);
  return name.endsWith("lora_magnitude_vector") ? elements.map((x) => 1 + x / 2) : elements;
}

/** The parameters that are trained: those of an adapter, and the head of one number if it has one. */
interface Trained {
  readonly params: unknown;
  readonly score?: ScoreParameters;
}

/** The loss of a model, or the mean square of its scores of the last token; and what it is of. */
function adapterLoss(model: LanguageModel, { params, score }: Trained, ids: Tensor): LossOf {
  if (score === undefined) return tokenLoss(model, params, ids);
  const { T } = dims(ids, "B T");
  const hidden = model.hidden(params, model.embed(params, ids));
  const scores = headScores(score, slice(hidden, 1, T - 1)); // [B, 1]
  return { value: mean(square(scores)), aux: scores };
}

/** Results of a model with a head of tokens or of one number. */
export function adapterResults(
  { model, params, score }: Trained & { readonly model: LanguageModel },
  ids: Tensor,
  dtype: FloatDType,
) {
  const options = { device: defaultDevice(dtype) };
  const trained: Trained = { params, ...score !== undefined && { score } };
  const lossOf = (trained: Trained) => adapterLoss(model, trained, ids);
  return {
    /** Loss, logits and gradient. */
    differentiate: () => differentiateLoss(trained, lossOf, options),
    /** The losses before each of some steps of AdamW. */
    descend: (steps: number) => descendLoss(trained, lossOf, steps, options),
  };
}

/** An adapter on its base in another type of floats. */
export async function readAdapterIn(
  source: CheckpointSource,
  base: AdapterBase,
  dtype: FloatDType,
): Promise<SavedAdapter> {
  const { model, ...trained } = await readAdapter(source, base);
  const wide = { model: base.model, params: treeIn(base.params, dtype) };
  return { model: adapt(wide, model.adapter), ...treeIn(trained, dtype) };
}
