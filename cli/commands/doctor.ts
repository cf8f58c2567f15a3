/**
 * `deno task doctor`: says what the machine has that a training can use.
 *
 * @module
 */

import { wasm } from "@unitune/core";
import { diagnosis } from "../doctor/diagnosis.ts";
import { examineMachine } from "../doctor/machine.ts";
import { parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { grantedEnvironment } from "../hub/environment.ts";
import { paceOf } from "../run/pace.ts";
import { runCommand } from "../terminal/errors.ts";
import { definitionList } from "../terminal/layout.ts";
import { print, terminalColumns } from "../terminal/terminal.ts";

const usage =
  `Says what this machine has that a training can use: devices and their limits, threads, memory, ` +
  `and the caches with their sizes. It writes nothing, and runs no other program.

  deno task doctor`;

/**
 * The command `doctor`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong.
 */
export async function doctorCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText({}, usage));
    return 0;
  }
  parseFlags({}, argv);
  const machine = await examineMachine(grantedEnvironment);
  using device = wasm();
  const pace = await paceOf(device);
  print(definitionList(diagnosis(machine, pace), terminalColumns()).join("\n"));
  return 0;
}

if (import.meta.main) await runCommand(() => doctorCommand(Deno.args));
