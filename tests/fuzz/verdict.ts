/** What is asked of a reader and of a command, whatever they are given. */
import { failureOf } from "@unitune/cli";

/** What was wrong with how something ended; undefined where all was well. */
export type Fault = string | undefined;

/** Characters of a message at most. */
const LONGEST = 1000;

/** What no message and no output of a command may hold: newlines and tabs aside, every control. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

/** Judges a refusal: one bounded sentence that is no defect's. */
export function faultOf(error: unknown): Fault {
  const { message, exitCode } = failureOf(error);
  if (exitCode === 70) return message;
  return faultIn(message);
}

function faultIn(message: string): Fault {
  if (message.length > LONGEST) return `a message of ${message.length} characters`;
  if (CONTROL.test(message)) return `a control character in: ${JSON.stringify(message)}`;
  const lines = message.replace(/\n(?:See --help\.| {2}deno task .*)$/, "").split("\n");
  if (lines.length > 1) return `${lines.length} lines: ${JSON.stringify(message)}`;
  return undefined;
}

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Judges a command: it did what it was told, or refused in one bounded sentence. */
export function faultOfCommand({ code, stdout, stderr }: Outcome): Fault {
  if (CONTROL.test(stdout)) return "a control character on standard output";
  if (code === 0) return CONTROL.test(stderr) ? "a control character on standard error" : undefined;
  if (code !== 1 && code !== 2) return `exit code ${code}: ${stderr}`;
  const at = stderr.indexOf("error: ");
  if (at < 0) return `no error: ${stderr}`;
  return faultIn(stderr.slice(at).trimEnd());
}
