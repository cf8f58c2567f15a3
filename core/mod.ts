/**
 * Immutable tensors, a closed table of primitives, and a compiler from pure functions to programs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, matmul, relu, tensor } from "@unitune/core";
 *
 * const layer = compile((w: ReturnType<typeof tensor>, x: ReturnType<typeof tensor>) =>
 *   relu(matmul(x, w))
 * );
 * const y = layer(tensor([[1, -1], [0, 2]]), tensor([[1, 1]]));
 * assertEquals(await y.data(), new Float32Array([1, 1]));
 * ```
 *
 * @module
 */
export type * from "./backend/device.ts";
export { reference, type ReferenceDevice } from "./backends/reference.ts";
export {
  wasm,
  type WasmDevice,
  type WasmOptions,
  type WasmStatistics,
} from "./backends/wasm/wasm.ts";
export * from "./backends/webgpu/errors.ts";
export {
  type MemoryStatistics,
  webgpu,
  type WebGpuDevice,
  type WebGpuFeature,
  type WebGpuLimits,
  type WebGpuOptions,
  type WebGpuStatistics,
} from "./backends/webgpu/webgpu.ts";
export * from "./compile.ts";
export * from "./devices.ts";
export * from "./dims.ts";
export {
  allocate,
  bytesPerElement,
  type ComputedDType,
  type DType,
  type FloatDType,
  isFloat,
  isStorage,
  type StorageDType,
  type TypedArray,
  type TypedArrays,
} from "./dtype.ts";
export {
  type Graph,
  type GraphNode,
  type Input,
  type Instruction,
  nodeAt,
  type Result,
  showGraph,
} from "./graph.ts";
export {
  type AttentionGradientOperands,
  attentionGradientOperands,
  type AttentionOperands,
  attentionOperands,
  type AttentionParameters,
} from "./attention.ts";
export { isFiniteStored, narrowed, widened } from "./half.ts";
export * from "./memory_error.ts";
export * from "./ops/activations.ts";
export * from "./ops/attention.ts";
export * from "./ops/elementwise.ts";
export * from "./ops/head.ts";
export * from "./ops/indexing.ts";
export * from "./ops/reduce.ts";
export * from "./ops/shape.ts";
export * from "./ops/shared_prefix.ts";
export * from "./primitives.ts";
export * from "./random.ts";
export * from "./ranges.ts";

export * from "./safetensors.ts";
export * from "./stored_weights.ts";
export * from "./upload.ts";
export { at, type Shape, ShapeError, showShape, sizeOf } from "./shape.ts";
export {
  apply,
  applyAll,
  asTensor,
  isTensor,
  makeTensor,
  type NestedNumbers,
  outline,
  tensor,
  type TensorLike,
  variable,
} from "./tensor.ts";
export * from "./text.ts";
export * from "./trace.ts";
export { leafPaths, leavesOf, mapTree, replaceLeaves, type TensorTree, zipTrees } from "./tree.ts";
export type * from "./value.ts";
