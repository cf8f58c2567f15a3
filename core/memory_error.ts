/**
 * A device has no room for a computation. Results computed before stay valid.
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
  /** The error's name. */
  override readonly name = "OutOfMemoryError";
}
