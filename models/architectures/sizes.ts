/** The sizes of a configuration: their check, and records of them by our names and by others. */

/** The most blocks: some four times as many as the deepest language models have. */
const MOST_LAYERS = 512;

/**
 * Checks that sizes are positive integers, and that there are not too many layers.
 *
 * @param architecture The readable name of the architecture.
 * @param sizes The sizes by name, the layers among them.
 * @param names The names of the sizes.
 * @throws {RangeError} If a size is not a positive integer, or there are more than 512 layers.
 */
export function checkSizes<N extends string>(
  architecture: string,
  sizes: Readonly<Record<N | "layers", number>>,
  names: readonly N[],
): void {
  for (const name of names) {
    const size = sizes[name];
    if (!Number.isSafeInteger(size) || size <= 0) {
      throw new RangeError(`${architecture}: ${name} is ${size}, expected a positive integer`);
    }
  }
  if (sizes.layers > MOST_LAYERS) {
    throw new RangeError(
      `${architecture}: layers is ${sizes.layers}, expected at most ${MOST_LAYERS}: a program has ` +
        `code for each layer`,
    );
  }
}

/**
 * The sizes of a configuration by name.
 *
 * @param config The configuration.
 * @param names The names of its sizes, in the order in which they are shown.
 * @returns The sizes.
 */
export function sizesOf<N extends string>(
  config: Readonly<Record<N, number>>,
  names: readonly N[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name) => [name, config[name]]));
}

/**
 * The sizes of a configuration by the names of their settings.
 *
 * @param config The configuration.
 * @param names The names of its sizes, in the order in which they are written.
 * @param settings The name of the setting of each.
 * @returns The settings.
 */
export function sizeSettingsOf<N extends string>(
  config: Readonly<Record<N, number>>,
  names: readonly N[],
  settings: Readonly<Record<N, string>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name) => [settings[name], config[name]]));
}
