/**
 * `deno task compare`: trains one model further by supervised fine-tuning, on preferences, on
 * rewards and by Intuitive Fine-Tuning, and compares the results.
 *
 * @module
 */

import { claimCells, claimNote, judgedClaims } from "../study/claims.ts";
import { type CompactResults, openCompact } from "../study/compact.ts";
import { planDigest } from "../study/plan.ts";
import { languageMaterial } from "../study/language_files.ts";
import { studies, studyPlan } from "../study/studies.ts";
import { planMarkdown } from "../study/plan_text.ts";
import { studyDocument } from "../study/document.ts";
import { scheduleText } from "../study/schedule.ts";
import { studyPage } from "../study/study_page.ts";
import { countTrials, LAST_FIRST_SEED, MOST_SEEDS, type StudyPlan } from "../study/plan.ts";
import { primaryOf } from "../study/primary.ts";
import type { StudyResults } from "../study/results.ts";
import { carryOutStudy } from "../study/study.ts";
import { studyLines, studyRemarks, studyRows } from "../study/table.ts";
import { type NamedDevice, openDevice } from "../run/devices.ts";
import { oneProcess, type Team, together } from "../run/team.ts";
import { borrowHands, lendHands } from "../study/borrowed_hands.ts";
import { type HandMaker, ownHands } from "../study/workers.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { fitTable } from "../terminal/layout.ts";
import { type FlagTable, kebabCase, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { formatDuration, progressReporter, standardProgress } from "../terminal/progress.ts";
import { requireReplaceable, writeSealed } from "../files/sealed.ts";
import { shellQuote } from "../terminal/shell.ts";
import { interruptible } from "../terminal/interruption.ts";
import { print, say, tell } from "../terminal/terminal.ts";
import { commitOf } from "../study/commit.ts";
import { gatherValues } from "@unitune/training";

const flags = {
  study: {
    kind: "choice",
    choices: ["objectives", "exposure", "language"],
    default: "objectives",
    help:
      "objectives compares SFT, RLHF and IFT on answers of a few characters, at equal steps; exposure " +
      "compares training on gold and on own states on answers of many steps, at equal tokens; " +
      "language does so for a pretrained model on rows of a file.",
  },
  quick: {
    kind: "boolean",
    help:
      "Runs a smaller study, of some arms: that of objectives in at most five minutes on two cores.",
  },
  plan: {
    kind: "boolean",
    help: "Prints the plan of the study, and does nothing else.",
  },
  out: {
    kind: "string",
    placeholder: "DIR",
    help: "The folder of the study. Trainings that are finished in it are not repeated.",
    defaultHelp: "runs/study, runs/exposure or runs/language, and -quick behind it",
  },
  results: {
    kind: "string",
    placeholder: "FILE",
    help: "The file that each finished trial is added to, a line each. Trials in it are not " +
      "repeated, so the study goes on from it on another machine, without the folder.",
    defaultHelp: "none",
  },
  minutes: {
    kind: "number",
    above: 0,
    help: "The minutes after which no further trial begins. Those that run are finished.",
    defaultHelp: "no limit",
  },
  seeds: {
    kind: "integer",
    min: 2,
    max: MOST_SEEDS,
    help: "The number of seeds; each has data of its own, or the rows of a file in its own order.",
    defaultHelp: "5; of exposure 15, or 4 with --quick; of language 10, or 3",
  },
  "first-seed": {
    kind: "integer",
    min: 0,
    max: LAST_FIRST_SEED,
    help: "The first seed. Seeds that no setting was chosen by can confirm a finding.",
    defaultHelp: "0; with --quick, 1000 of exposure and of language",
  },
  arms: {
    kind: "string",
    placeholder: "NAMES",
    help: `Some of the arms, joined by commas. Of ${
      Object.entries(studies).map(([name, { whole: { arms } }]) =>
        `${name}: ${arms.map(({ name }) => name).join(", ")}`
      ).join(". Of ")
    }.`,
    defaultHelp: "all of them; with --quick, some",
  },
  model: {
    kind: "string",
    placeholder: "DIR",
    help: "Of --study language: the pretrained model, a folder or a run.",
    defaultHelp: "none",
  },
  teacher: {
    kind: "string",
    placeholder: "DIR",
    help:
      "Of --study language: the run of a better model with the same tokens, which measures the " +
      "others and teaches in distillation. It must not have seen the validation rows.",
    defaultHelp: "none",
  },
  data: {
    kind: "string",
    placeholder: "FILE",
    help: "Of --study language: the rows with prompts and answers.",
    defaultHelp: "none",
  },
  "prompt-column": {
    kind: "string",
    placeholder: "NAME",
    help: "Of --study language: the column of prompts.",
    defaultHelp: "the known names",
  },
  "completion-column": {
    kind: "string",
    placeholder: "NAME",
    help: "Of --study language: the column of answers.",
    defaultHelp: "the known names",
  },
  noise: {
    kind: "number",
    default: 0,
    min: 0,
    max: 1,
    help: "The fraction of training answers that are made wrong.",
  },
  device: {
    kind: "choice",
    choices: ["auto", "wasm", "native", "webgpu"],
    default: "auto",
    help: "Where to compute.",
  },
  jobs: {
    kind: "integer",
    min: 1,
    help:
      "The number of trials at a time, of each process where there are several. They share the " +
      "processors. It does not change results.",
    defaultHelp: "the number of processors; 1 on webgpu",
  },
} as const satisfies FlagTable;

const usage =
  `Trains one undertrained model further in many ways, on the same prompts and answers and for the ` +
  `same number of steps or tokens, and reports what became of each: exact match, recovery from a wrong ` +
  `token, longer prompts, distance from the start, and cost. Differences are paired by seed and ` +
  `have 95 % intervals.

  deno task compare --quick               some arms and a small model, in minutes
  deno task compare                       all arms, in hours
  deno task compare --study exposure      gold and own states, in hours
  deno task compare --study language --model lm/run --teacher lm/teacher --data rows.jsonl

A long study goes on in parts, on any machine, from a file of its results:

  deno task compare --study exposure --results FILE --minutes 90

The same command continues a study that was interrupted.`;

/** The flags that only the study on a language model has. */
const languageFlags = [
  "model",
  "teacher",
  "data",
  "promptColumn",
  "completionColumn",
] as const;

/** The values of the command line. */
type Values = ReturnType<typeof parseFlags<typeof flags>>["values"];

/** The plan that the command line asks for. */
async function plannedBy(values: Values): Promise<StudyPlan> {
  if (values.study === "language") {
    return studyPlan({ ...values, material: await languageMaterial(values) });
  }
  const [foreign] = languageFlags.filter((name) => values[name] !== undefined);
  if (foreign === undefined) return studyPlan(values);
  throw new UsageError(`--${kebabCase(foreign)} is a flag of --study language`);
}

/** A study that may begin: nothing is in its way. */
interface ReadyStudy {
  readonly plan: StudyPlan;
  readonly folder: string;
  /** The command line that goes on with it. */
  readonly command: string;
  readonly commit: string | undefined;
  /** The files that are written at its end. */
  readonly files: { readonly document: string; readonly report: string };
  /** The number of workers of each process (default: it follows the device). */
  readonly jobs: number | undefined;
  /** The finished trials of the file of results; undefined without one, and beside the first process. */
  readonly compact: CompactResults | undefined;
  /** Minutes after which no further trial begins (default: there is no limit). */
  readonly minutes: number | undefined;
  /** The device, of the first process. */
  readonly device: NamedDevice | undefined;
}

/** The advice where a file is in the way. */
const INSTEAD = "choose another --out";

/** Reads the command line; the first process sees whether the study may begin. */
async function readyStudy(
  argv: readonly string[],
  { collective, threads }: Team,
  opened: DisposableStack,
): Promise<ReadyStudy> {
  // Read first: the commit may change during the study.
  const commit = await commitOf(".");
  const { values } = parseFlags(flags, argv);
  const plan = await plannedBy(values);
  const name = values.study === "objectives" ? "study" : values.study;
  const folder = values.out ?? `runs/${name}${values.quick ? "-quick" : ""}`;
  const command = ["deno task compare", ...argv.map(shellQuote)].join(" ");
  const files = { document: `${folder}/study.md`, report: `${folder}/report.html` };
  const { jobs, minutes, results } = values;
  const study = { plan, folder, command, commit, files, jobs, minutes };
  if (collective.rank > 0) return { ...study, compact: undefined, device: undefined };
  const compact = results === undefined ? undefined : await openCompact({
    ...{ path: results, study: values.study, plan: planDigest(plan), commit },
  });
  // Checked before the study rather than after it.
  for (const path of Object.values(files)) await requireReplaceable(path, INSTEAD);
  const options = { ...threads !== undefined && { threads } };
  const device = opened.use(await openDevice(values.device, tell, options));
  return { ...study, compact, device };
}

/** The workers of a study: those of this process, and of others. */
interface StudyHands {
  readonly own: readonly HandMaker[];
  /** The number of workers of each process. */
  readonly counts: readonly number[];
}

/** Carries out a study in the first process, and writes its reports. */
async function conduct(
  { plan, folder, command, commit, files, device, compact, minutes = Infinity }: ReadyStudy,
  { collective }: Team,
  { own, counts }: StudyHands,
): Promise<number> {
  if (device === undefined) throw new RangeError("compare: the first process has a device");
  const started = performance.now();
  const total = countTrials(plan);
  const jobs = counts.reduce((sum, count) => sum + count, 0);
  say(
    `${plan.arms.length} arms, ${plan.seeds} seeds, at most ${total} trials, ${jobs} at a ` +
      `time, in ${folder}`,
  );
  if (compact !== undefined) say(scheduleText(plan, compact.all(), jobs));
  const mayBegin = () => performance.now() - started < minutes * 60_000;
  using interruption = interruptible();
  let results: StudyResults | undefined;
  {
    await using borrowed = borrowHands(collective, counts);
    using progress = progressReporter(standardProgress(), total, 1);
    results = await carryOutStudy({
      ...{ folder, plan, command, progress, device: device.name, mayBegin },
      ...compact && { compact },
      hands: [...own, ...borrowed.makers],
      signal: AbortSignal.any([interruption.signal, borrowed.signal]),
    });
  }
  if (results === undefined) {
    if (compact !== undefined) say(scheduleText(plan, compact.all(), jobs));
    const isOver = !mayBegin() && !interruption.signal.aborted;
    say(`${isOver ? `${minutes} minutes are over` : "interrupted"}; resume it by\n  ${command}`);
    return isOver ? 0 : interruption.exitCode;
  }
  interruption[Symbol.dispose]();
  const rows = studyRows(plan, results);
  print(`\n${studyLines(rows, primaryOf(plan)).join("\n")}\n`);
  const claims = judgedClaims(plan, results);
  if (claims.length > 0) {
    print(`${fitTable(claimCells(claims)).join("\n")}\n`);
    say(claimNote(plan));
  }
  for (const remark of studyRemarks(plan, results)) say(remark);
  await writeSealed(
    files.document,
    studyDocument({ command, commit, plan, results, trials: compact?.all() }),
    INSTEAD,
  );
  const page = await studyPage({ folder, command, plan, results, device });
  await writeSealed(files.report, page, INSTEAD);
  print(`\nreports: ${files.report}\n         ${files.document}`);
  print(`${formatDuration((performance.now() - started) / 1000)} in all`);
  return 0;
}

/** Carries out trials for the first process. */
async function help({ collective }: Team, { own }: StudyHands): Promise<number> {
  using interruption = interruptible();
  await lendHands(collective, own, interruption.signal);
  return interruption.exitCode;
}

/**
 * The command `compare`.
 *
 * @param argv The command line.
 * @param team The processes that carry it out (default: this one). The first of them plans, shows and
 * reports; trials are carried out by all.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, the folder holds something else, or a run
 * fails.
 */
export async function compareCommand(
  argv: readonly string[],
  team: Team = oneProcess,
): Promise<number> {
  const { collective, threads = navigator.hardwareConcurrency } = team;
  if (wantsHelp(argv)) {
    if (collective.rank === 0) console.log(helpText(flags, usage));
    return 0;
  }
  const { values } = parseFlags(flags, argv);
  if (values.plan) {
    if (collective.rank === 0) print(planMarkdown(await plannedBy(values)));
    return 0;
  }
  using opened = new DisposableStack();
  const study = await together(collective, () => readyStudy(argv, team, opened));
  const [device] = await gatherValues(collective, study.device?.name ?? "");
  const { jobs = device === "wasm" ? threads : 1 } = study;
  const counts = await gatherValues(collective, jobs);
  const hands = { own: ownHands(jobs, threads), counts };
  const exitCode = await together(
    collective,
    () => collective.rank === 0 ? conduct(study, team, hands) : help(team, hands),
  );
  const exitCodes = await gatherValues(collective, exitCode);
  return exitCodes.reduce((most, own) => Math.max(most, own), 0);
}

if (import.meta.main) await runCommand(() => compareCommand(Deno.args));
