/** Checkpoints: the values between argument and result are computed twice instead of kept. */
import { apply, leavesOf, replaceLeaves } from "@unitune/core";
import { withBackward } from "./custom_vjp.ts";
import { pull } from "./pull.ts";
import { closedOver, record, recordCall, replay, resolve } from "./record.ts";

/**
 * The same function, whose gradient computes the values between argument and result anew instead of
 * keeping them from the way forward: memory for time (Chen, Xu, Zhang and Guestrin, "Training deep
 * nets with sublinear memory cost", 2016). Gradients also reach the tensors that it closes over.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sin, sum, type Tensor, tensor } from "@unitune/core";
 * import { checkpoint, grad } from "@unitune/autodiff";
 *
 * const block = (x: Tensor) => sin(sin(x));
 * const x = tensor([0.5, 2]);
 * assertEquals(
 *   await grad((x: Tensor) => sum(checkpoint(block)(x)))(x).data(),
 *   await grad((x: Tensor) => sum(block(x)))(x).data(),
 * );
 * ```
 *
 * @param f A pure function to a tree of floats.
 * @returns The function of the same value and gradient.
 */
export function checkpoint<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): (...args: A) => R {
  return (...args) => {
    // deno-lint-ignore unitune/no-spread-of-data -- what a caller has written
    const { variables, result, recording: call } = recordCall((given: A) => f(...given), args);
    const free = closedOver(call);
    const recording = record([...variables, ...free], leavesOf(result));
    const operands = [...leavesOf(args), ...free];
    const slots = replay(recording, operands);
    const values = recording.results.map((source) => resolve(source, slots));
    const attached = withBackward("checkpoint", values, operands, (inputs, _, cotangents) => {
      // Behind a barrier that waits for a cotangent, the steps are not those of the way forward.
      const anew = inputs.map((input) => apply("barrier", [input, resolve(0, cotangents)], {}));
      const pulled = pull(recording, replay(recording, anew), cotangents);
      return pulled.map((cotangent) => cotangent ?? null);
    });
    return replaceLeaves(result, attached);
  };
}
