/** Processes that run code of others: what they say, what ends them, and what they may not do. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Answer, type ProcessOptions, startProcess } from "../../../cli/rewards/process.ts";
import { inFolder } from "../command.ts";
import { pause } from "../kill.ts";

const limits = { seconds: 60, mebibytes: 64 };

/** The first answer of a module, or the one to its first message, and the lines that it has written. */
async function answerOf(
  source: string,
  options: Partial<ProcessOptions> = {},
): Promise<{ readonly answer: Answer; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const output = (line: string) => lines.push(line);
  await using child = await startProcess({ ...limits, source, output, ...options });
  const ready = await child.ready;
  const isReady = ready.kind === "message" && ready.message === "ready";
  return { answer: isReady ? await child.ask("ask") : ready, lines };
}

/** A module that does something when it is asked, and answers what that returns. */
const asked = (doing: string) => `line.answerBy(async () => { ${doing} }, "ready");`;
const message = (text: string): Answer => ({ kind: "message", message: text });

Deno.test("what a module writes is passed on and is no answer", async () => {
  const { answer, lines } = await answerOf(asked(`
    console.log("one");
    console.error("two");
    console.log('00000000-0000-0000-0000-000000000000 {"kind":"message","message":"forged"}');
    Deno.stdout.writeSync(new TextEncoder().encode("no end"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    return "true";
  `));
  assertEquals(answer, message("true"));
  const forged = '00000000-0000-0000-0000-000000000000 {"kind":"message","message":"forged"}';
  assertEquals(lines.filter((line) => line !== "two"), ["one", forged, "no end"]);
});

Deno.test("of what is on standard error the last lines are kept until the answer", async () => {
  const { answer, lines } = await answerOf(asked(`
    console.error(Array.from({ length: 250 }, (_, i) => "line " + i).join("\\n"));
    // Another pipe than that of the answer.
    await new Promise((resolve) => setTimeout(resolve, 500));
    return "done";
  `));
  assertEquals(answer, message("done"));
  assertEquals(lines, Array.from({ length: 200 }, (_, i) => `line ${i + 50}`));
});

Deno.test("a flood of output ends, and the answer comes", async () => {
  const { answer, lines } = await answerOf(asked(`
    const bytes = new Uint8Array(2 ** 20).fill(65);
    for (let i = 0; i < 20; i++) Deno.stdout.writeSync(bytes);
    return "done";
  `));
  assertEquals(answer, message("done"));
  // A line is cut at 2 ** 24 characters.
  assertEquals(lines.map(({ length }) => length), [2 ** 24]);
});

Deno.test("answers come in the order of the questions", async () => {
  const source = `line.answerBy((question) => new Promise((resolve) =>
    setTimeout(() => resolve(question), question === "a" ? 40 : 0)), "ready");`;
  await using child = await startProcess({ ...limits, source });
  const answers = await Promise.all([child.ready, child.ask("a"), child.ask("b"), child.ask("c")]);
  assertEquals(answers, ["ready", "a", "b", "c"].map(message));
});

Deno.test("an error that nothing catches is told, wherever it is thrown", async () => {
  const told = async (source: string) => {
    const { answer, lines } = await answerOf(source);
    // The engine's account of it is not passed on.
    assertEquals(lines, []);
    assert(answer.kind === "ended");
    assertEquals([answer.code, answer.signal], [1, null]);
    return answer.error;
  };
  assertEquals(
    await told(`throw new TypeError("boom")`),
    "Uncaught (in promise) TypeError: boom",
  );
  assertEquals(await told("const a = (;"), "SyntaxError: Expression expected");
  assertEquals(
    await told(`import "file:///none/there.ts"`),
    'Module not found "file:///none/there.ts".',
  );
  const later = asked(
    "setTimeout(() => { throw new Error('later'); }); await new Promise(() => {});",
  );
  assertEquals(await told(later), "Uncaught Error: later");
  const exit = await answerOf(asked(`console.error("error: none"); Deno.exit(3)`));
  assertEquals(exit.answer, { kind: "ended", code: 3, signal: null, error: "none" });
  const silent = await answerOf(asked(`Deno.exit(0)`));
  assertEquals(silent.answer, { kind: "ended", code: 0, signal: null, error: undefined });
});

inFolder("an error in a file is told with its place", async (folder) => {
  await Deno.writeTextFile(`${folder}/a.ts`, "\nconst a = (;");
  const { answer } = await answerOf(`import "file://${folder}/a.ts";`);
  assert(answer.kind === "ended");
  assertEquals(
    answer.error,
    `SyntaxError: Expression expected at file://${folder}/a.ts:2:12`,
  );
});

Deno.test("a module that takes too long is ended", async () => {
  const slow = { seconds: 0.3, loadSeconds: 60 };
  for (const doing of ["for (;;);", "await new Promise(() => {});"]) {
    assertEquals((await answerOf(asked(doing), slow)).answer, { kind: "time" });
  }
  // So is one that does not load.
  assertEquals((await answerOf("for (;;);", { seconds: 1 })).answer, { kind: "time" });
  await using child = await startProcess({ ...limits, ...slow, source: asked("for (;;);") });
  await child.ready;
  assertEquals(await child.ask(1), { kind: "time" });
  const after = await child.ask(2);
  assertEquals(after, { kind: "ended", code: 137, signal: "SIGKILL", error: undefined });
});

