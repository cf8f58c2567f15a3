/** The flags of `deno task bench --growth`. */
import { type FlagTable, parseFlags, wantsHelp } from "@unitune/cli";

/** The flags. */
export const growthFlags = {
  steps: { kind: "integer", default: 15, min: 1, help: "Timed steps of each workload." },
  "warm-up": {
    kind: "number",
    default: 2,
    min: 0,
    help: "Seconds that each workload is run before it is timed.",
  },
  out: { kind: "string", default: "docs", placeholder: "FOLDER", help: "Where to write." },
} as const satisfies FlagTable;

/**
 * The permissions for the folder that the flags name; writing syncs the folder, which needs to read
 * it.
 */
export function permissionsOfGrowth(args: readonly string[]): string[] {
  const { out } = wantsHelp(args)
    ? { out: growthFlags.out.default }
    : parseFlags(growthFlags, args).values;
  return [`--allow-read=${out}`, `--allow-write=${out}`];
}
