/** Training by rewards of files and by code, as a person starts it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  ended,
  inFolder,
  permissionsOf,
  readRows,
  start,
  tiny,
  writeRows,
} from "../command.ts";

const rows = Array.from({ length: 12 }, (_, i) => ({
  ...{ prompt: "ab", completion: "ba", level: i },
  tests: ["if (two !== 2) throw new Error('two');"],
}));

const grpo = ["--objective", "grpo", "--group-size", "2", ...tiny];

/** Runs `train:rewards` to its end. */
const rewarded = (...args: readonly string[]) => ended(start("train:rewards", args));

async function succeeded(...args: readonly string[]) {
  const result = await rewarded(...args);
  assertEquals(result.code, 0, result.stderr);
  return result;
}

/** Rewards of answers by their letters; some cannot be judged. */
const letters = `
  import type { Answered, AnswerScores } from "@unitune/training";

  export async function letters(answers: readonly Answered[]): Promise<AnswerScores> {
    console.log(\`batch of \${answers.length}\`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return answers.map(({ answer }) => answer.length % 2 === 0 ? null : answer.length);
  }
  export const level = (answers: readonly Answered[]): AnswerScores =>
    answers.map(({ columns: { level } }) => Number(level));
`;

inFolder("functions of a file are rewards, with weights, beside others", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const file = `${folder}/mine.ts`;
  await Deno.writeTextFile(file, letters);
  const names = [`${file}#letters`, `${file}#level`, "length-penalty"];
  const { stdout, stderr } = await succeeded(
    ...[...grpo, "--data", data, "--out", `${folder}/run`],
    ...["--rewards", `0.5*${names[0]}+2*${names[1]}+length-penalty`],
  );
  // What a function writes is no result of the command.
  assert(!stdout.includes("batch of"), stdout);
  assertEquals(stderr.split("\n").filter((line) => line === "batch of 4").length, 6);
  const samples = (await readRows(`${folder}/run/samples.jsonl`))
    .filter(({ rewards }) => rewards !== undefined);
  assert(samples.length > 0);
  for (const { answer, reward, rewards } of samples) {
    const { [names[0] ?? ""]: length, [names[1] ?? ""]: level, ...others } = Object(rewards);
    const size = String(answer).length;
    assertEquals(length, size % 2 === 0 ? null : size);
    assertEquals(reward, 0.5 * (length ?? 0) + 2 * level + others["length-penalty"]);
  }
  const metrics = (await readRows(`${folder}/run/metrics.jsonl`)).filter(({ loss }) => loss);
  for (const name of names) assert(metrics.every((row) => Number.isFinite(row[`rewards/${name}`])));
});

inFolder("answers that a function cannot judge are not learned from", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const file = `${folder}/mine.ts`;
  await Deno.writeTextFile(file, "export const none = (all: unknown[]) => all.map(() => null);");
  await succeeded(
    ...[...grpo, "--data", data, "--out", `${folder}/run`, "--rewards", `${file}#none`],
  );
  const metrics = (await readRows(`${folder}/run/metrics.jsonl`))
    .filter(({ unscorable }) => unscorable !== undefined);
  assertEquals(metrics.map(({ unscorable }) => unscorable), [1, 1, 1, 1, 1, 1]);
  assertEquals(metrics.map(({ grad_norm }) => grad_norm), [0, 0, 0, 0, 0, 0]);
});

inFolder("a run by rewards of a file resumes to the same bits", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const file = `${folder}/mine.ts`;
  await Deno.writeTextFile(file, letters);
  await succeeded(
    ...[...grpo, "--data", data, "--out", `${folder}/a`, "--save-steps", "2"],
    ...["--rewards", `${file}#letters+0.1*exact-match`],
  );
  await copyFolder(`${folder}/a`, `${folder}/b`);
  const { stderr } = await succeeded(
    ...["--resume", `${folder}/b`, "--from-step", "4"],
    ...["--reward-timeout", "50", "--reward-memory", "400", "--code-timeout", "4"],
    ...["--reward-allow", `read=${folder}`],
  );
  assert(!stderr.includes("has changed"), stderr);
  await assertSameFiles(`${folder}/b`, `${folder}/a`);
});