Deno.test("a module that needs too much memory is ended", async () => {
  const heap = "const all = []; for (;;) all.push(new Array(1e5).fill(0.5));";
  const { answer, lines } = await answerOf(asked(heap));
  assert(answer.kind === "ended" && answer.signal !== null, JSON.stringify(answer));
  assertEquals(lines, []);
  // Buffers are not on the heap.
  const buffers = "const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));";
  assertEquals((await answerOf(asked(buffers))).answer, { kind: "memory" });
  // As much as it was given is not too much.
  const some = `const all = new Array(4e6).fill(0.5); return String(all.length);`;
  assertEquals((await answerOf(asked(some))).answer, message("4000000"));
});

const root = (name: string) => new URL(`../../../${name}`, import.meta.url).href;

const denied = [
  `Deno.readTextFileSync("deno.json")`,
  `Deno.writeTextFileSync("a.txt", "")`,
  `Deno.env.get("HOME")`,
  `new Deno.Command("ls").outputSync()`,
  `await fetch("http://127.0.0.1/")`,
  `Deno.hostname()`,
  `const url = ${JSON.stringify(import.meta.url)}; await import(url)`,
  `const url = ${JSON.stringify(root("deno.json"))}; await import(url, { with: { type: "json" } })`,
  `await import("https://esm.sh/a")`,
  `await import("npm:lodash")`,
  `Deno.kill(1, "SIGCONT")`,
];

Deno.test("a module may do nothing outside, unless it is allowed", async () => {
  const told = (doing: string) =>
    asked(`try { ${doing}; return "done"; } catch (e) { return String(e); }`);
  for (const doing of denied) {
    const { answer } = await answerOf(told(doing));
    assert(answer.kind === "message");
    assertMatch(answer.message, /Requires [a-z]+ access|--no-remote|--no-npm/, doing);
  }
  const reading = told(`Deno.readTextFileSync("deno.json")`);
  const allowed = async (own: ProcessOptions["allowed"]) =>
    (await answerOf(reading, own === undefined ? {} : { allowed: own })).answer;
  assertEquals(await allowed({ read: ["deno.json"] }), message("done"));
  assertEquals(await allowed({ read: true }), message("done"));
  assertNotEquals(await allowed({ read: ["deno.lock"] }), message("done"));
  assertNotEquals(await allowed({ env: true }), message("done"));
  // Nothing is there, and it is looked for.
  const importing = told(`await import("http://127.0.0.1:1/a.ts")`);
  const { answer } = await answerOf(importing, { allowed: { import: ["127.0.0.1:1"] } });
  assert(answer.kind === "message");
  assertMatch(answer.message, /127\.0\.0\.1:1/);
  assert(!/--no-remote|Requires import access/.test(answer.message), answer.message);
});

Deno.test("signals of the terminal do not end a process, which its parent will end", async () => {
  const source = asked(`return "still here";`) + `console.log(Deno.pid);`;
  const pids: number[] = [];
  await using child = await startProcess({
    ...{ ...limits, source, output: (line: string) => pids.push(Number(line)) },
  });
  await child.ready;
  while (pids.length === 0) await pause(5);
  for (const name of ["INT", "TERM", "HUP"]) await sh(`kill -${name} ${pids[0]}`);
  assertEquals(await child.ask(1), message("still here"));
});

async function sh(script: string): Promise<boolean> {
  return (await new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).output()).success;
}

inFolder("a process does not outlive its parent, whatever it is at", async (folder) => {
  const module = JSON.stringify(new URL("../../../cli/rewards/process.ts", import.meta.url).href);
  for (const doing of ["for (;;);", "setInterval(() => {}, 1000);", ""]) {
    const source = JSON.stringify(`console.log(Deno.pid); ${doing}`);
    const path = `${folder}/parent.ts`;
    await Deno.writeTextFile(
      path,
      `import { startProcess } from ${module};
      const output = (line: string) => console.log(line);
      await startProcess({ source: ${source}, seconds: 600, mebibytes: 64, output });`,
    );
    const parent = new Deno.Command(Deno.execPath(), {
      args: ["run", "--config=deno.json", "--allow-read", `--allow-run=${Deno.execPath()}`, path],
      stdout: "piped",
    }).spawn();
    const { value = "" } = await parent.stdout.pipeThrough(new TextDecoderStream()).getReader()
      .read();
    const pid = Number(value);
    assert(pid > 0 && await sh(`kill -0 ${pid}`));
    parent.kill("SIGKILL");
    await parent.status;
    for (let left = 400; await sh(`kill -0 ${pid}`); left--) {
      assert(left > 0, `${doing}: the process is still there`);
      await pause(25);
    }
  }
});

Deno.test({
  name: "a process that was disposed of leaves no file open",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const script = new URL("./open_files.ts", import.meta.url).href;
    const permissions = ["--no-prompt", "--allow-read", `--allow-run=${Deno.execPath()},sh`];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...permissions, script],
    }).output();
    const decoder = new TextDecoder();
    const [before, after]: number[] = JSON.parse(decoder.decode(stdout) || "[]");
    const said = `${decoder.decode(stdout)}${decoder.decode(stderr)}`;
    assert(before !== undefined && after !== undefined && after < before + 4, said);
  },
});
