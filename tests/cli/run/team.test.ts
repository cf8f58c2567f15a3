/** Processes that carry out a command together: what fails in one, and folders that they share. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { alone, collectivesInMemory, UserError } from "@unitune/training";
// Not public: the parts of the command.
import { SharedFailure, together } from "../../../cli/run/team.ts";
import { launchOf } from "../../../training/mpi/implementations.ts";

/** What `together` does in two processes, of which some fail: messages of errors, and results. */
async function outcomes(works: readonly (() => Promise<string>)[]): Promise<readonly unknown[]> {
  return await Promise.all(
    collectivesInMemory(works.length).map((collective, rank) =>
      together(collective, works[rank] ?? never).catch((error) => {
        assert(error instanceof SharedFailure);
        return [error.failure.message, error.failure.exitCode];
      })
    ),
  );
}

const well = () => Promise.resolve("well");
const ill = () => Promise.reject(new UserError("it went wrong"));
const broken = () => Promise.reject(new TypeError("a defect"));

function never(): never {
  throw new RangeError("a process for each");
}

Deno.test("what fails in one process fails in all, for the reason of the first", async () => {
  assertEquals(await outcomes([well, well]), ["well", "well"]);
  const second = ["process 1: error: it went wrong", 1];
  assertEquals(await outcomes([well, ill]), [second, second]);
  const first = ["error: it went wrong", 1];
  assertEquals(await outcomes([ill, broken]), [first, first]);
});

Deno.test("one process fails as it always did", async () => {
  await assertRejects(() => together(alone, ill), UserError, "it went wrong");
  await assertRejects(() => together(alone, broken), TypeError, "a defect");
});

Deno.test("the launcher's own MPI is looked for first", () => {
  const launch = (variables: Readonly<Record<string, string>>) =>
    launchOf((name) => variables[name]);
  assertEquals(launch({}), { order: ["openmpi", "mpich", "abi"] });
  assertEquals(launch({ OMPI_COMM_WORLD_SIZE: "2", PMI_SIZE: "3" }), {
    order: ["openmpi", "mpich", "abi"],
    size: 2,
  });
  assertEquals(launch({ PMI_SIZE: "3" }), { order: ["mpich", "openmpi", "abi"], size: 3 });
  assertEquals(launch({ SLURM_STEP_NUM_TASKS: "4" }), {
    order: ["openmpi", "mpich", "abi"],
    size: 4,
  });
  assertEquals(launch({ PMI_SIZE: "", SLURM_STEP_NUM_TASKS: "none" }).size, undefined);
});
