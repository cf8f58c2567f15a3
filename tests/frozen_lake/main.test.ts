/** The command: its output, its report, and its errors. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findBrowser, quietly } from "../browser.ts";
import { assertFits } from "../cli/fits.ts";
import { requestsOf } from "../cli/requests.ts";

const main = new URL("../../examples/frozen_lake/main.ts", import.meta.url).href;
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
const lock = fileURLToPath(new URL("../../deno.lock", import.meta.url));

/** Runs the command with the permissions of its task. */
async function frozenLake(...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--config", config, `--lock=${lock}`, "--frozen"],
      ...["--allow-read", "--allow-write", main, ...args],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const short = ["--steps", "12", "--seeds", "2", "--width", "8", "--sweep-seeds", "0"] as const;

/** A short run into a folder of its own. */
async function shortRun(...args: readonly string[]) {
  const out = await Deno.makeTempDir();
  try {
    const result = await frozenLake(...short, "--out", out, ...args);
    assertEquals(result.code, 0, result.stderr);
    const report = await Deno.readTextFile(`${out}/report.html`);
    return { ...result, stdout: result.stdout.replace(out, "OUT"), report };
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

Deno.test("the same seed gives the same table and the same report, to the bit", async () => {
  const [first, again, other] = await Promise.all([
    shortRun(),
    shortRun(),
    shortRun("--seed", "5", "--map", "4x4", "--slippery", "--show", "ppo"),
  ]);
  assertEquals(first.stdout, again.stdout);
  assertEquals(first.report, again.report);
  assert(first.stdout !== other.stdout);
  assertStringIncludes(first.stdout, "trajectories of 8 and 10 moves");
  assertStringIncludes(first.stdout, "DPO comes nearer to the optimal policy than IFT");
  assertStringIncludes(first.stdout, "IFT, seed 0, at its best");
  assertStringIncludes(first.stdout, "report: OUT/report.html");
  for (const { stdout } of [first, other]) assertFits(stdout);
  assertStringIncludes(other.stdout, "4x4 map, slippery");
  assertStringIncludes(other.stdout, "PPO, seed 5");
  assert(/^step (\d+)\/\1 /m.test(first.stderr), "the last step is told");
  assertEquals(requestsOf(first.report), []);
  await checkSlider(first.report);
});

Deno.test("a report takes the place of nothing but an unchanged report", async () => {
  const out = await Deno.makeTempDir();
  try {
    for (const name of ["report.html", "distance.svg"]) {
      await Deno.writeTextFile(`${out}/${name}`, "mine");
      const { code, stderr } = await frozenLake(...short, "--out", out);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `error: ${out}/${name} already exists`);
      assertEquals(stderr.trimEnd().split("\n").length, 1);
      assertEquals([...Deno.readDirSync(out)].map((entry) => entry.name), [name]);
      assertEquals(await Deno.readTextFile(`${out}/${name}`), "mine");
      await Deno.remove(`${out}/${name}`);
    }
    for (let time = 0; time < 2; time++) {
      assertEquals((await frozenLake(...short, "--out", out)).code, 0);
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});

const browser = await findBrowser();
if (browser === undefined) console.warn("the slider is not tried: there is no Chromium to run");

/** Moves the report's slider to the start in a browser, and looks whether the drawings follow. */
async function checkSlider(report: string): Promise<void> {
  if (browser === undefined) return;
  const folder = await Deno.makeTempDir();
  try {
    const probe = `<script>
      const arrows = () => [...document.querySelectorAll("figure[data-method=SFT] .move")]
        .map((arrow) => arrow.getAttribute("opacity")).join();
      const seen = { last: arrows(), lastStep: label.textContent, hidden: control.hidden };
      slider.value = 0;
      slider.dispatchEvent(new Event("input"));
      document.title = JSON.stringify({ ...seen, first: arrows(), firstStep: label.textContent });
    </script></body>`;
    await Deno.writeTextFile(`${folder}/report.html`, report.replace("</body>", probe));
    const { stdout } = await new Deno.Command(browser, {
      args: [
        ...[...quietly, "--disable-gpu", "--dump-dom", `--user-data-dir=${folder}/profile`],
        pathToFileURL(`${folder}/report.html`).href,
      ],
      stderr: "null",
    }).output();
    const [, title = "{}"] = new TextDecoder().decode(stdout).match(/<title>(\{.*?\})<\/title>/) ??
      [];
    const { first, last, firstStep, lastStep, hidden } = JSON.parse(title);
    assertEquals([firstStep, lastStep, hidden], ["step 0", "step 12", false]);
    assertEquals(String(first).split(",").length, 17 * 4);
    assert(first !== last, "the arrows do not follow the slider");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("mistakes end with one message, and write nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/bad.txt`, "SFX\nFFG\n");
    await Deno.writeTextFile(`${folder}/line.txt`, "SFFG\n");
    const cases: readonly (readonly [args: readonly string[], message: string])[] = [
      [["--map", "papr"], "did you mean paper?"],
      [["--map", `${folder}/none.txt`], "none.txt"],
      [["--map", `${folder}/bad.txt`], `"X" is no cell`],
      [["--map", `${folder}/line.txt`], "nothing to reject"],
      [["--show", "DPP"], "did you mean DPO?"],
      [["--seeds", "1"], "--seeds"],
      [["--out", `${folder}/bad.txt/out`], "can't make"],
      [["--sweep-seeds", "1"], "at least 2"],
    ];
    await Promise.all(cases.map(async ([args, message]) => {
      const out = `${folder}/out`;
      const { code, stdout, stderr } = await frozenLake("--out", out, ...args);
      assert(code !== 0, message);
      assertEquals(stdout, "");
      assertStringIncludes(stderr, message);
      assert(!stderr.includes("    at "), stderr);
    }));
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "bad.txt",
      "line.txt",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
