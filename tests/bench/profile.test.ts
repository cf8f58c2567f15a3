import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  compile,
  evaluate,
  matmul,
  reference,
  sum,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import { measureProfile, summarizeProfiles } from "../../bench/profile.ts";

Deno.test("profile: medians, shares of their sum, kinds summed, longest first", () => {
  const run = (product: number, other: number, third: number) => [
    { kernel: "matmul [10,10] x [10,10]", count: 2, milliseconds: product },
    { kernel: "map [5], 1 steps, 1 stored", count: 1, milliseconds: other },
    { kernel: "map [7], 1 steps, 1 stored", count: 3, milliseconds: third },
  ];
  // The second run was disturbed.
  const profile = summarizeProfiles([run(2, 4, 2), run(90, 90, 2), run(2, 4, 2)]);
  assertEquals(profile, {
    milliseconds: 8,
    kernels: [
      { kernel: "map [5], 1 steps, 1 stored", count: 1, milliseconds: 4, share: 0.5 },
      {
        kernel: "matmul [10,10] x [10,10]",
        count: 2,
        milliseconds: 2,
        share: 0.25,
        // Two products of 2 x 10^3 operations in 2 ms.
        gigaflops: 0.002,
      },
      { kernel: "map [7], 1 steps, 1 stored", count: 3, milliseconds: 2, share: 0.25 },
    ],
    kinds: [
      { kernel: "map", count: 4, milliseconds: 6, share: 0.75 },
      { kernel: "matmul", count: 2, milliseconds: 2, share: 0.25 },
    ],
  });
});

/** A program of two kernels, and how often it ran. */
function subject(device: ReturnType<typeof wasm>) {
  const f = compile((x: Tensor) => sum(matmul(x, x)), { device });
  const x = evaluate(tensor([[1, 2], [3, 4]]), device);
  const totals: number[] = [];
  const run = async () => void totals.push(await f(x).item());
  return { run, totals };
}

const now = () => performance.now();

Deno.test("profile: of a program that goes on computing what it did", async () => {
  using device = wasm({ threads: 1 });
  const { run, totals } = subject(device);
  const profile = await measureProfile({ run }, device, {
    warmUp: { runs: 3, milliseconds: 0 },
    rounds: 2,
    now,
  });
  // One to see whether it can be told, three to warm up, two that count.
  assertEquals(totals, new Array(6).fill(54));
  assertEquals(profile?.kinds.map(({ kernel }) => kernel).toSorted(), ["matmul", "sum"]);
  const shares = profile?.kernels.map(({ share }) => share) ?? [];
  assertAlmostEquals(shares.reduce((a, b) => a + b, 0), 1, 1e-9);
  assert(profile?.kernels.every(({ milliseconds }) => milliseconds >= 0));
});

Deno.test("profile: none where the device cannot tell", async () => {
  const device = reference();
  const warmUp = { runs: 3, milliseconds: 0 };
  const profile = await measureProfile({ run: async () => {} }, device, { warmUp, rounds: 1, now });
  assertEquals(profile, undefined);
});
