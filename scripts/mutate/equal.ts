/**
 * The table of mutants that are equal to the code. A test sees that each is still about some
 * change: an entry whose code is gone has to go too.
 */
import type { Explanation } from "./explained.ts";

/** The mutants that no test can tell from the code. */
export const equal: readonly Explanation[] = [];
