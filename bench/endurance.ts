/** Whether the memory of a running training stays what it is. */
import type { Device } from "@unitune/core";
import { startTraining } from "./training.ts";
import type { Workload } from "./workloads.ts";

/** A device that may know how much memory it has. */
export interface MeasurableDevice extends Device {
  /** Bytes that it has taken from the machine, and of these the ones that are free for reuse. */
  statistics?(): { readonly bytes: number; readonly keptBytes: number };
}

/** Memory after some steps, in bytes. */
export interface MemorySample {
  /** Steps done. */
  readonly step: number;
  /** Memory of the process that is in the machine's. */
  readonly residentBytes: number;
  /** What the device's tensors and programs take, where it knows. */
  readonly deviceBytes?: number;
}

/** What the process and the device take now. */
function sample(step: number, device: MeasurableDevice): MemorySample {
  const { rss } = Deno.memoryUsage();
  const known = device.statistics?.();
  return {
    step,
    residentBytes: rss,
    ...(known && { deviceBytes: known.bytes - known.keptBytes }),
  };
}

/** Samples of a run, about as many. */
const SAMPLES = 11;

/**
 * Trains by SFT for a number of steps and looks at the memory now and then.
 *
 * @param workload The model and its batches.
 * @param device Where to compute.
 * @param steps Steps in all.
 * @param progress Told the number of steps done.
 * @returns Samples, the first after one step, when all that a step needs is there.
 */
export async function measureEndurance(
  workload: Workload,
  device: MeasurableDevice,
  steps: number,
  progress: (step: number) => void = () => {},
): Promise<MemorySample[]> {
  using training = startTraining("sft", workload, device);
  const every = Math.max(1, Math.floor((steps - 1) / (SAMPLES - 1)));
  const samples: MemorySample[] = [];
  for (let step = 1; step <= steps; step++) {
    await training.run();
    progress(step);
    if ((step - 1) % every === 0 || step === steps) samples.push(sample(step, device));
  }
  return samples;
}
