/**
 * The parts for a backend outside this package: graphs lowered to kernels, a plan of their memory,
 * and the host half of a device, which leaves storage and an emitter to the backend.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, mul, sum, type Tensor, tensor } from "@unitune/core";
 * import { describeKernel, lower, planMemory } from "@unitune/core/backend";
 *
 * const lowered = lower(graphOf((x: Tensor) => sum(mul(x, 2)), [tensor([1, 2])]));
 * assertEquals(lowered.kernels.map(describeKernel), ["sum [] over [2]"]);
 * // The operand's storage, and the program's own memory for the small result.
 * assertEquals(planMemory(lowered, []).places, [
 *   { kind: "operand", index: 0 },
 *   { kind: "own", offset: 0 },
 * ]);
 * ```
 *
 * @module
 */
export type { Affine } from "../lowering/affine.ts";
export * from "../lowering/describe.ts";
export { resolve, type Resolved } from "../lowering/elementary/elementary.ts";
export { expand } from "../lowering/elementary/expand.ts";
export * from "../lowering/kernels.ts";
export { type Cut, levelsOf } from "../lowering/levels.ts";
export { lower } from "../lowering/lower.ts";
export { type Nest, nestOf, type ReductionNest, reductionNest } from "../lowering/nest.ts";
export type { VectorLoop } from "../lowering/nest.ts";
export * from "../lowering/plan.ts";
export type * from "../lowering/operations.ts";
export type { Elements, Readable } from "./buffers.ts";
export type * from "./device.ts";
export * from "./host.ts";
