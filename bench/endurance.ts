/** The memory of a running training, which should not grow. */
import type { Device } from "@unitune/core";
import { startTraining } from "./training.ts";
import type { AnyWorkload } from "./workloads.ts";

/** A device that may report its memory. */
export interface MeasurableDevice extends Device {
  /** Bytes that it has taken from the machine, and the bytes among them that are free for reuse. */
  statistics?(): { readonly bytes: number; readonly keptBytes: number };
}

/** Memory after some steps, in bytes. */
export interface MemorySample {
  /** Steps done. */
  readonly step: number;
  /** The resident memory of the process. */
  readonly residentBytes: number;
  /** The memory of the device's tensors and programs, if it reports it. */
  readonly deviceBytes?: number;
}

/** The memory of the process and of the device now. */
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
 * Trains by SFT for a number of steps and samples the memory on the way.
 *
 * @param workload The model and its batches.
 * @param device The device to compute on.
 * @param steps The number of steps.
 * @param progress Called with the number of steps done.
 * @returns Samples, the first after one step, which has allocated everything that a step needs.
 */
export async function measureEndurance(
  workload: AnyWorkload,
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
