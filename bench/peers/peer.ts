/** A peer: another library's training in a process of its own, which takes steps on request. */
import type { Workload } from "../workloads.ts";

/** The command that starts a peer. */
export interface PeerCommand {
  /** Its name in reports. */
  readonly name: string;
  /** The program. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
}

/** A peer that is ready. */
export interface Peer extends AsyncDisposable {
  /** Its name in reports. */
  readonly name: string;
  /** The library and its version. */
  readonly version: string;
  /** Parameters of its model. */
  readonly parameters: number;
  /** Takes a number of steps; returns the loss of the last, or NaN from a peer that keeps it. */
  run(steps: number): Promise<number>;
}

/** A missing peer, and the reason. */
export interface Missing {
  /** Its name in reports. */
  readonly name: string;
  /** The reason why it cannot be measured. */
  readonly missing: string;
}

/** The sizes of a workload, as they are passed to a peer. */
export function sizesOf({ config, batch }: Workload): Record<string, number> {
  const { layers, heads, width, context, vocabulary } = config;
  return { layers, heads, width, context, vocabulary, batch };
}

/** Lines of a stream, one by one. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

/** The last line that is not empty. */
function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** A property of parsed JSON; undefined if the value has none. */
function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

/**
 * Starts a peer and waits until it has taken its first step.
 *
 * It prints a line of JSON, `{"version", "parameters"}` or `{"missing"}` with a reason. Then it reads
 * lines with a number of steps from its standard input and answers each with a line: the loss.
 */
export async function startPeer({ name, program, args }: PeerCommand): Promise<Peer | Missing> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    if (error instanceof NotFound) return { name, missing: `${program} is not there` };
    if (error instanceof PermissionDenied) return { name, missing: `${program} may not be run` };
    throw error;
  }
  const errors = new Response(child.stderr).text();
  const lines = linesOf(child.stdout);
  const input = child.stdin.getWriter();
  const end = async () => {
    // The peer may have ended already.
    await input.close().catch(() => {});
    await child.status;
  };
  const answer = async (): Promise<string> => {
    const { done, value } = await lines.next();
    if (done === true) {
      const { code } = await child.status;
      throw new Error(`${name} ended with code ${code}: ${lastLine(await errors)}`);
    }
    return value;
  };
  let about: unknown;
  try {
    about = JSON.parse(await answer());
  } catch (error) {
    await end();
    return { name, missing: error instanceof Error ? error.message : `${error}` };
  }
  const missing = property(about, "missing");
  const [version, parameters] = [property(about, "version"), property(about, "parameters")];
  if (typeof version !== "string" || typeof parameters !== "number") {
    await end();
    return {
      name,
      missing: typeof missing === "string" ? missing : `${name} said ${JSON.stringify(about)}`,
    };
  }
  const encoder = new TextEncoder();
  return {
    name,
    version,
    parameters,
    async run(steps) {
      await input.write(encoder.encode(`${steps}\n`));
      return Number(await answer());
    },
    [Symbol.asyncDispose]: end,
  };
}
