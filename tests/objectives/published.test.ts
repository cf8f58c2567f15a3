/** The package as others get it: only the files that would be published. */
import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";

const root = new URL("../../", import.meta.url);
const packages = ["core", "autodiff", "objectives"];

/** Someone's first program, with a policy of their own. */
const program = `
import { compile, gather, key, tensor, zeros, type Tensor } from "@unitune/core";
import { sgd } from "@unitune/autodiff";
import { dpo, ift, objective, initTrainingState, trainingStep } from "@unitune/objectives";
import { estimate, gold, indicator, nll, policyOfLogits } from "@unitune/objectives";

const policy = policyOfLogits<{ table: Tensor }>({
  embed: ({ table }, ids) => gather(table, ids),
  logits: (_, embeddings) => embeddings,
});
const batch = { ids: tensor([[0, 1, 0]], { dtype: "i32" }), mask: tensor([[0, 1, 1]]) };
const optimizer = sgd(1);
for (const method of [ift(), objective(estimate(gold, indicator), nll())]) {
  const step = compile(trainingStep({ policy, objective: method, optimizer }));
  const state = initTrainingState({ table: zeros([2, 2]) }, optimizer, key(0));
  console.log((await step(state, batch).metrics.loss?.item())?.toFixed(4));
}
console.log(dpo().description.stepZero?.toFixed(4));
`;

async function deno(cwd: URL | string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd }).output();
  const [out, err] = [stdout, stderr].map((bytes) => {
    return stripVTControlCharacters(new TextDecoder().decode(bytes));
  });
  assertEquals(code, 0, err);
  return `${out}${err}`;
}

Deno.test("dpo, ift and objective are there for a project that has the published files only", async () => {
  const scratch = await Deno.makeTempDir();
  try {
    for (const name of packages) {
      const folder = new URL(`${name}/`, root);
      const listing = await deno(folder, "publish", "--dry-run", "--allow-dirty", "--no-check");
      const files = [...listing.matchAll(/^ +(file:\S+) \(/gm)].map(([, file = ""]) =>
        new URL(file)
      );
      assert(files.some(({ pathname }) => pathname.endsWith(`/${name}/mod.ts`)), listing);
      for (const file of files) {
        const target = `${scratch}/${name}/${file.href.slice(folder.href.length)}`;
        await Deno.mkdir(dirname(target), { recursive: true });
        await Deno.copyFile(file, target);
      }
    }
    await Deno.writeTextFile(
      `${scratch}/deno.json`,
      JSON.stringify({ workspace: packages.map((name) => `./${name}`), lock: false }),
    );
    await Deno.writeTextFile(`${scratch}/main.ts`, program);
    await deno(scratch, "check", "main.ts");
    const ln2 = Math.LN2.toFixed(4);
    assertEquals(await deno(scratch, "run", "--quiet", "main.ts"), `${ln2}\n`.repeat(3));
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});
