/**
 * Several processes for tests. Without MPI they are skipped, with a word on what is missing, unless `CI`
 * is set: there it is installed, and its absence is a failure.
 */
import { assertEquals } from "@std/assert";
import { type Ended, ended, inFolder, taskCommand } from "./command.ts";

/** The options of a launcher that starts as many processes as it is told to, whoever asks. */
function launcherOptions(): readonly string[] | undefined {
  try {
    const { stdout } = new Deno.Command("mpirun", { args: ["--version"] }).outputSync();
    const isOpen = new TextDecoder().decode(stdout).includes("Open MPI");
    if (!isOpen) return [];
    return [
      ...["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"],
      // Who waits lets other tests have its processor.
      ...["--mca", "mpi_yield_when_idle", "1"],
      // The seconds for which those that are left may say so, on a machine that is busy.
      ...["--mca", "odls_base_sigkill_timeout", "5"],
    ];
  } catch (error) {
    if (Deno.env.has("CI") || !(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("tests of several processes are skipped: there is no mpirun on this machine");
    return undefined;
  }
}

const options = launcherOptions();

/** A test in a temporary folder that needs MPI. */
export function testOnMpi(name: string, test: (folder: string) => Promise<void>): void {
  if (options === undefined) Deno.test.ignore(name, () => {});
  else inFolder(name, test);
}

/**
 * A command among so many processes. Each writes its number of the system's into `folder/pid-RANK`.
 */
export function startAmong(
  size: number,
  folder: string,
  args: readonly string[],
  task: "train:mpi" | "compare:mpi" = "train:mpi",
): Deno.Command {
  const { program, args: own } = taskCommand(task, args);
  const script = `echo $$ > "$0/pid-$OMPI_COMM_WORLD_RANK$PMI_RANK"; exec "$@"`;
  return new Deno.Command("mpirun", {
    args: [...options ?? [], "-n", `${size}`, "sh", "-c", script, folder, program, ...own],
    env: { XDG_RUNTIME_DIR: "/tmp" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Trains among so many processes to the end. */
export async function trainedAmong(
  size: number,
  folder: string,
  ...args: readonly string[]
): Promise<Ended> {
  const own = await ended(startAmong(size, folder, args));
  assertEquals(own.code, 0, own.stderr);
  return own;
}
