/**
 * The commands, in two ways: as a person starts them, in processes of their own with their tasks'
 * permissions (`start`), and as functions of their command lines in the process of the test (`train`,
 * `sample`), which takes a third of the time. What depends on the process, such as signals, limits,
 * variables and permissions, is tested in the first way.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { failureOf } from "@unitune/cli";
import { compareCommand } from "../../cli/commands/compare.ts";
import { dataCommand } from "../../cli/commands/data.ts";
import { doctorCommand } from "../../cli/commands/doctor.ts";
import { exposureCommand } from "../../cli/commands/exposure.ts";
import { mergeCommand } from "../../cli/commands/merge.ts";
import { objectivesCommand } from "../../cli/commands/objectives.ts";
import { reportCommand } from "../../cli/commands/report.ts";
import { sampleCommand } from "../../cli/commands/sample.ts";
import { tokenizerCommand } from "../../cli/commands/tokenizer.ts";
import { trainCommand } from "../../cli/commands/train.ts";

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = new URL("../../", import.meta.url);

/** The tasks that are commands of the command line. */
export type Task =
  | "train"
  | "train:hub"
  | "train:rewards"
  | "train:native"
  | "train:mpi"
  | "compare:mpi"
  | "sample"
  | "data"
  | "tokenizer"
  | "merge"
  | "report"
  | "compare"
  | "objectives"
  | "exposure"
  | "download"
  | "push"
  | "doctor";

const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));

/** The path of Deno in a task. */
const EXECUTABLE = "$(deno eval 'console.log(Deno.execPath())')";

/** The compiler of C in a task, and the shell that starts several. */
const COMPILER = "$(deno eval 'console.log((Deno.env.get(`CC`) || `cc`) + `,sh`)')";

/**
 * The arguments of a task's `deno`, so that the tests run with the task's own permissions, and
 * where a local server stands in for one elsewhere, with those for it.
 */
function taskArguments(task: Task, more: readonly string[] = []): string[] {
  // What the task's shell makes of it.
  const command: string = tasks[task].command.replace(EXECUTABLE, "EXECUTABLE")
    .replace(COMPILER, "cc,sh");
  const [deno, run, ...rest] = command.split(" ");
  const script = rest.pop() ?? "";
  assertEquals([deno, run, script.startsWith("cli/")], ["deno", "run", true]);
  // A path of the task's is one of the repository's, wherever the tests are run.
  // A list with a wildcard is quoted, so that the task's shell leaves it alone.
  const flags = rest.map((flag) =>
    flag.replaceAll('"', "").replace(/^--lock=/, `--lock=${fileURLToPath(root)}`)
      .replace("EXECUTABLE", Deno.execPath())
  );
  return ["run", "--no-prompt", ...flags, ...more, fileURLToPath(new URL(script, root))];
}

/** The permissions that a task is given, such as `read`. */
export function permissionsOf(task: Task): string[] {
  return taskArguments(task).flatMap((argument) => /^--allow-(.*)$/.exec(argument)?.[1] ?? []);
}

const decoder = new TextDecoder();

/** A task as a program with its arguments, for what starts it in another way. */
export function taskCommand(
  task: Task,
  args: readonly string[],
): { readonly program: string; readonly args: readonly string[] } {
  return { program: Deno.execPath(), args: [...taskArguments(task), ...args] };
}

