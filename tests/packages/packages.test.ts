/**
 * The packages as npm has them: JavaScript and declarations in a folder `node_modules`. The README's
 * example runs with them in Node and in a page.
 */
import { assert, assertAlmostEquals, assertMatch } from "@std/assert";
import ts from "npm:typescript@6";
import { findBrowser } from "../browser.ts";
import { findNode } from "../node.ts";
import { openPage } from "../webgpu/page.ts";
import { exampleOfReadme, packages, packInto, run } from "./packed.ts";

/** A project with the packages and the README's example, as somebody has it who installs them. */
async function project(folder: string): Promise<void> {
  const archives = await packInto(folder);
  for (const [i, name] of packages.entries()) {
    const place = `${folder}/node_modules/@unitune/${name}`;
    await Deno.mkdir(place, { recursive: true });
    await run("tar", ["-xzf", archives[i] ?? "", "-C", place, "--strip-components=1"], folder);
  }
  const { outputText } = ts.transpileModule(await exampleOfReadme(), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  await Deno.writeTextFile(`${folder}/package.json`, '{ "type": "module" }');
  await Deno.writeTextFile(`${folder}/example.js`, outputText);
}

Deno.test("the README's example runs with the packages as npm has them, in Node and in a page", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await project(folder);
    const names = await Array.fromAsync(
      Deno.readDir(`${folder}/node_modules/@unitune/core`),
      ({ name }) => name,
    );
    assert(names.includes("mod.js") && names.includes("mod.d.ts"));

    const version = await findNode();
    assert(version !== undefined, "there is no Node");
    await Deno.writeTextFile(
      `${folder}/main.js`,
      'import { told } from "./example.js"; console.log(told);',
    );
    const inNode = await run("node", ["main.js"], folder);
    assertMatch(inNode, /^\d\.\d+/);

    const browser = await findBrowser();
    assert(browser !== undefined, "there is no Chromium");
    await Deno.writeTextFile(
      `${folder}/page.js`,
      'import { told } from "./example.js"; fetch("/report", { method: "POST", body: told });',
    );
    const bundle = ["bundle", "--no-lock", "--platform", "browser", "page.js"];
    const script = await run(Deno.execPath(), bundle, folder);
    // Products are fused where an engine has relaxed SIMD, and rounded twice where it has not.
    assertAlmostEquals(await openPage<number>(browser, { script }), Number(inNode), 1e-5);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
