/** The time of a trial, by a clock that the test moves. */
import { assertEquals } from "@std/assert";
import { trialClock } from "../../../cli/study/clock.ts";

Deno.test("a trial takes seconds of the clock, and of the processor where one thread computes", () => {
  const time = { now: 5000, user: 2e6, system: 3e6 };
  const source = {
    now: () => time.now,
    usage: () => ({ user: time.user, system: time.system }),
  };
  const on = (device: "wasm" | "webgpu", threads: number) =>
    trialClock({ device, threads }, source);
  const clocks = [on("wasm", 1), on("wasm", 2), on("webgpu", 1)];
  Object.assign(time, { now: 9000, user: 5e6, system: 3.5e6 });
  assertEquals(clocks.map((read) => read()), [
    { seconds: 4, processorSeconds: 3.5 },
    { seconds: 4 },
    { seconds: 4 },
  ]);
});
