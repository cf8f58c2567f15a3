/**
 * A project of `npm create vite` with all packages that run in a page, installed by npm: its build
 * checks types by the project's own TypeScript. The README's example and the training of
 * `examples/page` run in Node 22 and in the built page, with the same losses.
 */
import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { findBrowser } from "../browser.ts";
import { openPage } from "../webgpu/page.ts";
import { exampleOfReadme, packInto, run } from "./packed.ts";

/** What both say: the last loss of the README's example, and that of the training. */
type Told = readonly [example: number, training: number];

const said = `import { wasm } from "@unitune/core";
import { train } from "@unitune/training";
import { told } from "./example.ts";
import { planTask } from "./training.ts";

let last = NaN;
for await (const event of train(await planTask(wasm()))) {
  if (event.kind === "metrics") last = event.metrics.loss ?? NaN;
}
export const losses = [told, last];
`;

const sources: Readonly<Record<string, string>> = {
  "losses.ts": said,
  "main.ts": `import { losses } from "./losses.ts";
void fetch("/report", { method: "POST", body: JSON.stringify(losses) });
`,
  "node.ts": `import { losses } from "./losses.ts";
console.log(JSON.stringify(losses));
`,
};

/** The only file in a folder with an ending. */
async function fileIn(folder: string, ending: string): Promise<string> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const own = names.filter((name) => name.endsWith(ending));
  assertEquals(own.length, 1, `${folder}: ${names.join(", ")}`);
  return await Deno.readTextFile(`${folder}/${own[0]}`);
}

Deno.test("a project of npm create vite builds with the packages, and runs in Node 22 and in a page", async () => {
  const browser = await findBrowser();
  assert(browser !== undefined, "there is no Chromium");
  const folder = await Deno.makeTempDir();
  const app = `${folder}/app`;
  try {
    const archives = await packInto(folder);
    await run(
      "npm",
      ["create", "--yes", "vite@latest", "app", "--", "--template=vanilla-ts"],
      folder,
    );
    await run("npm", ["install", "--no-audit", "--no-fund", ...archives], app);
    for (const [name, text] of Object.entries(sources)) {
      await Deno.writeTextFile(`${app}/src/${name}`, text);
    }
    await Deno.writeTextFile(`${app}/src/example.ts`, await exampleOfReadme());
    await Deno.copyFile(
      new URL("../../examples/page/training.ts", import.meta.url),
      `${app}/src/training.ts`,
    );
    console.log(await run("npm", ["run", "build"], app));
    await run("npx", ["vite", "build", "--ssr", "src/node.ts", "--outDir", "inNode"], app);

    const node22 = ["--yes", "node@22"];
    assertMatch(await run("npx", [...node22, "--version"], app), /^v22\./);
    const inNode: Told = JSON.parse(await run("npx", [...node22, "inNode/node.js"], app));
    const inPage = await openPage<Told>(browser, {
      script: await fileIn(`${app}/dist/assets`, ".js"),
    });
    console.log("last losses in Node 22 and in the page:", inNode, inPage);
    assertEquals(inPage.length, 2);
    for (const [i, loss] of inPage.entries()) {
      // Sixty steps of f32 roundings, in sums that are shared out among other threads.
      assertAlmostEquals(loss, inNode[i] ?? NaN, 1e-3);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
