/** Commands that may reach the hub of a test. */
import { type Ended, ended, start, type Task } from "../command.ts";

/** The variables of a command, whatever those of the tests are. */
export const variables = (env: Readonly<Record<string, string>>) => ({
  HF_HUB_CACHE: "",
  HF_HUB_OFFLINE: "",
  HF_TOKEN: "",
  HF_TOKEN_PATH: "",
  ...env,
});

/** The permission for a hub of a test and its storage. */
export const LOCAL = "--allow-net=127.0.0.1";

/** A command that may reach the hub of a test and its storage. */
export const command = (
  task: Task,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
) => start(task, args, variables(env), [LOCAL]);

/** Runs such a command to its end. */
export const run = (
  task: Task,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> => ended(command(task, args, env));
