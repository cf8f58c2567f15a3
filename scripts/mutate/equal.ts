/**
 * The table of mutants that are equal to the code. A test checks that each entry still matches some
 * change: an entry whose code is gone has to go too.
 */
import type { Explanation } from "./explained.ts";

/** The mutants that no test can tell from the code. */
export const equal: readonly Explanation[] = [
  {
    file: "core/backends/webgpu/reduce.ts",
    inside: "LARGEST_SUBGROUP",
    before: "const LARGEST_SUBGROUP = 128;",
    after: "const LARGEST_SUBGROUP = 127;",
    because: "the distances that are compared with it are powers of 2",
  },
  {
    file: "core/backends/wasm/attention_scores.ts",
    inside: "sumOfFours.next",
    before: "const next = plus(get(pointer), i32.const(16 * CHAIN));",
    after: "const next = plus(get(pointer), i32.const(15 * CHAIN));",
    because: "runs that are a little shorter add up the same terms, with no larger error",
  },
];
