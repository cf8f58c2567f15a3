import { assertEquals } from "@std/assert";
import { type Report, reportLines } from "../../bench/report.ts";

const training = {
  objective: "sft",
  milliseconds: { median: 17.25, low: 16.8, high: 18.04 },
  timesSft: 1,
  tokensPerSecond: 29_681.2,
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

Deno.test("report: tables whose columns line up", () => {
  assertEquals(
    reportLines(report).join("\n"),
    [
      "wasm on Deno 2.9.6, 2 processors; medians",
      "",
      "workload  parameters   sizes  vocabulary    batch  peak memory",
      "nano         104,192  2x2x64          32  16 x 32      138 MiB",
      "",
      "training step    ms  quartiles  x sft  tokens/s  compile ms  kernels   arena    code",
      "nano sft       17.3    16.8-18   1.00    29,700         225      240  11 MiB  32 KiB",
      "nano ift       23.1  22.9-23.5   1.34    29,700         225      240  11 MiB  32 KiB",
      "",
      "generation              ms  quartiles  tokens/s",
      "nano, 64 x 24 tokens  50.8    50.1-52    30,200",
    ].join("\n"),
  );
});
