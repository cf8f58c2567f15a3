/** A head in blocks with everything that it predicts, and its gradients, for devices to compare. */
import { vjp } from "@unitune/autodiff";
import { type Tensor, tensor } from "@unitune/core";
import { inBlocks } from "../../objectives/vocabulary_blocks.ts";
import type { Tolerance } from "../core/primitives_table.ts";
import { numbers } from "../webgpu/numbers.ts";

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
  const read = (x: { readonly hidden: Tensor; readonly weight: Tensor; readonly bias: Tensor }) =>
    inBlocks({ weight: x.weight, bias: x.bias, softcap: 4 }, x.hidden, size);
  const { value, pullback } = vjp((x: Parameters<typeof read>[0]) => {
    const { logProbs, entropy } = read(x);
    return { logProbs: logProbs(ids), entropy: entropy() };
  }, { hidden, weight, bias });
  const gradient = pullback(value);
  return [
    value.logProbs,
    value.entropy,
    read({ hidden, weight, bias }).argmax(),
    gradient.hidden,
    gradient.weight,
    gradient.bias,
  ];
}

/** Products of 20 terms and sums of 150, of elements of size 1, in f32. */
export const blockedTolerance: Tolerance = {
  value: 1e-5,
  reason: "sums of 150 products of 20 terms",
};
