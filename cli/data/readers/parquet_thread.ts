/**
 * The thread that reads a Parquet file.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Given, Said, Told } from "./parquet_messages.ts";
import { parquetMetadataAsync, parquetReadObjects } from "./parquet_package.ts";
import { plainValue } from "./plain_value.ts";

/** What unpacks pages, beside what the package itself does. */
const compressors = {
  GZIP: (page: Uint8Array, maxOutputLength: number) => gunzipSync(page, { maxOutputLength }),
  BROTLI: (page: Uint8Array, maxOutputLength: number) =>
    brotliDecompressSync(page, { maxOutputLength }),
  ZSTD: (page: Uint8Array, maxOutputLength: number) =>
    zstdDecompressSync(page, { maxOutputLength }),
};

const port = parentPort;
if (port === null) throw new RangeError("this module is a thread of its own");
const { size }: Given = workerData;

/** Those who wait for what the thread is told, in the order in which they have asked. */
const waiting: ((told: Told) => void)[] = [];
port.on("message", (told: Told) => waiting.shift()?.(told));

/** Says something, and waits for the answer. */
function asked(said: Said): Promise<Told> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    port?.postMessage(said);
  });
}

const file = {
  byteLength: size,
  async slice(start: number, end = size): Promise<ArrayBuffer> {
    const from = Math.min(size, Math.max(0, start));
    const told = await asked({
      kind: "ask",
      start: from,
      end: Math.max(from, Math.min(size, end)),
    });
    if (told.kind !== "bytes") throw new RangeError("no bytes");
    return new Uint8Array(told.bytes).buffer;
  },
};

/** Does a part of the work; says what is damaged if that is not possible. */
async function partly<T>(place: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    await asked({ kind: "damage", place, why: reasonOf(error) });
    return undefined;
  }
}

// The package leaves the error of a column to nobody, where another column has one as well.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  port.postMessage({ kind: "damage", place: "a row group", why: reasonOf(event.reason) });
});

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const metadata = await partly("", () => parquetMetadataAsync(file, { geoparquet: false }));
let rowStart = 0;
for (const [i, { num_rows }] of metadata?.row_groups.entries() ?? []) {
  const rowEnd = rowStart + Number(num_rows);
  if (rowEnd === rowStart) continue;
  const rows = await partly(`row group ${i + 1}`, async () => {
    const options = {
      file,
      ...metadata && { metadata },
      compressors,
      rowStart,
      rowEnd,
      geoparquet: false,
    };
    const found = await parquetReadObjects(options);
    if (found.length !== rowEnd - rowStart) throw new RangeError("rows are missing");
    return found.map((row) => {
      const cells = plainValue(row);
      const isWhole = Object.values(row).every((cell) => cell !== undefined);
      if (!isWhole) throw new RangeError("a column misses values");
      return cells;
    });
  });
  await asked({ kind: "rows", rows: rows ?? [] });
  rowStart = rowEnd;
}
port.postMessage({ kind: "end" } satisfies Said);
