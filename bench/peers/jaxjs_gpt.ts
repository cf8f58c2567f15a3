/**
 * GPT-2's training step in jax-js, the same as in bench/training.ts: a peer to measure beside it.
 *
 *   deno run --no-config --allow-read=FOLDER jaxjs_gpt.ts FOLDER \
 *     '{"layers": 4, "heads": 4, "width": 128, "context": 64, "vocabulary": 65, "batch": 12}'
 *
 * FOLDER is where npm installed `@jax-js/jax`. Prints a line of JSON once it is ready; then, for
 * each line with a number on standard input, takes that number of steps and prints the loss of the
 * last.
 */
import { pathToFileURL } from "node:url";
import { linesOf } from "./peer.ts";

/** The used part of jax-js's arrays. Every operation consumes its operands; `ref` keeps one. */
interface Value {
  readonly ref: Value;
  readonly shape: number[];
  add(other: Value | number): Value;
  sub(other: Value | number): Value;
  mul(other: Value | number): Value;
  div(other: Value | number): Value;
  neg(): Value;
  reshape(shape: readonly number[]): Value;
  transpose(axes?: readonly number[]): Value;
  data(): Promise<Float32Array>;
}

/** A tree of arrays. */
type Tree = Value | { readonly [name: string]: Tree } | readonly Tree[];

/** The used part of jax-js. */
interface Jax {
  init(): Promise<readonly string[]>;
  defaultDevice(name: string): unknown;
  jit<A extends readonly unknown[], R>(f: (...args: A) => R): (...args: A) => R;
  valueAndGrad<P, A extends readonly unknown[]>(
    f: (params: P, ...args: A) => Value,
  ): (params: P, ...args: A) => [Value, P];
  readonly tree: {
    map<T extends Tree>(f: (...leaves: Value[]) => Value, ...trees: T[]): T;
    ref<T extends Tree>(tree: T): T;
    leaves(tree: Tree): Value[];
  };
  readonly random: {
    key(seed: number): Value;
    normal(key: Value, shape: readonly number[]): Value;
  };
  readonly nn: {
    gelu(x: Value, options?: { readonly approximate: boolean }): Value;
    softmax(x: Value, axis: number): Value;
    logSoftmax(x: Value, axis: number): Value;
    oneHot(ids: Value, classes: number): Value;
  };
  readonly numpy: {
    array(data: Int32Array): Value;
    ones(shape: readonly number[]): Value;
    zeros(shape: readonly number[]): Value;
    matmul(a: Value, b: Value): Value;
    mean(x: Value, axis?: number, options?: { readonly keepdims: boolean }): Value;
    sum(x: Value, axis?: number): Value;
    sqrt(x: Value): Value;
    square(x: Value): Value;
    reciprocal(x: Value): Value;
    minimum(x: Value, y: Value | number): Value;
    split(x: Value, parts: number, axis: number): Value[];
    tril(x: Value): Value;
  };
}

interface Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly vocabulary: number;
  readonly batch: number;
}

type Linear = { readonly weight: Value; readonly bias: Value };

type Block = {
  readonly ln_1: Linear;
  readonly attention: Linear;
  readonly attended: Linear;
  readonly ln_2: Linear;
  readonly hidden: Linear;
  readonly output: Linear;
};

type Parameters = {
  readonly tokens: Value;
  readonly positions: Value;
  readonly blocks: readonly Block[];
  readonly norm: Linear;
};