inFolder(
  "a run whose function fails keeps its steps, and goes on once it is mended",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const file = `${folder}/mine.ts`;
    const failing = "let calls = 0; export const mine = (all: unknown[]) => " +
      "++calls > 3 ? [1] : all.map(() => 1);";
    await Deno.writeTextFile(file, failing);
    const run = [...grpo, "--data", data, "--rewards", `${file}#mine`];
    const failed = await rewarded(...run, "--out", `${folder}/run`, "--save-steps", "2");
    assertRefused(failed, 1, `the reward ${file}#mine returned 1 score for 4 answers to ${data}:`);
    await Deno.writeTextFile(file, "export const mine = (all: unknown[]) => all.map(() => 1);");
    const { stdout, stderr } = await succeeded("--resume", `${folder}/run`);
    assertStringIncludes(stdout, "resumed at step 2");
    assertStringIncludes(
      stderr,
      `the file of the reward ${file}#mine has changed since the run began: from here on, answers are ` +
        `scored by it as it is now`,
    );
  },
);

inFolder(
  "what a function or its file does wrong is one sentence, and no folder",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const file = `${folder}/mine.ts`;
    await Deno.writeTextFile(
      file,
      `export const throws = () => { throw new Error("no answer"); };
    export const loop = () => { for (;;); };
    export const heap = () => { const a = []; for (;;) a.push(new Array(1e5).fill(0.5)); };
    export const exits = () => Deno.exit(0);
    export const reads = () => Deno.readTextFileSync("deno.json");`,
    );
    const run = [...grpo, "--data", data, "--out", `${folder}/run`];
    const told: Readonly<Record<string, RegExp>> = {
      throws: /failed for 4 answers to .*rows\.jsonl:\d+.*: it threw Error: no answer/,
      loop: /it took more than 3 s, which --reward-timeout sets/,
      heap:
        /ended by SIG[A-Z]+, as it is with more than 64 MiB of memory, which --reward-memory sets/,
      exits: /its process ended with exit code 0/,
      reads: /it threw NotCapable: Requires read access to "deno.json"/,
      raeds: /exports no function "raeds": did you mean "reads"\?/,
    };
    for (const [name, message] of Object.entries(told)) {
      const limits = ["--reward-timeout", "3", "--reward-memory", "64"];
      assertRefused(await rewarded(...run, ...limits, "--rewards", `${file}#${name}`), 1, message);
    }
    await Deno.writeTextFile(file, "export const a = (;");
    const broken = await rewarded(...run, "--rewards", `${file}#a`);
    assertRefused(broken, 1, /can't load .*mine\.ts: SyntaxError: Expression expected/);
    const unknown = await rewarded(...run, "--rewards", "exact-match", "--reward-allow", "all");
    assertRefused(unknown, 2, '--reward-allow: there is no permission "all"');
    assertEquals((await Array.fromAsync(Deno.readDir(folder))).length, 2);
  },
);

inFolder("the reward code runs programs against the tests of the rows", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = [...grpo, "--steps", "1", "--data", data, "--out", `${folder}/run`];
  await succeeded(...run, "--rewards", "code+0.1*exact-match");
  const [, measured] = await readRows(`${folder}/run/metrics.jsonl`);
  assertEquals([measured?.["rewards/code"], measured?.unscorable], [0, 0]);
  const without = await writeRows(`${folder}/none.jsonl`, rows.map(({ tests: _, ...row }) => row));
  assertRefused(
    await rewarded(...[...grpo, "--data", without, "--rewards", "code"]),
    1,
    'the reward code reads a text or a list of texts in the column "tests", which no row has ' +
      '(there are "level", "completion"). Name another reward by --rewards',
  );
});

inFolder("only its own task may start processes for rewards", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const file = `${folder}/mine.ts`;
  await Deno.writeTextFile(file, letters);
  for (const reward of [`${file}#letters`, "code"]) {
    assertRefused(
      await ended(start("train", [...grpo, "--data", data, "--rewards", reward])),
      1,
      `the reward ${reward} runs in a process of its own, which this task may not start: use ` +
        "`deno task train:rewards` with the same flags",
    );
  }
  const own = permissionsOf("train");
  assert(!own.some((permission) => permission.startsWith("run")), own.join());
  assertEquals(
    permissionsOf("train:rewards").toSorted(),
    [...own, `run=${Deno.execPath()}`].toSorted(),
  );
});
