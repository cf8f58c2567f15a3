/**
 * A process that runs code of others, as the one that starts it sees it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { isRecord } from "../files/guards.ts";
import { readText } from "../files/read.ts";
import { type Orders, type Reply, textLines } from "./frames.ts";
import { type Allowed, permissionFlags } from "./permissions.ts";

/** The limits of a process. */
export interface ProcessLimits {
  /** The most seconds for each answer of its module. */
  readonly seconds: number;
  /** The most memory of its module, in MiB. */
  readonly mebibytes: number;
}

/** A process to start. */
export interface ProcessOptions extends ProcessLimits {
  /** The text of the module that it runs, in TypeScript; `line` is its line (`./line.ts`). */
  readonly source: string;
  /** The most seconds for the process to start and the module to load (default: as for an answer). */
  readonly loadSeconds?: number;
  /** What the module may do (default: nothing). */
  readonly allowed?: Allowed;
  /** Takes the lines that the module writes (default: they are dropped). */
  readonly output?: (line: string) => void;
}

/** A reply, or why there is none. */
export type Answer =
  | Reply
  | {
    /** The time is over. */
    readonly kind: "time";
  }
  | {
    /** The process has ended. */
    readonly kind: "ended";
    /** Its exit code. */
    readonly code: number;
    /** The signal that has ended it. */
    readonly signal: string | null;
    /** The error that nothing has caught, in words; undefined if there is none. */
    readonly error: string | undefined;
  };

/** A process that runs a module, until it is disposed of. */
export interface ModuleProcess extends AsyncDisposable {
  /** The first message of the module, once it has loaded. */
  readonly ready: Promise<Answer>;
  /**
   * Sends the module a message, and waits for one.
   *
   * @param message A value that JSON has.
   * @returns The message of the module, or why there is none; then there will not be another.
   */
  ask(message: unknown): Promise<Answer>;
}

/** Memory of the process that is not the module's, in bytes. */
const OWN_MEMORY = 128 * 2 ** 20;

/** Lines of standard error that are kept until the next message. */
const KEPT_LINES = 200;

/** The most characters of a line that is kept. */
const LONGEST_LINE = 2 ** 24;

/** The URL of a file beside this one, as a text in a module. */
const beside = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);

/** The URL of a module in TypeScript, which is its text. */
const urlOf = (text: string) => `data:application/typescript,${encodeURIComponent(text)}`;

/**
 * The module that a process runs. The line is a module of its own, since modules are evaluated in
 * the order of their imports: so the watchdog is there before the code of others.
 */
async function mainModule(source: string): Promise<string> {
  const watchdog = await readText(fileURLToPath(new URL("./watchdog.ts", import.meta.url)));
  const line = `import { watched } from ${beside("./line.ts")};\n` +
    `export const line = watched(${JSON.stringify(watchdog)});`;
  const url = JSON.stringify(urlOf(line));
  // An import of names that a module does not use is none.
  return urlOf(`import ${url};\nimport { line } from ${url};\n${source}`);
}

/**
 * Starts a process that runs a module, with no permission that it is not given. It ends with this
 * process, whatever the module does.
 *
 * @param options The module, its permissions and its limits.
 * @returns The process.
 *
 * @example
 * ```ts
 * import { startProcess } from "./process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const source = `line.answerBy((question) => question + "!", "ready");`;
 * await using child = await startProcess({ source, seconds: 60, mebibytes: 128 });
 * assertEquals(await child.ready, { kind: "message", message: "ready" });
 * assertEquals(await child.ask("hi"), { kind: "message", message: "hi!" });
 * ```
 */
export async function startProcess(options: ProcessOptions): Promise<ModuleProcess> {
  const { source, seconds, loadSeconds = seconds, mebibytes, allowed = {} } = options;
  const { output = () => {} } = options;
  const token = crypto.randomUUID();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-lock"],
      // Modules of other hosts are code that nobody has seen: importing them is a permission.
      ...allowed.import === undefined ? ["--no-remote", "--no-npm"] : [],
      `--v8-flags=--max-old-space-size=${mebibytes}`,
      ...permissionFlags(allowed),
      await mainModule(source),
    ],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const replies: Answer[] = [];
  const kept: string[] = [];
  let wake = () => {};
  const listen = async () => {
    for await (const line of textLines(child.stdout, LONGEST_LINE)) {
      const reply = line.startsWith(`${token} `) ? replyIn(line.slice(token.length)) : undefined;
      if (reply !== undefined) {
        replies.push(reply);
        wake();
      } else if (line !== "") output(line);
    }
  };
  const keep = async () => {
    for await (const line of textLines(child.stderr, LONGEST_LINE)) {
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
    }
  };
  const over = Promise.all([listen(), keep(), child.status]).then(([, , status]): Answer => {
    const { code, signal } = status;
    return { kind: "ended", code, signal, error: errorIn(kept) };
  });

  const stop = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const next = async (seconds: number): Promise<Answer> => {
    const limit = setTimeout(() => {
      replies.push({ kind: "time" });
      wake();
      stop();
    }, 1000 * seconds);
    try {
      const arrived = new Promise<void>((resolve) => wake = resolve);
      if (replies.length === 0) await Promise.race([arrived, over]);
      return replies.shift() ?? await over;
    } finally {
      clearTimeout(limit);
    }
  };

  const input = child.stdin.getWriter();
  const encoder = new TextEncoder();
  /** Writes a line. If the process is gone, the next reply says so. */
  const write = async (value: unknown): Promise<void> => {
    try {
      await input.write(encoder.encode(`${JSON.stringify(value)}\n`));
    } catch {
      // It is gone.
    }
  };
  const exchange = async (value: unknown, seconds: number): Promise<Answer> => {
    const written = write(value);
    const answer = await next(seconds);
    if (answer.kind !== "message") {
      // What is on standard error is the engine's account of the failure.
      await written;
      return answer;
    }
    for (const line of kept.splice(0)) output(line);
    return answer;
  };

  const orders: Orders = {
    token,
    memory: mebibytes * 2 ** 20 + OWN_MEMORY,
  };
  // One after the other: replies have no numbers.
  let last = exchange(orders, loadSeconds);
  const ready = last;
  return {
    ready,
    ask: (message) => last = last.then(() => exchange(message, seconds)),
    async [Symbol.asyncDispose]() {
      stop();
      await over;
      // Closing what is broken fails, and the process is gone anyway.
      await input.abort().catch(() => {});
    },
  };
}

/** The reply in a frame; undefined if it is none. */
function replyIn(text: string): Reply | undefined {
  const value: unknown = JSON.parse(text);
  return isReply(value) ? value : undefined;
}

function isReply(value: unknown): value is Reply {
  if (!isRecord(value)) return false;
  const { kind, message } = value;
  return kind === "memory" || kind === "message" && typeof message === "string";
}

/** What Deno writes before the message of an error that nothing has caught. */
const ERROR = "error: ";

/** The error in the lines that Deno has written before it ended, and its place, for the user. */
function errorIn(lines: readonly string[]): string | undefined {
  const begin = lines.findLastIndex((line) => line.startsWith(ERROR));
  if (begin < 0) return undefined;
  const [first = "", ...others] = lines.slice(begin);
  const place = others.find((line) => /^\s+at .*\bfile:/.test(line)) ?? "";
  return `${first.slice(ERROR.length)} ${place.trim()}`.trim();
}
