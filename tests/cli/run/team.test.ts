/** Processes that carry out a command together: what fails in one, and folders that they share. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { alone, collectivesInMemory, UserError } from "@unitune/training";
// Not public: the parts of the command.
import { runAmong } from "../../../cli/run/mpi_command.ts";
import { SharedFailure, type Team, together } from "../../../cli/run/team.ts";
import { launchOf } from "../../../training/mpi/implementations.ts";
import { standIns } from "../../stand_ins.ts";
import { endedHere } from "../command.ts";

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

/** What a process does of several that carry out a command: its exit code, and how it leaves MPI. */
async function leaving(rank: number, run: (team: Team) => Promise<number>): Promise<unknown> {
  const calls: string[] = [];
  const { code, stderr } = await endedHere(() =>
    runAmong({
      ...alone,
      ...{ rank, size: 2, neighbours: 2, place: rank },
      transport: { rank, size: 2, exchange: never },
      implementation: "none",
      finish: () => calls.push("finish"),
      abort: (exitCode) => calls.push(`abort ${exitCode}`),
    }, { wayOn: "Go on.", run })
  );
  return [code, stderr, ...calls];
}

Deno.test("a process leaves MPI together with the others, or ends them", async () => {
  const shared = new SharedFailure({ message: "error: it went wrong", exitCode: 2 });
  const threads = Math.floor(navigator.hardwareConcurrency / 2);
  const given = (team: Team) => Promise.resolve(Number(team.threads === Math.max(1, threads)));
  assertEquals(await leaving(0, given), [1, "", "finish"]);
  assertEquals(await leaving(1, () => Promise.resolve(0)), [0, "", "finish"]);
  // What all know of is said once, and they leave in order.
  assertEquals(await leaving(0, () => Promise.reject(shared)), [
    ...[2, "error: it went wrong\n", "finish"],
  ]);
  assertEquals(await leaving(1, () => Promise.reject(shared)), [2, "", "finish"]);
  assertEquals(await leaving(0, ill), [1, "error: it went wrong\n", "abort 1"]);
  assertEquals(await leaving(1, ill), [1, "process 1: error: it went wrong\n", "abort 1"]);
  // The first says at once what went wrong, before any timer; another lets it speak first.
  const waits = async (rank: number) => {
    let isLater = false;
    const timer = setTimeout(() => isLater = true, 0);
    await leaving(rank, ill);
    clearTimeout(timer);
    return isLater;
  };
  assertEquals([await waits(0), await waits(1)], [false, true]);
});

Deno.test({
  name: "two processes of each machine say once that they were told to end, and hear no more",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const rank of [0, 1, 2]) {
      const calls: string[] = [];
      let heard = () => {};
      using _ = standIns(Deno, {
        addSignalListener: (name: string, listener: () => void) => {
          calls.push(`hears ${name}`);
          heard = listener;
        },
        removeSignalListener: (name: string, listener: () => void) => {
          assertEquals(listener, heard);
          calls.push(`leaves ${name}`);
        },
      });
      const told = await leaving(rank, () => {
        calls.push("runs");
        heard();
        return Promise.resolve(0);
      });
      const said = `process ${rank} of 2 was told to end: another process may have died. Go on.\n`;
      const isHeard = rank < 2;
      assertEquals(told, [0, isHeard ? said : "", "finish"]);
      const heardAll = ["hears SIGTERM", "runs", "leaves SIGTERM"];
      assertEquals(calls, isHeard ? heardAll : ["runs"]);
    }
  },
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
