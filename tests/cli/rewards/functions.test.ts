/** Rewards of files: functions in processes of their own, right and wrong ones. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openRewards, type RewardsOptions } from "@unitune/cli";
import { type Answered, rewardsOf, UserError } from "@unitune/training";
import { rewardDefaults } from "../../../cli/rewards/open.ts";
import { digestOf } from "../../../cli/files/digest.ts";
import { inFolder } from "../command.ts";

const source = { file: "rows.jsonl", line: 7 };
const answered: Answered = {
  ...{ prompt: "1+1", answer: "2", ids: [5, 1], isEnded: true },
  ...{ columns: { level: 3 }, source },
};
const answers = ["2", "", "22"].map((answer, i): Answered => ({
  ...{ ...answered, answer, source: { ...source, line: 7 + i } },
}));

/** A file of rewards, and what its functions give. */
function withFile(
  name: string,
  text: string,
  test: (
    score: (
      name: string,
      options?: RewardsOptions,
      own?: readonly Answered[],
    ) => Promise<readonly (number | null | undefined)[]>,
    file: string,
  ) => Promise<void>,
): void {
  inFolder(name, async (folder) => {
    const file = `${folder}/mine.ts`;
    await Deno.writeTextFile(file, text);
    await test(async (name, options = {}, own = answers) => {
      const rewards = `${file}#${name}`;
      await using open = await openRewards([{ rewards }], { output: () => {}, ...options });
      const terms = open.of({ rewards }).map((reward) => ({ weight: 1, reward }));
      assertEquals(terms.map(({ reward }) => reward.name), [rewards]);
      return (await rewardsOf(terms, own)).map(({ parts }) => parts[rewards]);
    }, file);
  });
}

/** The message of the error, without the folder. */
async function refused(work: () => Promise<unknown>, file?: string): Promise<string> {
  const { message } = await assertRejects(work, UserError);
  const named = file === undefined ? message : message.replaceAll(file, "mine.ts");
  return named.replaceAll("file://", "");
}

withFile(
  "a function scores batches: at once or later, each answer or not, whatever it prints",
  `
  import type { Answered } from "@unitune/training";
  import { half } from "./half.ts";
  export const length = (answers: readonly Answered[]): number[] => {
    console.log("seen", answers.length);
    return answers.map(({ answer }) => answer.length);
  };
  export async function later(answers: readonly Answered[]): Promise<(number | null)[]> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return answers.map(({ answer }) => answer === "" ? null : half * answer.length);
  }
  export const seen = (answers: readonly Answered[]) =>
    answers.map((answered) => JSON.stringify(answered) === EXPECTED ? 1 : 0);
  const EXPECTED = ${JSON.stringify(JSON.stringify(withoutSource(answered)))};
  let calls = 0;
  export const counted = () => [++calls];
  `,
  async (score, file) => {
    await Deno.writeTextFile(file.replace("mine.ts", "half.ts"), "export const half = 0.5;");
    const lines: string[] = [];
    const output = (line: string) => lines.push(line);
    assertEquals(await score("length", { output }), [1, 0, 2]);
    assertEquals(lines, ["seen 3"]);
    assertEquals(await score("later"), [0.5, null, 1]);
    // The text and the tokens of the answer, the prompt, all columns of the row, and nothing else.
    assertEquals(await score("seen", {}, [{ ...answered }]), [1]);
    // A process serves all batches of a run.
    const rewards = `${file}#counted`;
    await using open = await openRewards([{ rewards }, { rewards: "exact-match" }, { rewards }]);
    assertEquals(open.of({ rewards: "exact-match" }), []);
    // Of the file alone: it imports another one.
    assertEquals(open.digests, { [rewards]: digestOf(await Deno.readTextFile(file)) });
    const [reward] = open.of({ rewards: `exact-match+0.5*${rewards}` });
    assert(reward !== undefined);
    assertEquals(await Promise.all([1, 2, 3].map(() => reward.score([answered]))), [[1], [2], [3]]);
  },
);

function withoutSource({ source: _, ...own }: Answered): unknown {
  return own;
}

