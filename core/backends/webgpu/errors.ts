/** Failures of WebGPU, for those who can do without it. */

/** There is no WebGPU adapter, it gives no device, or lacks a requested feature. */
export class WebGpuUnavailableError extends Error {
  /** The error's name. */
  override readonly name = "WebGpuUnavailableError";
}

/** A program is larger than the adapter allows; nothing was allocated for it. */
export class WebGpuLimitError extends RangeError {
  /** The error's name. */
  override readonly name = "WebGpuLimitError";
}

/**
 * A WebGPU device can no longer be used: it was lost, has no memory left, or refused a kernel, which
 * the message names. What was read before is sound.
 */
export class WebGpuFailedError extends Error {
  /** The error's name. */
  override readonly name = "WebGpuFailedError";
}
