/** Parquet files that are damaged in more ways than the fast tests try. */
import { assertParquet } from "../fuzz/parquet.ts";

Deno.test("500 damaged Parquet files are read or refused in a sentence", async () => {
  await assertParquet(1, 500);
});