withFile(
  "a function that gives no scores is named, with the rows",
  `
  export const few = () => [1];
  export const none = () => undefined;
  export const notANumber = () => [0, NaN, 1];
  export const infinite = () => [0, 1, -Infinity];
  export const texts = () => ["1", 1, 1];
  export const holes = () => [1, , 1];
  export const functions = () => [1, function one() {}, 1];
  export const bigs = () => [1n, 1, 1];
  export const circle = () => { const a: unknown[] = []; a.push(a); return a; };
  export const long = () => ["a".repeat(2 ** 23)];
  export const throws = () => { throw new TypeError("no\\n  answer"); };
  export const rejects = () => Promise.reject(new Error("later"));
  export const throwsText = () => { throw "a text"; };
  export const throwsStrange = () => { throw { toString: 5 }; };
  export const throwsLong = () => { throw new Error("a".repeat(5000)); };
  export const exits = () => Deno.exit(3);
  export const leaves = () => { setTimeout(() => { throw new Error("apart"); }); return new Promise(() => {}); };
  `,
  async (score, file) => {
    const told = (name: string) => refused(() => score(name), file);
    const rule = "it has to return a list with a finite number, or null, for each answer";
    const given = async (name: string) => {
      const [begin, end] = [`the reward mine.ts#${name} returned `, `: ${rule}`];
      const message = await told(name);
      assert(message.startsWith(begin) && message.endsWith(end), message);
      return message.slice(begin.length, -end.length);
    };
    assertEquals(
      await given("few"),
      "1 score for 3 answers to rows.jsonl:7, rows.jsonl:8, rows.jsonl:9",
    );
    assertEquals(await given("none"), "undefined");
    assertEquals(await given("notANumber"), "NaN for an answer to rows.jsonl:8");
    assertEquals(await given("infinite"), "-Infinity for an answer to rows.jsonl:9");
    assertEquals(await given("texts"), '"1" for an answer to rows.jsonl:7');
    assertEquals(await given("holes"), "undefined for an answer to rows.jsonl:8");
    assertEquals(await given("functions"), '"function one() {}" for an answer to rows.jsonl:8');
    assertEquals(await given("bigs"), '"1" for an answer to rows.jsonl:7');
    const failed = async (name: string) => {
      const begin = `the reward mine.ts#${name} failed for 3 answers to rows.jsonl:7, ` +
        `rows.jsonl:8, rows.jsonl:9: `;
      const message = await told(name);
      assert(message.startsWith(begin), message);
      return message.slice(begin.length);
    };
    assert(
      (await failed("circle")).startsWith("it threw TypeError: Converting circular structure"),
    );
    assertEquals(
      await failed("long"),
      "it threw RangeError: it returned 8388625 characters of JSON",
    );
    assertEquals(await failed("throws"), "it threw TypeError: no answer");
    assertEquals(await failed("rejects"), "it threw Error: later");
    assertEquals(await failed("throwsText"), "it threw a text");
    assertEquals(await failed("throwsStrange"), "it threw an object without a text");
    assertEquals(
      await failed("throwsLong"),
      `it threw Error: ${"a".repeat(193)}… (1,700 characters left out) …${"a".repeat(100)}`,
    );
    assertEquals(await failed("exits"), "its process ended with exit code 3");
    assertEquals(
      (await failed("leaves")).replace(/:\d+:\d+\)$/, ""),
      "Uncaught Error: apart at Timeout._onTimeout (mine.ts",
    );
  },
);

withFile(
  "a function that takes too long or too much memory is named, with the limit",
  `
  export const loop = () => { for (;;); };
  export const heap = () => { const a = []; for (;;) a.push(new Array(1e5).fill(0.5)); };
  export const buffers = () => { const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1)); };
  `,
  async (score, file) => {
    const rows = "3 answers to rows.jsonl:7, rows.jsonl:8, rows.jsonl:9: ";
    // Long enough for the file to load.
    const slow = await refused(() => score("loop", { seconds: 3 }), file);
    assertEquals(
      slow,
      `the reward mine.ts#loop failed for ${rows}it took more than 3 s, which --reward-timeout sets`,
    );
    const heap = await refused(() => score("heap", { mebibytes: 64 }), file);
    assertEquals(
      heap.replace(/SIG[A-Z]+/, "SIGNAL"),
      `the reward mine.ts#heap failed for ${rows}its process was ended by SIGNAL, as it is with ` +
        `more than 64 MiB of memory, which --reward-memory sets`,
    );
    const buffers = await refused(() => score("buffers", { mebibytes: 64 }), file);
    assertEquals(
      buffers,
      `the reward mine.ts#buffers failed for ${rows}it used more than 64 MiB of memory, which ` +
        `--reward-memory sets`,
    );
  },
);

