/**
 * Steps by 1, 2, 4, ... processes of this machine, a thread each: with as many rows in all (strong
 * scaling), and with as many for each process (weak scaling). Arguments are those of `mpirun`:
 *
 * ```sh
 * deno run --allow-run=mpirun bench/scaling/main.ts --bind-to none
 * ```
 */
import { print } from "@unitune/cli";
import { scalingLines, type StepTime } from "./report.ts";

/** Rows of a step; of weak scaling, for each process. */
const ROWS = 16;

/** The time of steps by some processes. */
async function timeAmong(processes: number, rows: number): Promise<StepTime> {
  const program = new URL("./process.ts", import.meta.url).href;
  const { success, stdout } = await new Deno.Command("mpirun", {
    args: [
      ...[...Deno.args, "-n", `${processes}`, Deno.execPath(), "run", "--allow-ffi"],
      ...["--allow-env=OMPI_COMM_WORLD_SIZE,PMI_SIZE,SLURM_STEP_NUM_TASKS", program, `${rows}`],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${processes} processes failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

const one = await timeAmong(1, ROWS);
const [strong, weak] = [[one], [one]];
for (const size of [2, 4, 8, 16, 32].filter((size) => size <= navigator.hardwareConcurrency)) {
  strong.push(await timeAmong(size, ROWS));
  weak.push(await timeAmong(size, ROWS * size));
}
print(`${one.parameters.toLocaleString("en-US")} parameters, rows of 128 tokens, a thread each\n`);
print(`strong scaling: ${ROWS} rows in all\n\n${scalingLines(strong).join("\n")}\n`);
print(`weak scaling: ${ROWS} rows for each process\n\n${scalingLines(weak).join("\n")}`);