/** The training step of a new model. */
function makeTraining(jax: Jax, sizes: Sizes) {
  const { numpy: np, nn, tree, random } = jax;
  const { layers, heads, width, context, vocabulary, batch } = sizes;
  const headWidth = width / heads;

  let seed = 0;
  const weight = (...shape: number[]) => random.normal(random.key(seed++), shape).mul(0.02);
  const linear = (from: number, to: number): Linear => ({
    weight: weight(from, to),
    bias: np.zeros([to]),
  });
  const norm = (): Linear => ({ weight: np.ones([width]), bias: np.zeros([width]) });
  let params: Parameters = {
    tokens: weight(vocabulary, width),
    positions: weight(context, width),
    blocks: Array.from({ length: layers }, () => ({
      ln_1: norm(),
      attention: linear(width, 3 * width),
      attended: linear(width, width),
      ln_2: norm(),
      hidden: linear(width, 4 * width),
      output: linear(4 * width, width),
    })),
    norm: norm(),
  };

  const project = (x: Value, { weight, bias }: Linear) => np.matmul(x, weight).add(bias);
  const layerNorm = (x: Value, { weight, bias }: Linear) => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred.mul(np.reciprocal(np.sqrt(variance.add(1e-5)))).mul(weight).add(bias);
  };
  const attend = (packed: Value) => {
    const [queries, keys, values] = np.split(packed, 3, -1).map((part) =>
      part.reshape([batch, context, heads, headWidth]).transpose([0, 2, 1, 3])
    );
    if (queries === undefined || keys === undefined || values === undefined) {
      throw new Error("split gave fewer than three parts");
    }
    const scores = np.matmul(queries, keys.transpose([0, 1, 3, 2])).mul(headWidth ** -0.5);
    const hidden = np.tril(np.ones([context, context])).sub(1).mul(1e9);
    const seen = np.matmul(nn.softmax(scores.add(hidden), -1), values);
    return seen.transpose([0, 2, 1, 3]).reshape([batch, context, width]);
  };
  const lossOf = (params: Parameters, ids: Value, targets: Value): Value => {
    const { tokens, positions, blocks, norm } = params;
    let x = np.matmul(nn.oneHot(ids, vocabulary), tokens.ref).add(positions);
    for (const block of blocks) {
      x = x.ref.add(
        project(attend(project(layerNorm(x, block.ln_1), block.attention)), block.attended),
      );
      const hidden = project(layerNorm(x.ref, block.ln_2), block.hidden);
      x = x.add(project(nn.gelu(hidden, { approximate: true }), block.output));
    }
    const logits = np.matmul(layerNorm(x, norm), tokens.transpose());
    const picked = nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, vocabulary));
    return np.mean(np.sum(picked, -1)).neg();
  };

  const lossAndGradient = jax.valueAndGrad(lossOf);
  const zeros = () => tree.map((leaf) => np.zeros(leaf.shape), tree.ref(params));
  let [first, second] = [zeros(), zeros()];
  const update = jax.jit(
    (
      params: Parameters,
      first: Parameters,
      second: Parameters,
      scale: readonly [Value, Value],
      ids: Value,
      targets: Value,
    ): [Parameters, Parameters, Parameters, Value] => {
      const [loss, gradient] = lossAndGradient(tree.ref(params), ids, targets);
      const squares = tree.leaves(tree.ref(gradient)).map((leaf) => np.sum(np.square(leaf)));
      const total = squares.reduce((sum, square) => sum.add(square));
      const clip = np.minimum(np.reciprocal(np.sqrt(total).add(1e-6)), 1);
      const clipped = tree.map((leaf) => leaf.mul(clip.ref), gradient);
      const pair = (f: (a: Value, b: Value) => Value) => (...leaves: Value[]): Value => {
        const [a, b] = leaves;
        if (a === undefined || b === undefined) throw new Error("expected two trees");
        return f(a, b);
      };
      const nextFirst = tree.map(
        pair((m, g) => m.mul(0.9).add(g.mul(0.1))),
        first,
        tree.ref(clipped),
      );
      const nextSecond = tree.map(
        pair((v, g) => v.mul(0.99).add(np.square(g).mul(0.01))),
        second,
        clipped,
      );
      const [rate, correction] = scale;
      const steps = tree.map(
        pair((m, v) => m.mul(rate.ref).div(np.sqrt(v.mul(correction.ref)).add(1e-8))),
        tree.ref(nextFirst),
        tree.ref(nextSecond),
      );
      const next = tree.map(pair((p, s) => p.mul(1 - 1e-3 * 0.1).sub(s)), params, steps);
      return [next, nextFirst, nextSecond, loss];
    },
  );

  const draw = () => {
    const ids = Int32Array.from({ length: batch * context }, () => Math.random() * vocabulary);
    return np.array(ids).reshape([batch, context]);
  };
  const [ids, targets] = [draw(), draw()];
  let done = 0;
  const scalar = (value: number) => np.ones([]).mul(value);
  return {
    parameters: tree.leaves(tree.ref(params))
      .reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0),
    async step(): Promise<number> {
      done++;
      const scale = [scalar(1e-3 / (1 - 0.9 ** done)), scalar(1 / (1 - 0.99 ** done))] as const;
      let loss: Value;
      [params, first, second, loss] = update(params, first, second, scale, ids.ref, targets.ref);
      return (await loss.data())[0] ?? NaN;
    },
  };
}

async function load(folder: string): Promise<{ jax: Jax; version: string } | undefined> {
  try {
    const root = `${await Deno.realPath(folder)}/node_modules/@jax-js/jax`;
    const { version }: { version: string } = JSON.parse(
      await Deno.readTextFile(`${root}/package.json`),
    );
    return { jax: await import(pathToFileURL(`${root}/dist/index.js`).href), version };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const [folder = ".", sizes = "{}", device = "wasm"] = Deno.args;
const loaded = await load(folder);
if (loaded === undefined) {
  console.log(JSON.stringify({ missing: `jax-js is not installed in ${folder}` }));
  Deno.exit(0);
}
const { jax, version } = loaded;
await jax.init();
jax.defaultDevice(device);
const { parameters, step } = makeTraining(jax, JSON.parse(sizes));
const loss = await step();
console.log(JSON.stringify({
  version: `jax-js ${version}`,
  parameters,
  threads: navigator.hardwareConcurrency,
  loss,
}));
for await (const line of linesOf(Deno.stdin.readable)) {
  let latest = NaN;
  for (let i = 0; i < Number(line); i++) latest = await step();
  console.log(latest);
}
Deno.exit(0);
