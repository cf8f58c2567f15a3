import { assert, assertEquals, assertStringIncludes } from "@std/assert";

/** Runs `deno task bench` as it is run: without any permission. */
async function bench(...flags: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = new URL("../../bench/main.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", file.href, ...flags],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** The value at a path of properties. */
function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) => Object.entries(inner ?? {}).find(([key]) => key === name)?.[1],
    value,
  );
}

Deno.test("bench: JSON with everything that was measured", async () => {
  const { code, out, err } = await bench("--preset", "nano", "--steps", "1", "--json");
  assertEquals(code, 0, err);
  const report: unknown = JSON.parse(out);
  assertEquals(at(report, "device"), "wasm");
  const workload = at(report, "workloads", "0");
  assertEquals(at(workload, "preset"), "nano");
  assertEquals(at(workload, "parameters"), 104_192);
  for (const [index, objective] of ["sft", "ift"].entries()) {
    const training = at(workload, "training", `${index}`);
    assertEquals(at(training, "objective"), objective);
  }
  for (
    const path of [
      ["peakMemoryBytes"],
      ["training", "0", "milliseconds", "median"],
      ["training", "1", "timesSft"],
      ["training", "1", "tokensPerSecond"],
      ["training", "1", "program", "kernels"],
      ["training", "1", "program", "arenaBytes"],
      ["training", "1", "program", "codeBytes"],
      ["generation", "0", "tokensPerSecond"],
      ["generation", "1", "milliseconds", "high"],
    ]
  ) {
    const value = at(workload, ...path);
    assert(typeof value === "number" && value > 0, `${path.join(".")} is ${value}`);
  }
  assertEquals(at(workload, "generation", "0", "batch"), 1);
  assertEquals(at(workload, "generation", "1", "batch"), 64);
});

Deno.test("bench: help", async () => {
  const { code, out } = await bench("--help");
  assertEquals(code, 0);
  for (const flag of ["--preset", "--device", "--steps", "--json"]) assertStringIncludes(out, flag);
});

Deno.test("bench: an unknown flag is an error, with the nearest", async () => {
  const { code, err } = await bench("--presets", "nano");
  assertEquals(code, 2);
  assertStringIncludes(err, "unknown flag --presets: did you mean --preset?");
});
