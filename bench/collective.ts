/**
 * The time of a sum over processes, by the bytes that are summed and by the size of buckets:
 *
 * ```sh
 * mpirun -n 4 deno run --allow-ffi \
 *   --allow-env=OMPI_COMM_WORLD_SIZE,PMI_SIZE,SLURM_STEP_NUM_TASKS bench/collective.ts
 * ```
 */
import { print } from "@unitune/cli";
import { openMpi } from "@unitune/training/mpi";
import { collectiveOf } from "@unitune/training";

/** The repetitions of each measurement, of which the least is told. */
const ROUNDS = 5;

const mpi = await openMpi();

/** The least time of a call in the slowest process, in milliseconds. */
async function timeOf(call: () => Promise<void>): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    await mpi.barrier();
    const start = performance.now();
    await call();
    await mpi.barrier();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

const lines: string[] = ["| bytes | bucket | milliseconds | GB/s |", "| --- | --- | --- | --- |"];
for (const mebibytes of [1, 16, 128]) {
  for (const bucket of [1, 4, 16, 64]) {
    if (bucket > mebibytes) continue;
    const { allReduce } = collectiveOf(mpi.transport, { bucketBytes: bucket * 2 ** 20 });
    const numbers = new Float32Array(mebibytes * 2 ** 18).fill(mpi.rank);
    const time = await timeOf(() => allReduce([numbers]));
    const rate = numbers.byteLength / time / 1e6;
    lines.push(
      `| ${mebibytes} MiB | ${bucket} MiB | ${time.toFixed(1)} | ${rate.toFixed(2)} |`,
    );
  }
}
const latency = await timeOf(async () => {
  for (let call = 0; call < 100; call++) await mpi.barrier();
});
if (mpi.rank === 0) {
  print(`${mpi.size} processes, ${mpi.neighbours} on this machine, ${mpi.implementation}\n`);
  print(lines.join("\n"));
  print(`\na barrier takes ${(10 * latency).toFixed(0)} microseconds`);
}
mpi.finish();