withFile(
  "a function may do what it is allowed to, and nothing else",
  `
  export const reads = () => [Deno.readTextFileSync(FILE).length, 0, 0];
  const FILE = import.meta.filename ?? "";
  `,
  async (score, file) => {
    const denied = await refused(() => score("reads"), file);
    assert(denied.includes('it threw NotCapable: Requires read access to "mine.ts"'), denied);
    const { size } = await Deno.stat(file);
    assertEquals(await score("reads", { allowed: { read: [file] } }), [size, 0, 0]);
  },
);

withFile(
  "a file without the function, or that does not load, is refused",
  "export const accuracy = () => [1]; export const other = () => [1]; export const five = 5;",
  async (score, file) => {
    const told = (name: string) => refused(() => score(name), file);
    const exported = 'mine.ts exports no function "accurcy": did you mean "accuracy"?';
    assertEquals(await told("accurcy"), exported);
    const all = 'it exports "accuracy", "other"';
    assertEquals(await told("xylophone"), `mine.ts exports no function "xylophone": ${all}`);
    assertEquals(await told("five"), `mine.ts exports no function "five": ${all}`);
    assertEquals(
      await told("toString"),
      `mine.ts exports no function "toString": ${all}`,
    );
    const loading = async (text: string) => {
      await Deno.writeTextFile(file, text);
      return await told("accuracy");
    };
    assertEquals(
      await loading("export const five = 5;"),
      'mine.ts exports no function "accuracy": it exports no function',
    );
    const syntax = await loading("export const a = (;");
    assert(syntax.startsWith("can't load mine.ts: SyntaxError: Expression expected"), syntax);
    assert(syntax.endsWith("at mine.ts:1:19"), syntax);
    const missing = await loading('import "./none.ts";');
    assert(missing.startsWith("can't load mine.ts: Module not found"), missing);
    const throwing = await loading('throw new Error("boom");');
    assertEquals(throwing, "can't load mine.ts: Uncaught (in promise) Error: boom at mine.ts:1:7");
    await Deno.remove(file);
    assert((await told("accuracy")).includes("mine.ts"));
  },
);

Deno.test("names of files that make no sense are refused", async () => {
  const told = (rewards: string) => refused(() => openRewards([{ rewards }]));
  assertEquals(await told("a.ts"), "--rewards: name a function of a.ts, as in a.ts#accuracy");
  assertEquals(await told("a.ts#"), "--rewards: name a function of a.ts, as in a.ts#accuracy");
  assertEquals(
    await told("exact-match+2*a.py#b"),
    '--rewards: "a.py" is no file of TypeScript or JavaScript: a reward of a file is named as in ' +
      "./my_rewards.ts#accuracy",
  );
  assert((await told("#b")).startsWith('--rewards: "" is no file of TypeScript or JavaScript'));
  for (const ending of ["ts", "js", "mts", "mjs", "cts", "cjs"]) {
    const message = await told(`none/there.${ending}#a`);
    assert(message.startsWith(`can't read none/there.${ending}`), message);
  }
});

Deno.test("rewards without processes start none, and limits have defaults", async () => {
  await using open = await openRewards([
    { rewards: "exact-match+format" },
    { rewards: undefined },
  ]);
  assertEquals(open.of({ rewards: "exact-match+format" }), []);
  assertEquals(open.of({ rewards: undefined }), []);
  assertEquals(rewardDefaults, { seconds: 60, programSeconds: 5, mebibytes: 512 });
});
