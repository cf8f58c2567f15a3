import { fileURLToPath } from "node:url";
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { isSealed } from "../../cli/files/sealed.ts";
import { wasm } from "@unitune/core";
import { permissionsOfGrowth } from "../../bench/growth/flags.ts";
import {
  growthDocument,
  growthLines,
  growthPlot,
  type GrowthReport,
} from "../../bench/growth/report.ts";
import { base, growthOf, measureGrowth, sweeps } from "../../bench/growth/sweeps.ts";
import { stepOperations } from "../../bench/arithmetic.ts";
import type { Workload } from "../../bench/workloads.ts";

const at = (median: number) => ({ median, low: median, high: median });

Deno.test("growth: each sweep has the base among its workloads, and changes one size", () => {
  for (const sweep of sweeps) {
    const same = sweep.values.map(sweep.with).filter((workload) =>
      JSON.stringify(workload) === JSON.stringify(base)
    );
    assertEquals(same.length, 1, sweep.size);
    assertEquals(new Set(sweep.values).size, sweep.values.length);
  }
});

Deno.test("growth: the powers of time and of operations", () => {
  const points = [1, 2, 4].map((value) => ({
    value,
    operations: 5 * value ** 2,
    milliseconds: at(3 * value ** 1.5),
    bytes: 1,
  }));
  const { exponent, expected } = growthOf("width", points);
  assertAlmostEquals(exponent, 1.5, 1e-12);
  assertAlmostEquals(expected, 2, 1e-12);
});

Deno.test("growth: a step of every workload is measured", async () => {
  using device = wasm({ threads: 1 });
  const tiny = (batch: number): Workload => ({
    config: { vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 },
    batch,
  });
  const growth = await measureGrowth(device, [{ size: "batch", values: [1, 2], with: tiny }], {
    warmUp: { runs: 1, milliseconds: 0 },
    rounds: 1,
    now: () => performance.now(),
  });
  assertEquals(growth.map(({ size }) => size), ["batch"]);
  const points = growth[0]?.points ?? [];
  assertEquals(points.map(({ value }) => value), [1, 2]);
  for (const { value, operations, milliseconds, bytes } of points) {
    assertEquals(operations, stepOperations(tiny(value), "sft"));
    assert(milliseconds.median > 0 && bytes > 0);
  }
  const [one, two] = points;
  assert(one !== undefined && two !== undefined && one.bytes < two.bytes);
});

const report: GrowthReport = {
  deno: "2.9.6",
  device: "wasm",
  processors: 2,
  command: "deno task bench --growth",
  base,
  growth: [
    growthOf("batch", [
      { value: 4, operations: 1e9, milliseconds: at(12), bytes: 3e6 },
      { value: 8, operations: 2e9, milliseconds: at(20), bytes: 4.5e6 },
    ]),
  ],
};

Deno.test("growth: lines for a terminal", () => {
  assertEquals(growthLines(report), [
    "size   value  GFLOP  ms  quartiles  GFLOP/s   MB",
    "batch      4      1  12      12-12     83.3    3",
    "batch      8      2  20      20-20      100  4.5",
    "",
    "size   power of time  power of operations",
    "batch           0.74                 1.00",
  ]);
});

Deno.test("growth: a document that names its command and shows its plot", () => {
  const text = growthDocument(report, "growth.svg");
  for (
    const part of [
      "deno task bench --growth",
      "](./growth.svg)",
      "| batch | 0.74 | 1.00 |",
      "| batch | 8 | 2 | 20 | 20-20 | 100 | 4.5 |",
    ]
  ) assertStringIncludes(text, part);
});

Deno.test("growth: a plot of the measured and the counted", () => {
  const svg = growthPlot(report);
  assertStringIncludes(svg, "batch, arithmetic");
  assertEquals(svg.match(/aria-label="line"/g)?.length, 2);
});

Deno.test("growth: a document takes the place of nothing but an unchanged one", async () => {
  const out = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${out}/growth.md`, "mine");
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--no-check", "--config", config],
        ...[...permissionsOfGrowth(["--out", out]), program, "--out", out],
      ],
    }).output();
    assertEquals(code, 1);
    const told = new TextDecoder().decode(stderr);
    assertStringIncludes(told, `error: ${out}/growth.md already exists`);
    assertEquals(await Deno.readTextFile(`${out}/growth.md`), "mine");
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});

Deno.test("growth: the documents of this project may be replaced by new measurements", async () => {
  for (const name of ["growth.md", "growth.svg"]) {
    assert(isSealed(await Deno.readTextFile(new URL(`../../docs/${name}`, import.meta.url))), name);
  }
});

const program = new URL("../../bench/growth/main.ts", import.meta.url).href;
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
