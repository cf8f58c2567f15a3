/** A training of 200 steps as C: wasm's losses, whatever the number of threads. */
import { assert, assertEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import { native } from "@unitune/core/native";
import { train } from "../webgpu/training.ts";
import { testOnNative } from "./machine.ts";

testOnNative("losses of 200 steps are wasm's, of one, two and three threads", async (_, cache) => {
  const lossesOn = async (threads: number) => {
    using device = native({ cache, threads });
    return (await train(device, 200)).losses;
  };
  using device = wasm();
  const expected = (await train(device, 200)).losses;
  const [losses, ...others] = [await lossesOn(1), await lossesOn(2), await lossesOn(3)];
  assert(losses);
  for (const other of others) assertEquals(other, losses);
  // Both round to f32, in other orders. Losses fall from 3 to 0.03, and differ by at most 2.4e-7.
  losses.forEach((loss, i) => {
    const wanted = expected[i] ?? NaN;
    assert(Math.abs(loss - wanted) < 1e-5, `step ${i}: ${loss} against ${wanted}`);
  });
});
