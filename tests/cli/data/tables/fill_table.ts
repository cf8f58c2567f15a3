/** Fills a table of a cache: the program that is killed while it does. */
import { sequenceTable } from "@unitune/training";
import { tableCache } from "../../../../cli/data/tables/table_cache.ts";

/** The rows of the table. */
export const ROWS = 200_000;

/** Fills the table in a folder, or finds it there. */
export function filledTable(folder: string) {
  return tableCache(folder, { large: 2 ** 12 }).keep("key", sequenceTable, (add) => {
    for (let row = 0; row < ROWS; row++) {
      const ids = Array.from({ length: 20 }, (_, i) => (row * 31 + i * i) % 500);
      add({ ids, mask: ids.map((id) => id > 250) }, [row]);
    }
    return {
      ...{ context: 32, kept: ROWS, sources: ROWS, total: ROWS, truncated: 0, unanswered: 0 },
      ...{ skipped: { "no room": 0, "equal": 0 }, leastContext: 1, wholeContext: 19, longest: 20 },
    };
  });
}

if (import.meta.main) await filledTable(Deno.args[0] ?? "");
