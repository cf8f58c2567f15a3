/** Attention of any sizes and masks, for Deno and for browsers: nothing here imports Deno's API. */
import {
  apply,
  applyAll,
  type Device,
  dims,
  key,
  normal,
  type Shape,
  type Tensor,
  tensor,
} from "@unitune/core";
// Not public: what the primitives are told.
import type { AttentionParameters } from "../../core/attention.ts";
import { assertLikeReference } from "./compare.ts";

/** Sizes and parameters of attention. */
export interface Attended {
  readonly q: Shape;
  readonly k: Shape;
  /** What differs from causal attention with a scale of 0.3. */
  readonly parameters?: Partial<AttentionParameters>;
  /** The positions of the first queries, where an operand says them. */
  readonly starts?: readonly number[];
}

const plain: AttentionParameters = {
  scale: 0.3,
  softcap: null,
  causal: true,
  window: null,
  start: 0,
  segments: false,
};

/** Contexts that are seen in several ranges: of windows, of groups, of documents, of one query. */
export const longContexts: readonly Attended[] = [
  {
    q: [1, 1100, 1, 8],
    k: [1, 2100, 1, 8],
    parameters: { window: 1050, start: "operand" },
    starts: [990],
  },
  { q: [1, 420, 3, 8], k: [1, 420, 1, 8] },
  { q: [1, 2, 1, 4], k: [1, 70_000, 1, 4], parameters: { start: 69_998, segments: true } },
];

/** Segments from -1 to 2 in runs of some positions, i32 of a shape. */
function segmentsOf(shape: Shape, run: number): Tensor {
  const { B, N } = dims(shape, "B N");
  const data = Int32Array.from({ length: B * N }, (_, i) => (1 + Math.floor(i / run)) % 4 - 1);
  return tensor(data, { dtype: "i32", shape });
}

/** Parameters in full. */
export function parametersOf(parameters: Attended["parameters"] = {}): AttentionParameters {
  return { ...plain, ...parameters };
}

/** The operands of the gradient, of which attention itself does without the cotangent. */
export function operandsOf({ q, k, starts, parameters = {} }: Attended): Tensor[] {
  const { B, T } = dims(q, "B T H D");
  const { S } = dims(k, "B S H D");
  return [
    ...[q, k, k, q].map((shape, i) => normal(key(i), shape)),
    ...(starts === undefined ? [] : [tensor(Int32Array.from(starts), { dtype: "i32" })]),
    ...(parameters.segments ? [segmentsOf([B, T], 9), segmentsOf([B, S], 5)] : []),
  ];
}

/** Attention and its three gradients. */
export function attend(
  parameters: AttentionParameters,
  operands: readonly Tensor[],
): [Tensor, ...Tensor[]] {
  return [
    apply("attention", operands.toSpliced(3, 1), parameters),
    ...applyAll("attentionGradient", operands, parameters),
  ];
}

/** Asserts that devices attend as the reference does. */
export async function checkAttention(
  devices: readonly Device[],
  attended: Attended,
): Promise<void> {
  await assertLikeReference(
    devices,
    (operands) => attend(parametersOf(attended.parameters), operands),
    () => operandsOf(attended),
    { value: 5e-5, reason: "sums of some hundred terms of size 1 in f32, gradients up to 20" },
    JSON.stringify(attended),
  );
}
