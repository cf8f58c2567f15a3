import { assertEquals } from "@std/assert";
import { type Report, reportLines } from "../../bench/report.ts";

const training = {
  objective: "sft",
  milliseconds: { median: 17.25, low: 16.8, high: 18.04 },
  timesSft: 1,
  tokensPerSecond: 29_681.2,
  gigaflops: 18.46,
  compileMilliseconds: 225.4,
  program: {
    kernels: 240,
    arenaBytes: 11 * 2 ** 20,
    unplannedBytes: 0,
    codeBytes: 32 * 2 ** 10,
    threads: 2,
  },
} as const;

const report: Report = {
  deno: "2.9.6",
  device: "wasm",
  processors: 2,
  beside: 0,
  workloads: [{
    preset: "nano",
    config: { vocabulary: 32, context: 32, layers: 2, heads: 2, width: 64, dropout: 0 },
    parameters: 104_192,
    batch: 16,
    training: [training, {
      ...training,
      objective: "ift",
      milliseconds: { median: 23.1, low: 22.9, high: 23.5 },
      timesSft: 1.339,
    }],
    generation: [{
      batch: 64,
      promptTokens: 8,
      newTokens: 24,
      milliseconds: { median: 50.84, low: 50.1, high: 52 },
      tokensPerSecond: 30_212.4,
    }],
    peakMemoryBytes: 138 * 2 ** 20,
  }],
};

const tables = [
  "wasm on Deno 2.9.6, 2 processors; medians",
  "",
  "workload  parameters   sizes  vocabulary    batch  peak memory",
  "nano         104,192  2x2x64          32  16 x 32      138 MiB",
  "",
  "training step    ms  quartiles  x sft  tokens/s  GFLOP/s  compile ms  kernels   arena    code",
  "nano sft       17.3    16.8-18   1.00    29,700     18.5         225      240  11 MiB  32 KiB",
  "nano ift       23.1  22.9-23.5   1.34    29,700     18.5         225      240  11 MiB  32 KiB",
  "",
  "generation              ms  quartiles  tokens/s",
  "nano, 64 x 24 tokens  50.8    50.1-52    30,200",
];

Deno.test("report: tables whose columns line up", () => {
  assertEquals(reportLines(report).join("\n"), tables.join("\n"));
});

Deno.test("report: a table for each thing that was measured", () => {
  const [workload] = report.workloads;
  const titlesOf = (changes: Partial<typeof workload>) =>
    reportLines({
      ...report,
      workloads: workload === undefined ? [] : [{ ...workload, ...changes }],
    })
      .filter((_, line, lines) => lines[line - 1] === "")
      .map((line) => line.split("  ")[0]);
  assertEquals(titlesOf({}), ["workload", "training step", "generation"]);
  assertEquals(titlesOf({ training: [] }), ["workload", "generation"]);
  assertEquals(titlesOf({ generation: [] }), ["workload", "training step"]);
  const product = { size: 8, milliseconds: { median: 1, low: 1, high: 1 }, gigaflops: 2 };
  assertEquals(reportLines({ ...report, beside: 1, workloads: [], product }).slice(1), [
    "beside 1 process that is kept busy",
    "",
    "product    ms  quartiles  GFLOP/s",
    "8 x 8 x 8   1        1-1        2",
  ]);
});

Deno.test("report: what was asked for comes after", () => {
  const product = {
    size: 1024,
    milliseconds: { median: 30.04, low: 30, high: 31 },
    gigaflops: 71.5,
  };
  const matmul = { kernel: "matmul [2,3] x [3,4]", count: 4, milliseconds: 1.5, share: 0.75 };
  const map = { kernel: "map [6], 1 steps, 1 stored", count: 2, milliseconds: 0.5, share: 0.25 };
  const profile = {
    milliseconds: 2,
    kinds: [{ ...matmul, kernel: "matmul" }, { ...map, kernel: "map" }],
    kernels: [{ ...matmul, gigaflops: 66.7 }, map],
  };
  const endurance = [
    { step: 1, residentBytes: 100 * 2 ** 20, deviceBytes: 12_345_600 },
    { step: 10_000, residentBytes: 101 * 2 ** 20, deviceBytes: 12_345_600 },
  ];
  const workloads = report.workloads.map((workload) => ({
    ...workload,
    training: workload.training.slice(0, 1).map((training) => ({ ...training, profile })),
    endurance,
  }));
  const lines = reportLines({ ...report, workloads, product });
  assertEquals(
    lines.slice(lines.indexOf("") + 9).join("\n"),
    [
      "",
      "product             ms  quartiles  GFLOP/s",
      "1024 x 1024 x 1024  30      30-31     71.5",
      "",
      "nano sft, each kernel by itself: 2 ms",
      "kind    count     ms   share  GFLOP/s",
      "matmul      4  1.500  75.0 %",
      "map         2  0.500  25.0 %",
      "",
      "kernel                      count     ms   share  GFLOP/s",
      "matmul [2,3] x [3,4]            4  1.500  75.0 %     66.7",
      "map [6], 1 steps, 1 stored      2  0.500  25.0 %",
      "",
      "nano sft, steps  process            device",
      "1                100 MiB  12,345,600 bytes",
      "10,000           101 MiB  12,345,600 bytes",
    ].join("\n"),
  );
});
