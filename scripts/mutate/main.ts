/**
 * `deno task mutate`: changes the code in one place at a time, in a copy of the tree, and checks
 * that some test notices. Ends with `N mutants, N killed, N survived, N explained`.
 */
import { fileURLToPath } from "node:url";
import {
  type FlagTable,
  helpText,
  interruptible,
  parseFlags,
  progressReporter,
  runCommand,
  standardProgress,
  UsageError,
  wantsHelp,
} from "@unitune/cli";
import { randomStream, shuffled } from "@unitune/training";
import { baselinesOf, type CoveredRunner, linesRun } from "./baselines.ts";
import { copyTree } from "./copy.ts";
import { equal, tuned } from "./equal.ts";
import { explains } from "./explained.ts";
import { judge, type Runner } from "./judge.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { reachOf } from "./reach.ts";
import {
  type Findings,
  isEnough,
  type Judged,
  reportJson,
  reportText,
  survivorLines,
} from "./report.ts";
import { readRepository, type Repository } from "./repository.ts";
import { runTests } from "./run.ts";
import { inOrder, testsFor } from "./tests.ts";
import { type TypeChecker, typeChecker } from "./types.ts";

const usage = `Changes the code in one place at a time, and sees that some test notices.

  deno task mutate
  deno task mutate --seed 7 --count 50 --files core/lowering,models/sampling.ts
  deno task mutate --only core/shape.ts:38:12:swap

A mutant is a file with one change: another operator or constant, a negated condition, a branch or a \
statement less. Mutants that do not type-check do not count. The tests that run the line are run, \
nearest first, in a copy of the tree. Mutants that do what the code does are explained in \
scripts/mutate/equal.ts. Exit code 1 means that less than 95 % of the others were killed.`;

const flags = {
  seed: { kind: "integer", default: 0, min: 0, help: "The seed by which mutants are drawn." },
  count: { kind: "integer", default: 200, min: 1, help: "How many mutants that type-check." },
  files: {
    kind: "string",
    placeholder: "PATHS",
    default: "core,autodiff,models,objectives",
    help: "Folders and files to change, with commas between.",
  },
  only: {
    kind: "string",
    placeholder: "MUTANTS",
    help: "Some mutants only, as survivors are named, with commas between; of one, what the test " +
      "that kills it says is printed.",
  },
  jobs: { kind: "integer", default: 2, min: 1, help: "How many mutants are tested at a time." },
  within: {
    kind: "integer",
    min: 1,
    help: "The time of the tests of a mutant, nearest first; what they miss counts as survived.",
    defaultHelp: "all tests that run its line",
  },
  json: { kind: "boolean", help: "Print JSON." },
} as const satisfies FlagTable;

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The files that flags name. */
function filesNamed({ files }: Repository, paths: string): string[] {
  const named = paths.split(",").flatMap((path) => {
    const folder = path.endsWith("/") ? path : `${path}/`;
    const found = [...files.keys()].filter((file) => file === path || file.startsWith(folder));
    if (found.length > 0) return found;
    throw new UsageError(`--files: ${path} is no folder or file with TypeScript in it`);
  });
  return [...new Set(named)];
}

/** The mutants to draw from, in their order. */
function candidatesOf(
  repository: Repository,
  seed: number,
  paths: string,
  only?: string,
): Mutant[] {
  const ids = only?.split(",");
  const named = ids?.map((id) => id.replace(/:.*/, ""));
  const files = named === undefined ? filesNamed(repository, paths) : [...new Set(named)];
  const all = files.flatMap((file) => {
    const text = repository.files.get(file);
    return text === undefined ? [] : mutantsOf(file, text);
  });
  if (ids === undefined) return shuffled(randomStream(seed), all);
  return ids.map((only) => {
    const found = all.find(({ id }) => id === only);
    if (found !== undefined) return found;
    throw new UsageError(`--only: there is no mutant ${only} in the files as they are`);
  });
}

