/**
 * A device has no room for what is to be computed. What was computed before is sound.
 *
 * @example
 * ```ts
 * import { OutOfMemoryError } from "@unitune/core";
 * import { assert } from "@std/assert";
 *
 * assert(new OutOfMemoryError("4 GiB are in use") instanceof RangeError);
 * ```
 */
export class OutOfMemoryError extends RangeError {
  /** The name by which the error is told from others. */
  override readonly name = "OutOfMemoryError";
}
