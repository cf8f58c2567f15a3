/** The limits of an adapter that programs are made for, and lower ones that a user sets. */

/** The limits that decide which programs run, and in how many buffers. */
export interface WebGpuLimits {
  /** The most bytes of a buffer. */
  readonly maxBufferSize: number;
  /** The most bytes of a buffer that a shader sees through one binding. */
  readonly maxStorageBufferBindingSize: number;
  /** The most buffers that a shader binds. */
  readonly maxStorageBuffersPerShaderStage: number;
  /** The most workgroups along an axis of a grid. */
  readonly maxComputeWorkgroupsPerDimension: number;
}

/** The least value of each limit: buffers have multiples of 256 bytes. */
const least: Readonly<Record<keyof WebGpuLimits, number>> = {
  maxBufferSize: 256,
  maxStorageBufferBindingSize: 256,
  maxStorageBuffersPerShaderStage: 1,
  maxComputeWorkgroupsPerDimension: 1,
};

/**
 * The limits of an adapter, lowered to the given ones where those are lower.
 *
 * @throws {RangeError} If a given limit is not an integer, or too low for any program.
 */
export function limitsWithin(
  adapter: WebGpuLimits,
  given: Partial<WebGpuLimits> = {},
): WebGpuLimits {
  const limit = (name: keyof WebGpuLimits): number => {
    const value = given[name] ?? adapter[name];
    if (!Number.isInteger(value) || value < least[name]) {
      throw new RangeError(
        `${name} is ${value}, but must be an integer of at least ${least[name]}`,
      );
    }
    return Math.min(value, adapter[name]);
  };
  return {
    maxBufferSize: limit("maxBufferSize"),
    maxStorageBufferBindingSize: limit("maxStorageBufferBindingSize"),
    maxStorageBuffersPerShaderStage: limit("maxStorageBuffersPerShaderStage"),
    maxComputeWorkgroupsPerDimension: limit("maxComputeWorkgroupsPerDimension"),
  };
}
