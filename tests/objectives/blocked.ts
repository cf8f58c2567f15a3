/** A head in blocks with everything that it predicts, and its gradients, for devices to compare. */
import { vjp } from "@unitune/autodiff";
import { type Tensor, tensor } from "@unitune/core";
import type { Policy } from "@unitune/objectives";
import { inBlocks } from "../../objectives/vocabulary_blocks.ts";
import type { Tolerance } from "../core/primitives_table.ts";
import { numbers } from "../webgpu/numbers.ts";
import type { Parameters } from "./arbitrary.ts";

const [positions, width, vocabulary, size] = [9, 20, 150, 64];

/** Operands of {@linkcode blockedResults}: of a whole block and a part of one, and no whole tile. */
export const blockedOperands = (): readonly Tensor[] => [
  numbers([positions, width]),
  numbers([vocabulary, width]),
  numbers([vocabulary]),
  tensor(Int32Array.from({ length: positions }, (_, i) => i * 37 % vocabulary), { dtype: "i32" }),
];

/** Log-probabilities, entropies and arg max, and the gradients of the first two. */
export function blockedResults(operands: readonly Tensor[]): readonly Tensor[] {
  const [hidden, weight, bias, ids] = operands;
  if (!hidden || !weight || !bias || !ids) throw new RangeError("an operand is missing");
  const differentiated = { hidden, weight, bias };
  const read = (x: typeof differentiated) =>
    inBlocks({ weight: x.weight, bias: x.bias, softcap: 4 }, x.hidden, size);
  const { value, pullback } = vjp((x: typeof differentiated) => {
    const { logProbs, entropy } = read(x);
    return { logProbs: logProbs(ids), entropy: entropy() };
  }, differentiated);
  const gradient = pullback(value);
  return [
    value.logProbs,
    value.entropy,
    read(differentiated).argmax(),
    gradient.hidden,
    gradient.weight,
    gradient.bias,
  ];
}

/** A policy whose head is in blocks of so many tokens, if it is linear. */
export function inBlocksOf(by: Policy<Parameters>, block: number): Policy<Parameters> {
  return {
    ...by,
    head(params) {
      const head = by.head(params);
      return typeof head === "function" ? head : { ...head, block };
    },
  };
}

/** Products of 20 terms and sums of 150, of elements of size 1, in f32. */
export const blockedTolerance: Tolerance = {
  value: 1e-5,
  reason: "sums of 150 products of 20 terms",
};
