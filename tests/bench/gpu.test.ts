import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { countParameters } from "@unitune/models";
import { carryOut, type Outcome } from "../../bench/gpu/carry_out.ts";
import { permissionsOfGpu } from "../../bench/gpu/flags.ts";
import {
  type Measurement,
  measurementsFor,
  type ResultKind,
} from "../../bench/gpu/measurements.ts";
import { markdown } from "../../bench/gpu/report.ts";
import { allWorkloads, modelOf } from "../../bench/workloads.ts";

const flags = { device: "webgpu", python: "./py", out: "runs/x", loader: undefined } as const;

Deno.test("gpu: the measurements take ten minutes at most, and are told their device", () => {
  for (const small of [false, true]) {
    const measurements = measurementsFor({ ...flags, small }, "runs/x/text.txt");
    const seconds = measurements.reduce((total, { seconds }) => total + seconds, 0);
    assertLessOrEqual(seconds, 600);
    for (const { args } of measurements) {
      assertEquals(args[args.indexOf("--device") + 1], "webgpu", args.join(" "));
    }
    assertEquals(new Set(measurements.map(({ name }) => name)).size, measurements.length);
    const [peers, run] = ["peers", "run"].map((kind) => measurements.find((m) => m.kind === kind));
    assertMatch(`${peers?.args.join(" ")}`, /--allow-run=\.\/py,.* --torch-device cuda /);
    assertMatch(`${run?.args.join(" ")}`, /--allow-write=runs\/x .* --out runs\/x\/run$/);
  }
  const onProcessor = measurementsFor({ ...flags, small: true, device: "wasm" }, "text");
  const peers = onProcessor.find(({ kind }) => kind === "peers");
  assertMatch(`${peers?.args.join(" ")}`, /--torch-device cpu /);
  const read = ["--allow-read", "--allow-write=there"];
  const run = `--allow-run=${Deno.execPath()}`;
  assertEquals(permissionsOfGpu(["--out", "there"]), [run, ...read]);
  assertEquals(permissionsOfGpu(["--out", "there", "--loader", "x"]), ["--allow-run", ...read]);
  assertEquals(permissionsOfGpu(["--help"]), [run, "--allow-read", "--allow-write=runs/gpu-check"]);
  const loaded = measurementsFor({ ...flags, small: true, loader: "x" }, "text");
  assert(loaded.find(({ kind }) => kind === "peers")?.args.includes("--allow-run"));
});

Deno.test("gpu: the large step has the parameters of SmolLM2-135M", () => {
  const workload = allWorkloads["smollm2-135m"];
  assert(workload !== undefined);
  assertEquals(countParameters(modelOf(workload)), 134_515_008);
  assertEquals([workload.batch, workload.config.context, workload.isLong], [1, 512, true]);
});

function measuring(kind: ResultKind, program: string, seconds = 60): Measurement {
  const url = `data:application/typescript,${encodeURIComponent(program)}`;
  return { kind, name: "it", seconds, args: ["run", "--no-config", "--allow-write", url] };
}

Deno.test("gpu: what a program prints, and why there is nothing", async () => {
  const resultOf = async (measurement: Measurement, metrics = "none") => {
    const { measurement: _, seconds, ...outcome } = await carryOut(measurement, metrics);
    assert(seconds > 0);
    return outcome;
  };
  assertEquals(
    await Promise.all([
      resultOf(measuring("product", `console.log('{"a": [1]}')`)),
      resultOf(measuring("product", "console.log('no')")),
      resultOf(measuring("product", "console.error('why\\n'); Deno.exit(3)")),
      resultOf(measuring("product", "Deno.exit(2)")),
      resultOf(measuring("product", "setInterval(() => {}, 1000)", 0.2)),
    ]),
    [
      { result: { a: [1] } },
      { missing: "it printed no JSON" },
      { missing: "it ended with code 3: why" },
      { missing: "it ended with code 2: without a word" },
      { missing: "it took more than 0.2 seconds" },
    ],
  );
  const file = await Deno.makeTempFile();
  try {
    const lines = ['{"step":1}', '{"step":2}', "unfinished"].join("\n");
    const write = `Deno.writeTextFileSync(${JSON.stringify(file)}, ${JSON.stringify(lines)})`;
    const outcome = await resultOf(measuring("run", write), file);
    assert("result" in outcome && Array.isArray(outcome.result));
    assertEquals(outcome.result.map(({ line }) => line), [{ step: 1 }, { step: 2 }]);
    // A run that is late has the lines that it wrote in time, if there are any.
    const late = await resultOf(measuring("run", "setInterval(() => {}, 1000)", 0.2), file);
    assert("result" in late && Array.isArray(late.result));
    assertEquals(late.result.map(({ line }) => line), [{ step: 1 }, { step: 2 }]);
    const none = await resultOf(measuring("run", "setInterval(() => {}, 1000)", 0.2), `${file}.no`);
    assertEquals(none, { missing: "it took more than 0.2 seconds" });
  } finally {
    await Deno.remove(file);
  }
});

