/** Supervised fine-tuning on a built-in task, planned alike for a page, Node and Deno. */
import type { Device } from "@unitune/core";
import { memoryStore, planOf, prepareTasks, trainSettings } from "@unitune/training";

/** The plan of the training, whose checkpoints stay in memory. */
export async function planTask(device: Device) {
  const small = { tasks: "pick", examples: 500, layers: 1, heads: 2, width: 32 };
  const pace = { steps: 60, batchSize: 16, learningRate: 1e-2, warmupSteps: 10 };
  const stages = [trainSettings({ objective: "sft", ...small, ...pace })];
  return planOf({ stages, prepared: await prepareTasks(stages), device, store: memoryStore() });
}
