/**
 * Runs every test and every documented example, and ends with `N passed, N failed`. The tests of
 * `tests/slow`, which take minutes or gigabytes, of `tests/tokenizers`, which fetch 20 MB, and of
 * `tests/packages` are run where they are named only, as by `deno task test:slow`. Arguments go to
 * `deno test`: paths replace the default ones, options (`--filter=NAME`) are added. With
 * `--one-by-one`, files have the whole machine each.
 */
import { stripVTControlCharacters } from "node:util";
import { testPermissions } from "./test_permissions.ts";

/** Deno's last line: `ok | 9 passed (2 steps) | 0 failed (1s)`. */
const SUMMARY = /^(?:ok|FAILED) \| (?<passed>\d+) passed.*? \| (?<failed>\d+) failed/gm;

const ONE_BY_ONE = "--one-by-one";

/** One more file at a time than processors: some tests wait for a browser or another process. */
const JOBS = String(navigator.hardwareConcurrency + 1);

const options = Deno.args.filter((arg) => arg.startsWith("-") && arg !== ONE_BY_ONE);
const paths = Deno.args.filter((arg) => !arg.startsWith("-"));

const child = new Deno.Command(Deno.execPath(), {
  args: [
    "test",
    "--lock=deno.lock",
    "--frozen",
    // `deno task check` checks all types, those of tests and examples among them, in a tenth of the time
    // that it takes here, example by example.
    "--no-check",
    ...(Deno.args.includes(ONE_BY_ONE) ? [] : ["--parallel"]),
    ...(paths.length > 0 ? [] : ["--ignore=tests/slow,tests/tokenizers,tests/packages"]),
    ...testPermissions(),
    ...options,
    // The examples of all files are among the tests; those of files that are named are run by Deno. Of
    // the folder by its name, Deno would run only what is a member of the workspace in it.
    ...(paths.length > 0 ? ["--doc", ...paths] : ["tests/**/*.test.ts"]),
  ],
  env: { DENO_JOBS: JOBS },
  stdout: "piped",
}).spawn();

const decoder = new TextDecoder();
let output = "";
for await (const chunk of child.stdout) {
  await Deno.stdout.write(chunk);
  output += decoder.decode(chunk, { stream: true });
}
const { code } = await child.status;

const summary = [...stripVTControlCharacters(output).matchAll(SUMMARY)].at(-1)?.groups;
const passed = Number(summary?.passed ?? 0);
// An error that keeps a module from loading is a failure that no summary counts.
const failed = Math.max(Number(summary?.failed ?? 0), code === 0 ? 0 : 1);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(code);