/** A command that is ready to be started. */
export function start(
  task: Task,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Deno.Command {
  return processOf(Deno.execPath(), [...taskArguments(task, more), ...args], env);
}

/** A command where no file can grow beyond so many blocks of 512 bytes: as if the disk were full. */
export function startLimited(
  blocks: number,
  args: readonly string[],
  task: Task = "train",
  env: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Deno.Command {
  // With the signal ignored, the write itself fails.
  const script = `trap "" XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`;
  const started = [...taskArguments(task, more), ...args];
  return processOf("sh", ["-c", script, Deno.execPath(), ...started], env);
}

/**
 * `train` whose most memory at once is written to a file meanwhile, as Linux tells it: `VmHWM: N kB`.
 */
export function startMeasured(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.Command {
  // A process that has ended tells nothing of its memory.
  const script = `"$0" "$@" & p=$!
    while grep VmHWM "/proc/$p/status" > "$PEAK.new"; do mv "$PEAK.new" "$PEAK"; sleep 0.05; done
    wait $p`;
  const started = [...taskArguments("train"), ...args];
  return processOf("sh", ["-c", script, Deno.execPath(), ...started], { ...env, PEAK: path });
}

/**
 * Runs `train` on Linux, with a cache in a folder; returns its output and the most memory that it had
 * at once, in bytes.
 */
export async function measured(
  folder: string,
  args: readonly string[],
): Promise<{ readonly text: string; readonly peak: number }> {
  const path = `${folder}/peak`;
  const env = { XDG_CACHE_HOME: `${folder}/cache` };
  const { code, stdout, stderr } = await ended(startMeasured(path, args, env));
  assertEquals(code, 0, stderr);
  const [, kilobytes = ""] = /^VmHWM:\s+(\d+) kB$/m.exec(await Deno.readTextFile(path)) ?? [];
  return { text: stdout + stderr, peak: 1024 * Number(kilobytes) };
}

/** `train` where no more than so many files can be open at once. */
export function startWithFiles(files: number, args: readonly string[]): Deno.Command {
  const script = `ulimit -n ${files}; exec "$0" "$@"`;
  return processOf("sh", ["-c", script, Deno.execPath(), ...taskArguments("train"), ...args]);
}

function processOf(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin: "null" | "piped" = "null",
): Deno.Command {
  return new Deno.Command(program, {
    args: [...args],
    // Where it is not set, graphics drivers of Linux write errors of their own to standard error.
    env: { XDG_RUNTIME_DIR: "/tmp", ...env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a command to its end. */
export async function ended(command: Deno.Command): Promise<Ended> {
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a command to its end in this process; what it writes to the streams is caught. */
export async function endedHere(command: () => Promise<number>): Promise<Ended> {
  const streams = { stdout: "", stderr: "" };
  using stubs = new DisposableStack();
  for (const [name, method] of [["stdout", "log"], ["stderr", "error"]] as const) {
    const write = (text: string) => streams[name] += text;
    const log = console[method];
    console[method] = (...values: readonly unknown[]) => write(`${values.join(" ")}\n`);
    stubs.defer(() => console[method] = log);
    const bytes = new TextDecoder();
    const stream: Partial<Pick<typeof Deno.stdout, "writeSync" | "isTerminal">> = Deno[name];
    stream.isTerminal = () => false;
    stream.writeSync = (written) => {
      write(bytes.decode(written, { stream: true }));
      return written.length;
    };
    // The methods of the prototype are seen again.
    stubs.defer(() => {
      delete stream.isTerminal;
      delete stream.writeSync;
    });
  }
  try {
    return { code: await command(), ...streams };
  } catch (error) {
    const { message, exitCode } = failureOf(error);
    return { code: exitCode, stdout: streams.stdout, stderr: `${streams.stderr}${message}\n` };
  }
}

/** A command that is run to its end, in this process. */
export type Here = (...args: readonly string[]) => Promise<Ended>;

const here = (command: (argv: readonly string[]) => Promise<number>): Here => (...args) =>
  endedHere(() => command(args));

/** Runs `train` to its end, in this process. */
export const train: Here = here((argv) => trainCommand(argv));

/** The help of a command. */
export async function helpOf(
  command: (argv: readonly string[]) => Promise<number>,
): Promise<string> {
  const { code, stdout, stderr } = await endedHere(() => command(["--help"]));
  assertEquals(code, 0, stderr);
  return stdout;
}

/** Runs `sample` to its end, in this process. */
export const sample: Here = here((argv) => sampleCommand(argv));

/** Runs `report` to its end, in this process. */
export const report: Here = here(reportCommand);

/** Runs `compare` to its end, in this process. */
export const compare: Here = here(compareCommand);

/** Runs `data` to its end, in this process. */
export const data: Here = here(dataCommand);

/** Runs `merge` to its end, in this process. */
export const merge: Here = here(mergeCommand);

/** Runs `objectives` to its end, in this process. */
export const objectives: Here = here(objectivesCommand);

/** Runs `exposure` to its end, in this process. */
export const exposure: Here = here(exposureCommand);

/** Runs `tokenizer` to its end, in this process. */
export const tokenizer: Here = here(tokenizerCommand);

/** Runs `doctor` to its end, in this process. */
export const doctor: Here = here(doctorCommand);

/** Runs `sample` with lines on its standard input. */
export async function sampleLines(
  lines: readonly string[],
  ...args: readonly string[]
): Promise<Ended> {
  const child = processOf(Deno.execPath(), [...taskArguments("sample"), ...args], {}, "piped")
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs `train`, which has to succeed. */
export async function trained(...args: readonly string[]): Promise<Ended> {
  const result = await train(...args);
  assertEquals(result.code, 0, result.stderr);
  return result;
}

/** The words that a shell reads in a line. */
export async function wordsOf(line: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `for word in ${line}; do printf '%s\\0' "$word"; done`],
    stdout: "piped",
  }).output();
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

/** The commands in a text, each on a line of its own. */
export function commandsIn(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("  deno task ")).map((line) =>
    line.trim()
  );
}

/**
 * A failure as a person should see it: one line that says why, perhaps a command that helps on the
 * next, the exit code, and no stack.
 */
export function assertRefused(result: Ended, code: 1 | 2, message: string | RegExp): void {
  const lines = result.stderr.trimEnd().split("\n");
  const shown = `exit code ${result.code}, standard error:\n${result.stderr}`;
  assertEquals(result.code, code, shown);
  const errors = lines.filter((line) => line.startsWith("error: "));
  assertEquals(errors.length, 1, shown);
  const error = [...errors, ...commandsIn(result.stderr)].join("\n");
  assert(typeof message === "string" ? error.includes(message) : message.test(error), shown);
  assert(!/^\s+at /m.test(result.stderr) && !result.stderr.includes("defect"), shown);
}

/** Flags of a run that takes a moment. */
export const tiny: readonly string[] = [
  // Not auto: the same wherever there is a graphics processor.
  ...["--device", "wasm"],
  ...["--layers", "1", "--heads", "1", "--width", "16", "--context", "24"],
  ...["--steps", "6", "--batch-size", "4", "--warmup-steps", "0", "--logging-steps", "1"],
];

/** A test in its own folder, which is removed afterwards. */
export function inFolder(name: string, test: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await test(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Short words and what they are backwards. */
export const reversals: readonly { readonly prompt: string; readonly completion: string }[] = [
  ..."abcd",
].flatMap((a) =>
  [..."abc"].map((b) => ({ prompt: a + b + a, completion: a + b + a })).concat(
    [..."bcd"].map((b) => ({ prompt: a + b, completion: b + a })),
  )
);

/** A JSONL file of rows. */
export async function writeRows(
  path: string,
  rows: readonly unknown[] = reversals,
): Promise<string> {
  await Deno.writeTextFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

/** The rows of a JSONL file. */
export async function readRows(path: string): Promise<Record<string, unknown>[]> {
  const text = await Deno.readTextFile(path);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** All files below a folder, by their paths in it. */
export async function filesIn(folder: string, below = ""): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${name}`;
    if (isDirectory) Object.assign(files, await filesIn(folder, `${path}/`));
    else files[path] = await Deno.readFile(`${folder}/${path}`);
  }
  return files;
}

/** Two folders hold the same files, byte by byte; says which differ and not how. */
export async function assertSameFiles(actual: string, expected: string): Promise<void> {
  const [a, b] = [await filesIn(actual), await filesIn(expected)];
  assertEquals(Object.keys(a).sort(), Object.keys(b).sort());
  const differs = (path: string) => !areEqual(a[path] ?? new Uint8Array(), b[path]);
  assertEquals(Object.keys(a).filter(differs), []);
}

/** Whether bytes are the same. */
export function areEqual(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && a.every((byte, i) => byte === b[i]);
}

/** Copies a folder with all that is in it. */
export async function copyFolder(from: string, to: string): Promise<void> {
  for (const path of Object.keys(await filesIn(from))) {
    await Deno.mkdir(dirname(`${to}/${path}`), { recursive: true });
    await Deno.copyFile(`${from}/${path}`, `${to}/${path}`);
  }
}

/** `train` with so many megabytes for the engine's old objects. */
export function trainWithin(megabytes: number, ...args: readonly string[]) {
  const env = { DENO_V8_FLAGS: `--max-old-space-size=${megabytes}` };
  return ended(start("train", [...tiny, ...args], env));
}