/** Milliseconds of a measurement. */
const milliseconds = { median: 12.345, low: 12, high: 13 };

Deno.test("gpu: tables in Markdown, and a line for what is missing", () => {
  const outcome = (kind: ResultKind, name: string, result: unknown): Outcome => ({
    measurement: { kind, name, seconds: 1, args: [] },
    seconds: 80,
    result,
  });
  const kernel = { kernel: "matmul", count: 2, milliseconds: 3, share: 0.25 };
  const training = {
    objective: "sft",
    milliseconds,
    tokensPerSecond: 1000,
    gigaflops: 50,
    compileMilliseconds: 300,
    profile: { kinds: [kernel], kernels: [{ ...kernel, gigaflops: 7 }] },
  };
  const about = { deno: "2.9.6", device: "webgpu", adapter: "a GPU", features: [], processors: 4 };
  const timed = (seconds: number, line: unknown) => ({ seconds, line });
  const outcomes: Outcome[] = [
    {
      measurement: { kind: "product", name: "nothing", seconds: 1, args: [] },
      seconds: 1,
      missing: "it took more than 1 seconds",
    },
    outcome("product", "product", { ...about, product: { milliseconds, gigaflops: 9 } }),
    outcome("training", "step", { workloads: [{ training: [training] }] }),
    outcome("peers", "both", [{
      turns: [{
        name: "PyTorch",
        milliseconds,
        gigaflops: 5,
        timesOurs: 0.5,
        version: "PyTorch 2",
      }],
      missing: [{ name: "jax-js", missing: "away" }, { name: "Other", missing: "gone" }],
    }]),
    outcome("run", "run", [
      timed(1, { step: 0, split: "validation" }),
      timed(10, { step: 50 }),
      timed(40, { step: 300 }),
      timed(60, { step: 300, split: "validation" }),
    ]),
    outcome("run", "short run", [timed(1, { step: 5 })]),
    outcome("generation", "generation", {
      workloads: [{ generation: [{ batch: 64, newTokens: 24, milliseconds, tokensPerSecond: 8 }] }],
    }),
  ];
  assertEquals(markdown(outcomes), [
    "# Measurements on a graphics processor",
    "",
    "Device webgpu; a GPU, features: none; Deno 2.9.6; 4 processors.",
    "",
    "| measurement | time (quartiles) | rate |",
    "| --- | ---: | --- |",
    "| product | 12.3 ms (12-13) | 9 GFLOP/s |",
    "| step, sft | 12.3 ms (12-13) | 1,000 tokens/s, 50 GFLOP/s; compiling 300 ms |",
    "| both: PyTorch | 12.3 ms (12-13) | 5 GFLOP/s; 0.5 times ours (PyTorch 2) |",
    "| run: 300 steps | 80 s | after step 50: 120 ms a step, evaluations included |",
    "| short run | 80 s | too few lines to tell the rate |",
    "| generation, 64 x 24 tokens | 12.3 ms (12-13) | 8 tokens/s |",
    "",
    "Not measured:",
    "",
    "- nothing: it took more than 1 seconds",
    "- Other: gone",
    "",
    "## Kernels of the step, SFT",
    "",
    "| kind, or kernel | count | ms | share | GFLOP/s |",
    "| --- | ---: | ---: | ---: | ---: |",
    "| matmul | 2 | 3 | 25.0 % |  |",
    "| matmul | 2 | 3 | 25.0 % | 7 |",
  ]);
  // A table is there even if everything failed.
  const nothing = markdown(outcomes.slice(0, 1));
  assertEquals(nothing[2], "Nothing tells the machine.");
  assertEquals(nothing.slice(4, 6), [
    "| measurement | time (quartiles) | rate |",
    "| --- | ---: | --- |",
  ]);
});
