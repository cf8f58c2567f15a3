/**
 * `deno task playground` builds the site and serves it on loopback; `deno task playground:build`
 * leaves a folder that any static host serves.
 *
 * @module
 */
import { type FlagTable, helpText, parseFlags, runCommand, say, wantsHelp } from "@unitune/cli";
import { build } from "./build.ts";
import { huggingFace, pageHeaders } from "./policy.ts";
import { serve } from "./serve.ts";

const flags = {
  out: {
    kind: "string",
    default: "runs/playground",
    placeholder: "DIR",
    help: "The folder of the site. Only an earlier build in it is replaced.",
  },
  port: {
    kind: "integer",
    default: 8000,
    min: 0,
    max: 65_535,
    help: "The port to serve on; 0 for a free one.",
  },
  hub: {
    kind: "boolean",
    help: "Lets the page read models of the Hugging Face hub, and makes requests to it alone.",
  },
  "build-only": { kind: "boolean", help: "Leaves the folder, and serves nothing." },
} as const satisfies FlagTable;

const usage = "deno task playground [options]";

/**
 * The command.
 *
 * @param argv The command line.
 * @returns The exit code.
 */
export async function playground(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { out, port, hub: mayAsk, buildOnly } } = parseFlags(flags, argv);
  const hub = mayAsk ? huggingFace : undefined;
  const { files, firstLoad } = await build(out, hub);
  const kilobytes = Math.ceil(firstLoad / 1000);
  say(
    `${out} holds the playground: ${files.length} files, of which the first view loads ` +
      `${kilobytes} kB of script, compressed`,
  );
  if (buildOnly) return 0;
  const server = serve(out, files, port, pageHeaders(hub));
  say(`open http://127.0.0.1:${server.addr.port}/ in a browser; Ctrl+C ends`);
  await server.finished;
  return 0;
}

if (import.meta.main) await runCommand(() => playground(Deno.args));
