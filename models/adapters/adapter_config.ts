/** What an adapter changes of a model, and how. */
import { quoted } from "@unitune/core";

/** The configuration of an adapter: LoRA (arXiv 2106.09685), or DoRA (arXiv 2402.09353). */
export interface AdapterConfig {
  /** The rank r of the changes. */
  readonly rank: number;
  /** The changes are scaled by `alpha / r`. */
  readonly alpha: number;
  /** The probability with which training zeroes an input of the changes. */
  readonly dropout: number;
  /**
   * The projections that are changed, by the ends of their names, such as `q_proj` or
   * `self_attn.q_proj`; or all of them. The head is none of them.
   */
  readonly targets: "all-linear" | readonly string[];
  /** Whether the changes are scaled by `alpha / sqrt(r)` (Kalajdzievski 2023, arXiv 2312.03732). */
  readonly isRankStabilized: boolean;
  /** Whether the norms of the changed weights are parameters as well: DoRA. */
  readonly hasMagnitudes: boolean;
  /** Modules that are trained as a whole, by the ends of their names: `modules_to_save` of PEFT. */
  readonly saved: readonly string[];
}

/**
 * Refuses a configuration that no adapter has.
 *
 * @throws {RangeError} If a number is out of its range, or nothing is changed.
 */
export function checkAdapterConfig({ rank, alpha, dropout, targets }: AdapterConfig): void {
  const rules: readonly (readonly [name: string, value: number, valid: boolean, rule: string])[] = [
    ["rank", rank, Number.isSafeInteger(rank) && rank > 0, "a positive integer"],
    ["alpha", alpha, Number.isFinite(alpha) && alpha > 0, "a number above 0"],
    ["dropout", dropout, dropout >= 0 && dropout < 1, "a number from 0 to below 1"],
  ];
  for (const [name, value, valid, rule] of rules) {
    if (!valid) throw new RangeError(`adapter: ${name} is ${value}, expected ${rule}`);
  }
  if (targets.length === 0) {
    throw new RangeError(
      `adapter: no targets: name projections, such as ${quoted("q_proj")}, or "all-linear"`,
    );
  }
}

/** The factor of the changes: `alpha / r`, or `alpha / sqrt(r)`. */
export function scaleOf({ rank, alpha, isRankStabilized }: AdapterConfig): number {
  return alpha / (isRankStabilized ? Math.sqrt(rank) : rank);
}