/** A folder for copies, removed afterwards. */
function temporaryPlace(): Disposable & { readonly path: string } {
  const path = `${Deno.makeTempDirSync({ prefix: "unitune-" })}/`;
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** The declarations that Deno gives to every file. */
async function denoTypes(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
  return new TextDecoder().decode(stdout);
}

/** Draws mutants until enough of them type-check. */
function* drawn(
  candidates: Iterable<Mutant>,
  count: number,
  checker: TypeChecker,
): Generator<{ readonly mutant: Mutant; readonly verdict?: Judged["verdict"] }> {
  let left = count;
  for (const mutant of candidates) {
    if (left === 0) return;
    const explanation = [...equal, ...tuned].find((explanation) => explains(explanation, mutant));
    const isTyped = explanation !== undefined || checker.accepts(mutant.file, mutant.text);
    if (isTyped) left--;
    if (explanation) yield { mutant, verdict: { kind: "explained", because: explanation.because } };
    else if (isTyped) yield { mutant };
    else yield { mutant, verdict: { kind: "refused" } };
  }
}

/** The helpful part of the output of a test that kills a mutant. */
function saidBy(verdict: Judged["verdict"]): string {
  return verdict.kind === "killed"
    ? `${verdict.outcome.output}\n${verdict.outcome.kind}: ${verdict.by}`
    : "";
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { seed, count, files, only, jobs, within, json } } = parseFlags(flags, Deno.args);
  const repository = readRepository(root);
  const candidates = candidatesOf(repository, seed, files, only);
  const queue = drawn(candidates, count, typeChecker(repository, await denoTypes()));
  const tests = testsFor(repository, reachOf(repository));

  using place = temporaryPlace();
  using interruption = interruptible();
  const { signal } = interruption;
  const run: Runner = async (unit, copy, limit) => {
    signal.throwIfAborted();
    const outcome = await runTests(unit, copy, limit, { signal });
    signal.throwIfAborted();
    return outcome;
  };
  const runCovered: CoveredRunner = async (unit, copy, limit) => {
    signal.throwIfAborted();
    const coverage = Deno.makeTempDirSync({ dir: place.path });
    const outcome = await runTests(unit, copy, limit, { signal, coverage });
    const lines = await linesRun(coverage, copy);
    Deno.removeSync(coverage, { recursive: true });
    signal.throwIfAborted();
    return { outcome, lines };
  };
  const baselines = baselinesOf(runCovered, copyTree(root, `${place.path}u/`));
  const judged: Judged[] = [];
  {
    const steps = Math.min(count, candidates.length);
    using progress = progressReporter(standardProgress(), steps, 5);
    let done = 0;
    progress.update(0);
    const work = async (_: unknown, job: number) => {
      const copy = copyTree(root, `${place.path}${job}/`);
      // Each job takes the next mutant from the one queue.
      for (const { mutant, verdict: known } of queue) {
        if (signal.aborted) return;
        const ordered = () => inOrder(tests(mutant.file), baselines.known);
        const verdict = known ?? await judge(mutant, ordered(), copy, run, baselines, within);
        judged.push({ mutant, verdict });
        if (verdict.kind === "refused") continue;
        if (verdict.kind === "survived") progress.print(survivorLines(mutant));
        progress.update(++done);
      }
    };
    // All jobs have to end before their copies are removed.
    const ends = await Promise.allSettled(Array.from({ length: jobs }, work));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined && !signal.aborted) throw failed.reason;
  }
  const findings: Findings = { seed, judged, failing: baselines.failing() };
  if (candidates.length === 1) { for (const { verdict } of judged) console.log(saidBy(verdict)); }
  console.log(json ? reportJson(findings) : reportText(findings));
  return interruption.exitCode || (isEnough(findings) ? 0 : 1);
}

if (import.meta.main) await runCommand(main);
