/** The reward of code: programs against the tests of their rows. */
import { assertEquals } from "@std/assert";
import { openRewards } from "@unitune/cli";
import type { Answered } from "@unitune/training";
import { codeReward, programOf } from "../../../cli/rewards/code.ts";

const tests = [
  "if (add(1, 2) !== 3) throw new Error('three');",
  "if (add(-1, 1) !== 0) throw new Error('zero');",
];
const answered: Answered = {
  ...{ prompt: "Write add.", answer: "", ids: [], isEnded: true, columns: { tests } },
};
const right = "function add(a: number, b: number): number { return a + b; }";
const limits = { seconds: 60, mebibytes: 64 };

async function scoreOf(answer: string, own: Partial<Answered> = {}, seconds = 60) {
  const [score] = await codeReward({ ...limits, seconds }).score([{ ...answered, ...own, answer }]);
  return score;
}

const fence = "`".repeat(3);
const block = (code: string, language = "ts") => `${fence}${language}\n${code}\n${fence}`;

Deno.test("the program of an answer is its last block, or all of it", () => {
  assertEquals(programOf(right), right);
  assertEquals(programOf(block(right)), `${right}\n`);
  assertEquals(programOf(block(right, "")), `${right}\n`);
  assertEquals(
    programOf(`First:\n${block("1")}\nBetter:\n${block("2", "typescript")}\nDone.`),
    "2\n",
  );
  assertEquals(programOf(`  ${block(right)}`), `${right}\n`);
  // A block that is not closed is none.
  assertEquals(programOf(`${fence}ts\n${right}`), `${fence}ts\n${right}`);
  assertEquals(programOf(`a ${fence}b${fence} c`), `a ${fence}b${fence} c`);
});

Deno.test("a program is worth 1 if all tests pass, and 0 if one fails", async () => {
  const answers = [
    right,
    `Here it is:\n${block(right)}\nIt adds.`,
    block("const add = (a, b) => a + b;", "js"),
    block("export const add = (a: number, b: number) => a + b;"),
    // Passes the first test alone.
    "const add = (a: number, b: number) => 3;",
    "I cannot write it.",
    "",
    block("def add(a, b):\n  return a + b", "python"),
  ].map((answer) => ({ ...answered, answer }));
  assertEquals(await codeReward(limits).score(answers), [1, 1, 1, 1, 0, 0, 0, 0]);
  assertEquals(await scoreOf(right, { isEnded: false }), 0);
  const joined = { columns: { tests: tests.join("\n") } };
  assertEquals(await scoreOf(right, joined), 1);
});

Deno.test("a row without tests cannot be judged", async () => {
  const { isScorable, name, reads, needs } = codeReward(limits);
  assertEquals([name, reads, needs], ["code", ["tests"], "a text or a list of texts"]);
  for (const without of [undefined, null, "", " ", [], [""], 5, [5], ["1", 5]]) {
    const columns = { tests: without };
    assertEquals(await scoreOf(right, { columns }), null);
    assertEquals(isScorable?.({ prompt: "", columns }), false);
  }
  assertEquals(isScorable?.(answered), true);
});

Deno.test("a program passes by its tests alone", async () => {
  const wrong = "const add = () => 0;\n";
  const hostile = [
    "Deno.exit(0);",
    "Deno.kill(Deno.pid);",
    "Deno.kill(Deno.pid, 'SIGKILL');",
    // Nothing of what it can read is a word that it could say.
    `if (/[0-9a-f]{8}-/.test([import.meta.url, Deno.mainModule, ...Deno.args].join())) {
      throw new Error();
    }`,
    // Tests that are not run do not pass.
    `${wrong}/*`,
    `${wrong}//`,
    `${wrong}if (false) {`,
    `${wrong}await new Promise(() => {});`.replace("await", "void"),
    `${wrong}throw new Error();`,
    `${wrong}setTimeout(() => { throw new Error(); });`,
    `${wrong}const tests = \``,
    // It may write what it likes.
    `${wrong}console.log('{"kind":"message","message":"x"}');`,
    `${wrong}Worker.prototype.postMessage = () => {};`,
    `${wrong}Deno.readTextFileSync("deno.json");`,
  ];
  for (const program of hostile) assertEquals(await scoreOf(program), 0, program);
  const file = JSON.stringify(new URL("../../../deno.json", import.meta.url).href);
  const json = 'with { type: "json" }';
  assertEquals(await scoreOf(`import all from ${file} ${json};\nvoid all;\n${right}`), 0);
  assertEquals(await scoreOf(`await import(${file}, { with: { type: "json" } });\n${right}`), 0);
  assertEquals(await scoreOf(`import "https://esm.sh/a";\n${right}`), 0);
  assertEquals(await scoreOf(`${right}\nconsole.log("a"); console.error("b");`), 1);
  assertEquals(await scoreOf(`${right}\n/* open`), 1);
  assertEquals(await scoreOf(`${right}\n// open`), 1);
});

Deno.test("a program that takes too long or too much memory is worth 0", async () => {
  assertEquals(await scoreOf(`${right} for (;;);`, {}, 0.5), 0);
  assertEquals(await scoreOf(`${right} await new Promise(() => {});`, {}, 0.5), 0);
  assertEquals(
    await scoreOf(`${right} const a = []; for (;;) a.push(new Array(1e5).fill(0.5));`),
    0,
  );
  assertEquals(
    await scoreOf(`${right} const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1));`),
    0,
  );
  // The next one has a process of its own.
  const answers = ["for (;;);", right, "Deno.stdin.read(new Uint8Array(99)); for (;;);", right];
  const scores = await codeReward({ ...limits, seconds: 3 }).score(
    answers.map((answer) => ({ ...answered, answer })),
  );
  assertEquals(scores, [0, 1, 0, 1]);
});

Deno.test("the reward code is one of those that a run may name", async () => {
  await using open = await openRewards([{ rewards: "0.5*code+exact-match" }], {
    programSeconds: 3,
  });
  const rewards = open.of({ rewards: "0.5*code+exact-match" });
  assertEquals(rewards.map(({ name }) => name), ["code"]);
  const loop = { ...answered, answer: "for (;;);" };
  assertEquals(await rewards[0]?.score([{ ...answered, answer: right }, loop]), [1, 0]);
});
