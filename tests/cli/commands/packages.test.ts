/** What the first commands load: nothing from anywhere. */
import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);

async function deno(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out ?? "", err: err ?? "" };
}

/** A module of `deno info --json`. */
interface Module {
  readonly specifier: string;
}

for (const command of ["train", "sample", "objectives", "download"]) {
  Deno.test(`${command} imports no package, neither for plots nor for tests`, async () => {
    const { code, out, err } = await deno(["info", "--json", `cli/commands/${command}.ts`]);
    assertEquals(code, 0, err);
    const graph: { modules: readonly Module[]; npmPackages: object } = JSON.parse(out);
    assert(graph.modules.some(({ specifier }) => specifier.endsWith("/core/tensor.ts")));
    assertEquals(graph.modules.filter(({ specifier }) => !/^(?:file|node):/.test(specifier)), []);
    assertEquals(graph.npmPackages, {});
  });
}

Deno.test("the first command of a fresh clone fetches nothing", async () => {
  const cache = await Deno.makeTempDir();
  try {
    // No registry answers there; and `deno task` fetches, before it runs a task, all packages that
    // its configuration and lock file name.
    const nowhere = { DENO_DIR: cache, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/" };
    const { code, out, err } = await deno(["task", "objectives", "dpo"], nowhere);
    assertEquals(code, 0, err);
    assert(out.startsWith("dpo\n"), out);
    assert(!/Download/.test(err), err);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
