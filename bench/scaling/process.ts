/**
 * One of some processes whose steps are measured, as MPI has started it. The argument is the number of
 * rows of a step; the first process prints a {@linkcode StepTime}.
 */
import { leavesOf, sizeOf, type Tensor, wasm } from "@unitune/core";
import { print } from "@unitune/cli";
import {
  type Collective,
  createLearner,
  initialModels,
  prepareTasks,
  trainSettings,
} from "@unitune/training";
import { openMpi } from "@unitune/training/mpi";
import { spreadOf } from "../measure.ts";
import type { StepTime } from "./report.ts";

/** Steps before those that are measured: they compile. */
const WARM_UP = 2;

/** The steps that are measured. */
const STEPS = 9;

const mpi = await openMpi();
const rows = Number(Deno.args[0]);
let sums = 0;
/** The processes, whose sums are timed. */
const collective: Collective = {
  ...mpi,
  async allReduce(arrays) {
    const start = performance.now();
    await mpi.allReduce(arrays);
    sums += performance.now() - start;
  },
};

// Rows are filled up to the context, so that all steps take as many tokens.
const settings = trainSettings({
  ...{ layers: 6, heads: 4, width: 256, context: 128, dropout: 0, packing: true },
  ...{ batchSize: rows, steps: WARM_UP + STEPS, examples: 4000 },
});
const prepared = await prepareTasks([settings]);
const start = initialModels(settings, prepared);
// A thread for each process, so that twice the processes are twice the processors.
using device = wasm({ threads: 1 });
using learner = await createLearner({
  ...{ settings, stage: 0, prepared, start, device, collective },
});
let state = learner.init();
const times: { readonly step: number; readonly sums: number }[] = [];
for (let index = 0; index < WARM_UP + STEPS; index++) {
  await mpi.barrier();
  sums = 0;
  const before = performance.now();
  const outcome = await learner.step(state, index);
  state = outcome.state;
  const loss: Tensor | undefined = outcome.metrics.loss;
  await loss?.item();
  await mpi.barrier();
  if (index >= WARM_UP) times.push({ step: performance.now() - before, sums });
}
if (mpi.rank === 0) {
  const time: StepTime = {
    processes: mpi.size,
    rows,
    milliseconds: spreadOf(times.map(({ step }) => step)).median,
    sums: spreadOf(times.map(({ sums }) => sums)).median,
    parameters: leavesOf(start.policy).reduce((total, { shape }) => total + sizeOf(shape), 0),
  };
  print(JSON.stringify(time));
}
mpi.finish();
