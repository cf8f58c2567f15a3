import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { symbolicLink } from "../symbolic_link.ts";

const checkout = fileURLToPath(new URL("../../", import.meta.url));

/** Runs the benchmark with the permission of its task: to run itself, for what needs others. */
const bench = (...flags: string[]) => benchOf(checkout, flags);

/** Runs the benchmark of a checkout. */
async function benchOf(
  folder: string,
  flags: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const file = `${folder}/bench/main.ts`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--allow-run=${Deno.execPath()}`, file, ...flags],
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
  const { code, out, err } = await bench(
    ...["--preset", "nano", "--steps", "1", "--warm-up", "0", "--json"],
    ...["--profile", "--memory-steps", "12"],
  );
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
      ["training", "1", "gigaflops"],
      ["training", "1", "profile", "kinds", "0", "share"],
      ["training", "1", "program", "kernels"],
      ["training", "1", "program", "arenaBytes"],
      ["training", "1", "program", "codeBytes"],
      ["generation", "0", "tokensPerSecond"],
      ["generation", "1", "milliseconds", "high"],
      ["endurance", "0", "residentBytes"],
    ]
  ) {
    const value = at(workload, ...path);
    assert(typeof value === "number" && value > 0, `${path.join(".")} is ${value}`);
  }
  // Which kernel takes longest, and so stands first, is a matter of the machine.
  const kernels = Object.values(at(workload, "training", "1", "profile", "kernels") ?? {});
  const products = kernels.filter((kernel) => `${at(kernel, "kernel")}`.startsWith("matmul"));
  assert(products.length > 0);
  for (const product of products) assert(Number(at(product, "gigaflops")) > 0);
  assertEquals(at(workload, "generation", "0", "batch"), 1);
  assertEquals(at(workload, "generation", "1", "batch"), 64);
  assertEquals(at(report, "product", "size"), 1024);
  // A running step takes no more of the device's memory than its first did.
  const [first, last] = ["0", "11"].map((n) => at(workload, "endurance", n, "deviceBytes"));
  assertEquals(at(workload, "endurance", "11", "step"), 12);
  assert(typeof first === "number" && typeof last === "number" && last <= first);
});

Deno.test("bench: one thing alone", async () => {
  const { code, out, err } = await bench(
    ...["--only", "product", "--product", "64", "--steps", "2", "--warm-up", "0", "--json"],
  );
  assertEquals(code, 0, err);
  const report: unknown = JSON.parse(out);
  assertEquals([at(report, "workloads"), at(report, "product", "size")], [[], 64]);
  const rate = at(report, "product", "gigaflops");
  assert(typeof rate === "number" && rate > 0);
});

Deno.test("bench: help", async () => {
  const { code, out } = await bench("--help");
  assertEquals(code, 0);
  for (
    const flag of ["--preset", "--device", "--steps", "--json", "--peers", "--growth", "--gpu"]
  ) {
    assertStringIncludes(out, flag);
  }
});

Deno.test("bench: an unknown flag is an error, with the nearest", async () => {
  const { code, err } = await bench("--presets", "nano");
  assertEquals(code, 2);
  assertStringIncludes(err, "unknown flag --presets: did you mean --preset?");
});

Deno.test("bench: peers that are not there are named, and ours is measured", async () => {
  const { code, out, err } = await bench(
    ...["--peers", "--preset", "nano", "--rounds", "1", "--warm-up", "0", "--turn", "0.01"],
    ...["--python", "./no-such-python", "--jax-js", "./no-such-folder"],
  );
  assertEquals(code, 0, err);
  assertStringIncludes(out, "unitune");
  assertStringIncludes(out, "PyTorch eager: not measured: ./no-such-python is not there");
  assertStringIncludes(out, "jax-js is not installed in ./no-such-folder");
});

Deno.test("bench: losses are compared with a PyTorch that is there, else a sentence says so", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code, err } = await bench(
      ...["--losses", "--python", "./no-such-python", "--out", folder],
    );
    assertEquals(code, 1);
    assertStringIncludes(err, "error: ./no-such-python is not there: name the Python with PyTorch");
    // What PyTorch would have read.
    assertEquals([...Deno.readDirSync(`${folder}/nano`)].map(({ name }) => name).toSorted(), [
      "batch.safetensors",
      "config.json",
      "generation_config.json",
      "model.safetensors",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bench: programs of their own have their own help and their own errors", async () => {
  const growth = await bench("--growth", "--help");
  assertStringIncludes(growth.out, "--out FOLDER");
  const peers = await bench("--help", "--peers");
  assertStringIncludes(peers.out, "--jax-js FOLDER");
  const losses = await bench("--losses", "--help");
  assertStringIncludes(losses.out, "gpt2-small");
  const wrong = await bench("--peers", "--pyton", "x");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "unknown flag --pyton: did you mean --python?");
});

Deno.test("bench: a checkout may lie in a folder whose name has a space", async () => {
  const folder = await Deno.makeTempDir({ prefix: "a space " });
  try {
    await symbolicLink(checkout, `${folder}/checkout`);
    const { code, out, err } = await benchOf(`${folder}/checkout`, ["--growth", "--help"]);
    assertEquals(code, 0, err);
    assertStringIncludes(out, "--out FOLDER");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
