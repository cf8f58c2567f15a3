/**
 * The folder of a run that several processes carry out: the first one claims and writes it, and the
 * others read what is in it.
 *
 * @module
 */

import { type Collective, gatherValues } from "@unitune/training";
import { checkpointAt } from "./checkpoints.ts";
import { readRunConfig, type RunConfig } from "./run_config.ts";
import { type HeldRun, holdRun, startRun } from "./run_folder.ts";
import { together } from "./team.ts";

/** A run whose folder another process has claimed. */
function heldElsewhere(
  folder: string,
  { config, saved }: Pick<HeldRun, "config" | "saved">,
): HeldRun {
  return {
    folder,
    config,
    saved,
    discard: () => Promise.resolve(),
    [Symbol.dispose]: () => {},
  };
}

/** What the first process does in the name of all, and a text that it tells the others of it. */
async function byFirst<T>(
  collective: Collective,
  work: () => Promise<T>,
  tell: (done: T) => string,
): Promise<{ readonly own: T | undefined; readonly told: string }> {
  const own = await together(
    collective,
    async () => collective.rank === 0 ? await work() : undefined,
  );
  const [told = ""] = await gatherValues(collective, own === undefined ? "" : tell(own));
  return { own, told };
}

/**
 * Makes the folder of a new run, as {@linkcode startRun} does.
 *
 * @param collective The processes.
 * @param out The folder; undefined for a new one under `runs/`.
 * @param name The name of a new folder under `runs/`.
 * @param config The configuration.
 * @returns The run, as this process has it.
 * @throws {UserError} As {@linkcode startRun}, in all processes.
 */
export async function startFor(
  collective: Collective,
  out: string | undefined,
  name: string,
  config: RunConfig,
): Promise<HeldRun> {
  const start = () => startRun(out, name, config);
  const { own, told } = await byFirst(collective, start, ({ folder }) => folder);
  return own ?? heldElsewhere(told, { config, saved: undefined });
}

/**
 * Claims the folder of a run to resume it, as {@linkcode holdRun} does.
 *
 * @param collective The processes.
 * @param folder The folder of the run.
 * @param step The step to resume from (default: that of the latest checkpoint).
 * @returns The run, as this process has it.
 * @throws {UserError} As {@linkcode holdRun}, in all processes, and where one of them does not see the
 * folder of the first.
 */
export async function holdFor(
  collective: Collective,
  folder: string,
  step?: number,
): Promise<HeldRun> {
  const hold = () => holdRun(folder, step);
  const stepOf = ({ saved }: HeldRun) => saved === undefined ? "" : `${saved.position.step}`;
  const { own, told } = await byFirst(collective, hold, stepOf);
  return await together(collective, async () =>
    own ?? heldElsewhere(folder, {
      config: await readRunConfig(folder),
      saved: told === "" ? undefined : await checkpointAt(folder, Number(told)),
    }));
}
