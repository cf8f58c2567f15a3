/** The scale of the weights of new models. */

/** The width of the smallest GPT-2, to which {@linkcode STANDARD_DEVIATION} belongs. */
const REFERENCE_WIDTH = 768;

/** The standard deviation of the weights of GPT-2. */
const STANDARD_DEVIATION = 0.02;

/**
 * The standard deviations of a new decoder's weights, at any width: `0.02 sqrt(768 / D)`, so that sums
 * over D terms are as large as in GPT-2, whose 0.02 is for D = 768. Weights that write to the residual
 * stream are divided by `sqrt(2 L)`, as L blocks write there twice.
 *
 * @param config Width and layers of the model.
 * @returns The standard deviations.
 */
export function initialDeviations(
  { width, layers }: { readonly width: number; readonly layers: number },
): { readonly weight: number; readonly residual: number } {
  const weight = STANDARD_DEVIATION * Math.sqrt(REFERENCE_WIDTH / width);
  return { weight, residual: weight / Math.sqrt(2 * layers) };
}
