/** Damaged Parquet files, each of which a thread of its own reads. */
import { assert, assertEquals } from "@std/assert";
import { randomStream } from "@unitune/training";
import { gatherRows } from "../../cli/data/formed_rows.ts";
import { bytesInMemory } from "../../cli/data/readers/bytes_in_memory.ts";
import { parquetReader } from "../../cli/data/readers/parquet.ts";
import { parquetFile } from "./inputs.ts";
import { damaged } from "./mutations.ts";
import { faultOf } from "./verdict.ts";

/** Good files: each way of packing, and several groups of rows. */
const names = ["snappy", "zstd", "none", "groups"];

/**
 * Damages Parquet files, and checks that each is read or refused in a sentence with its name.
 *
 * @param seed The seed of the damages.
 * @param count The number of files.
 */
export async function assertParquet(seed: number, count: number): Promise<void> {
  // A file that is read for seconds is a loop without end, or as good as one.
  const read = parquetReader(5000);
  const good = names.map(parquetFile);
  let refused = 0;
  for (let number = 0; number < count; number++) {
    const whole = good[number % good.length] ?? new Uint8Array();
    const bytes = bytesInMemory("a.parquet", damaged(randomStream(seed, 99, number), whole));
    try {
      await gatherRows(read(bytes), "a.parquet");
    } catch (error) {
      refused++;
      assertEquals(faultOf(error), undefined, `--seed ${seed} .parquet: ${number}`);
      assert(error instanceof Error && error.message.includes("a.parquet"), `${error}`);
    }
  }
  assert(refused > 0.2 * count && refused < count, `${refused} refused`);
}
