/**
 * The subset of `@std/cli` that this workspace uses, with the same names, signatures and
 * behaviour; it stands in for the published package where JSR cannot be reached.
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const args = parseArgs(["--steps", "100", "--resume"], { string: "steps", boolean: "resume" });
 * assertEquals(args, { steps: "100", resume: true, _: [] });
 * ```
 *
 * @module
 */

export * from "./parse_args.ts";
