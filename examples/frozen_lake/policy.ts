/** The two-layer policy of the game: a policy of `@unitune/objectives` like any other. */
import {
  add,
  categorical,
  foldKey,
  gather,
  key,
  matmul,
  mul,
  relu,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  uniform,
  zeros,
} from "@unitune/core";
import type { Environment, Policy } from "@unitune/objectives";
import type { Game } from "./dynamics.ts";
import type { PolicyMatrix } from "./evaluation.ts";
import { actions, type Lake } from "./lake.ts";

/** The functions that follow the first layer. */
const activations = { none: (x: Tensor) => x, relu, tanh } as const;

/** The name of an activation. */
export type Activation = keyof typeof activations;

/** The architecture of the policy, which the paper leaves open. */
export interface Architecture {
  /** The width H of the hidden layer. */
  readonly width: number;
  readonly activation: Activation;
  /** The input: the cell as one of N, or its row and its column. */
  readonly input: "cell" | "row-column";
}

/** The parameters, for F features of a cell and A moves. */
export type Weights = {
  /** `[F, H]` and `[H]`: the first layer, which is the embedding of the cells. */
  readonly first: Tensor;
  readonly firstBias: Tensor;
  /** `[H, A]` and `[A]`: the second. */
  readonly second: Tensor;
  readonly secondBias: Tensor;
  /** `[H]` and a scalar: the values, for methods that learn them. */
  readonly value: Tensor;
  readonly valueBias: Tensor;
};

/** The features of every cell, `[N, F]`. */
function featuresOf({ cells, rows, columns }: Lake, input: Architecture["input"]): number[][] {
  const oneOf = (size: number, index: number) =>
    Array.from({ length: size }, (_, i) => i === index ? 1 : 0);
  return cells.map((_, cell) =>
    input === "cell"
      ? oneOf(cells.length, cell)
      : [...oneOf(rows, Math.floor(cell / columns)), ...oneOf(columns, cell % columns)]
  );
}

/**
 * The policy: `logits = act(x W1 + b1) W2 + b2`, x the features of a cell. The first layer is the
 * embedding, which intuitive states mix.
 *
 * @param lake The lake.
 * @param architecture The architecture.
 * @returns The policy, with a value head if `hasValues`.
 */
export function lakePolicy(
  lake: Lake,
  { activation, input }: Architecture,
  hasValues = false,
): Policy<Weights> {
  const act = activations[activation];
  const features = tensor(featuresOf(lake, input));
  return {
    embed: ({ first, firstBias }, ids) =>
      gather(add(input === "cell" ? first : matmul(features, first), firstBias), ids),
    hidden: (_, embeddings) => act(embeddings),
    head: ({ second, secondBias }) => (hidden) => add(matmul(hidden, second), secondBias),
    ...(hasValues
      ? {
        value: ({ value, valueBias }) => (hidden) =>
          add(sum(mul(hidden, value), { axes: [-1], keepDims: true }), valueBias),
      }
      : {}),
  };
}

/**
 * Weights before training: uniform on `+-1 / sqrt(fan in)`, as in PyTorch's linear layers
 * (torch.nn.Linear); values start at 0.
 *
 * @param lake The lake.
 * @param architecture The policy's architecture.
 * @param seed Any integer from 0.
 * @returns The weights.
 */
export function initialWeights(
  lake: Lake,
  { width, input }: Architecture,
  seed: number,
): Weights {
  const [features = []] = featuresOf(lake, input);
  const draw = (purpose: number, shape: readonly number[], fanIn: number) =>
    mul(sub(mul(uniform(foldKey(key(seed), purpose), shape), 2), 1), 1 / Math.sqrt(fanIn));
  return {
    first: draw(0, [features.length, width], features.length),
    firstBias: draw(1, [width], features.length),
    second: draw(2, [width, actions.length], width),
    secondBias: draw(3, [actions.length], width),
    value: zeros([width]),
    valueBias: zeros([]),
  };
}

/** All cells, as a batch of one position each, `[N, 1]`. */
export function allCells({ cells }: Lake): Tensor {
  return tensor(cells.map((_, cell) => [cell]), { dtype: "i32" });
}

/**
 * The transition matrix of a policy from its logits: a softmax in each cell, in double precision.
 *
 * @param logits `[N, A]`, row by row.
 * @returns `T[cell][action]`.
 */
export function matrixOf(logits: ArrayLike<number>): PolicyMatrix {
  const count = actions.length;
  return Array.from({ length: logits.length / count }, (_, cell) => {
    const row = Array.from({ length: count }, (_, action) => logits[cell * count + action] ?? NaN);
    // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
    const highest = Math.max(...row);
    const weights = row.map((x) => Math.exp(x - highest));
    const total = weights.reduce((sum, x) => sum + x, 0);
    return weights.map((x) => x / total);
  });
}

/**
 * The game as an environment: the cell that a move leads to. The key draws the slips; without a
 * key, moves don't slip.
 *
 * @param game The game.
 * @returns The environment.
 */
export function environmentOf({ lake, slippery, transitions }: Game): Environment {
  const count = actions.length;
  const outcomes = slippery ? 3 : 1;
  const table = transitions.flatMap((row) =>
    row.flatMap((ends) =>
      Array.from({ length: outcomes }, (_, i) => (ends[i] ?? ends[0])?.next ?? lake.start)
    )
  );
  const next = tensor(table, { dtype: "i32" });
  return (observed, moves, { key: drawn }) => {
    const place = mul(add(mul(observed, count), moves), outcomes);
    if (!slippery) return gather(next, place);
    // The middle one of three is the direction of the move.
    const slip = drawn === undefined ? 1 : categorical(drawn, zeros([...observed.shape, outcomes]));
    return gather(next, add(place, slip));
  };
}
