/** What Node runs of `@unitune/training`: the example's training, whose losses it gives. */
import { wasm } from "@unitune/core";
import { train } from "@unitune/training";
import { planTask } from "../../examples/page/training.ts";

/** The losses that are logged. */
export async function runTraining(): Promise<readonly number[]> {
  const losses: number[] = [];
  // One thread, which neither host has to end. Node does not read `using`.
  for await (const event of train(await planTask(wasm({ threads: 1 })))) {
    if (event.kind === "metrics") losses.push(event.metrics.loss ?? NaN);
  }
  return losses;
}
