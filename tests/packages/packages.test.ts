/**
 * The packages as npm has them: JavaScript and declarations in a folder `node_modules`. The README's
 * example runs with them in Node and in a page.
 */
import { assert, assertAlmostEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import ts from "npm:typescript@6";
import { findBrowser } from "../browser.ts";
import { findNode } from "../node.ts";
import { openPage } from "../webgpu/page.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** All packages that run in a page. */
const packages = ["core", "autodiff", "models", "objectives", "training"] as const;

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd })
    .output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(success, err);
  return out ?? "";
}

/** A project with the packages and the README's example, as somebody has it who installs them. */
async function project(folder: string): Promise<void> {
  for (const name of packages) {
    const archive = `${folder}/${name}.tgz`;
    const pack = ["pack", "--allow-dirty", "--no-source-maps", "--output", archive];
    await run(Deno.execPath(), pack, `${root}/${name}`);
    const place = `${folder}/node_modules/@unitune/${name}`;
    await Deno.mkdir(place, { recursive: true });
    await run("tar", ["-xzf", archive, "-C", place, "--strip-components=1"], folder);
  }
  const readme = await Deno.readTextFile(`${root}/README.md`);
  const example = /```ts\n([^]*?)```/.exec(readme)?.[1];
  assert(example !== undefined);
  const { outputText } = ts.transpileModule(
    example.replace(
      'import { assert } from "@std/assert";',
      "const assert = (fact: boolean) => { if (!fact) throw new Error('no'); };",
    ),
    { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } },
  );
  await Deno.writeTextFile(`${folder}/package.json`, '{ "type": "module" }');
  await Deno.writeTextFile(
    `${folder}/example.js`,
    `${outputText}\nexport const told = losses.at(-1);\n`,
  );
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
