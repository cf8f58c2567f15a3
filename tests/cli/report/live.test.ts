/** The page of a run while it trains. */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import { reportCommand } from "../../../cli/commands/report.ts";
import { livePage, serveLive } from "../../../cli/report/live.ts";
import { runPaths } from "../../../cli/run/run_paths.ts";
import { inFolder, writeRows } from "../command.ts";
import { run } from "./records.ts";

/** A run's folder as it is when the run begins: nothing but its configuration. */
async function begun(folder: string): Promise<string> {
  await Deno.writeTextFile(runPaths(folder).config, JSON.stringify(run.config));
  return folder;
}

/** Adds lines to the files of a run. */
async function logged(folder: string, lines: readonly unknown[]): Promise<void> {
  const paths = runPaths(folder);
  for (const path of [paths.metrics, paths.samples]) await writeRows(path, lines);
}

inFolder("a browser sees each step, and is told to ask again until the last", async (folder) => {
  await begun(folder);
  await using server = serveLive(folder, 0);
  const address = `http://127.0.0.1:${server.addr.port}/`;
  const ask = async () => {
    const response = await fetch(address);
    const { status, headers } = response;
    return { status, refresh: headers.get("refresh"), text: await response.text() };
  };
  const early = await ask();
  assertEquals([early.status, early.refresh], [503, "5"]);
  assertStringIncludes(early.text, "metrics.jsonl");

  await logged(folder, [{ step: 36, loss: 1 }]);
  const running = await ask();
  assertEquals([running.status, running.refresh], [200, "5"]);
  assertStringIncludes(running.text, "36 of 37 steps so far");

  await logged(folder, [{ step: 36, loss: 1 }, { step: 37, loss: 1 }]);
  const done = await ask();
  assertEquals([done.status, done.refresh], [200, null]);
  assertStringIncludes(done.text, "sft, then grpo: 37 steps, in");

  const { port } = server.addr;
  assertThrows(() => serveLive(folder, port), UserError, `port ${port} is in use`);
});

inFolder("only the page is served, to this machine, to be read", async (folder) => {
  await logged(await begun(folder), [{ step: 1, loss: 1 }]);
  const ask = async (url: string, method = "GET") => {
    const { status, headers } = await livePage(folder, new Request(url, { method }));
    assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'");
    return [status, headers.get("content-type")?.split(";")[0]];
  };
  assertEquals(await ask("http://127.0.0.1:8001/"), [200, "text/html"]);
  assertEquals(await ask("http://localhost:8001/"), [200, "text/html"]);
  // A page whose name leads to this machine asks under its own name.
  assertEquals(await ask("http://elsewhere.example:8001/"), [403, "text/plain"]);
  assertEquals(await ask("http://127.0.0.1:8001/config.json"), [404, "text/plain"]);
  assertEquals(await ask("http://127.0.0.1:8001/", "POST"), [405, "text/plain"]);
});

inFolder("what cannot be watched is refused at once", async (folder) => {
  const refused = (message: string, ...args: readonly string[]) =>
    assertRejects(
      () => reportCommand(["--run", folder, "--watch", ...args]),
      UserError,
      message,
    );
  await refused("holds no run");
  await begun(folder);
  await refused("omit --out", "--out", `${folder}/page.html`);
  await refused("--prompt is for the folder of a comparison", "--prompt", "1+1");
  await Deno.writeTextFile(`${folder}/study.json`, "{}");
  await refused("not for a comparison");
});
