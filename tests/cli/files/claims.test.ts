/** What a user has is never written over, and one of two that want the same folder has it whole. */
import { dirname } from "node:path";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { claimFolder, holdFolder, LOCK } from "../../../cli/files/claims.ts";
import { isSealed, sealed } from "../../../cli/files/sealed.ts";
import fc from "fast-check";
import { UserError } from "@unitune/training";
import {
  assertRefused,
  assertSameFiles,
  compare,
  copyFolder,
  filesIn,
  inFolder,
  report,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";
import { raceOnce } from "../race.ts";
import { symbolicLink } from "../../symbolic_link.ts";

/** What a user may have in a folder, by a path in it. */
const belongings: readonly string[] = [
  ...["config.json", "metrics.jsonl", "samples.jsonl", "checkpoints", "checkpoints/notes.md"],
  ...["checkpoints/step-000006/model.safetensors", "lock", "study.json"],
];

/** Makes a file, and the folders that it is in. */
async function put(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, text);
}

inFolder("train leaves a folder alone that holds a run's names and is no run", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  for (const [i, name] of belongings.entries()) {
    const [out, before] = [`${folder}/out${i}`, `${folder}/before${i}`];
    await put(`${out}/${name}`, `{"a user's": true}\n`);
    await put(`${out}/more.txt`, "mine");
    await copyFolder(out, before);
    const result = await train("--data", data, ...tiny, "--out", out);
    assertRefused(result, 1, new RegExp(`${out}(/lock is not|.* holds )`));
    await assertSameFiles(out, before);
  }
});

inFolder(
  "a claim removes nothing of a user's that bears the name of a half-written file",
  async (folder) => {
    const use = { what: "run", names: ["samples.jsonl", "checkpoints"], others: [] };
    const theirs = [
      "samples.jsonl.partial",
      "samples.jsonl.0123abcd.partial",
      "checkpoints.partial/a",
    ];
    for (const name of theirs) await put(`${folder}/out/${name}`, "mine");
    await copyFolder(`${folder}/out`, `${folder}/before`);
    {
      using claim = await claimFolder(`${folder}/out`, use);
      await claim.discard();
    }
    await assertSameFiles(`${folder}/out`, `${folder}/before`);
    // Beside the lock of a process that was killed, what it has half-written is taken away.
    await put(`${folder}/out/lock`, "");
    using _claim = await claimFolder(`${folder}/out`, use);
    assertEquals(Object.keys(await filesIn(`${folder}/out`)).toSorted(), [
      "checkpoints.partial/a",
      "lock",
      "samples.jsonl.partial",
    ]);
  },
);

inFolder(
  "train leaves its own data alone, and links, and the run that it comes from",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const text = await Deno.readTextFile(data);
    for (const name of ["samples.jsonl", "metrics.jsonl", "checkpoints/rows.jsonl"]) {
      const own = `${folder}/of ${name.replace("/", " ")}/${name}`;
      await put(own, text);
      const out = own.slice(0, -name.length - 1);
      const result = await train("--data", own, ...tiny, "--out", out);
      assertRefused(result, 1, `${out} holds `);
      assertEquals(Object.keys(await filesIn(out)), [name]);
      assertEquals(await Deno.readTextFile(own), text);
    }
    // Under another name it stays where it is, beside the run.
    const beside = `${folder}/beside`;
    await put(`${beside}/rows.jsonl`, text);
    await trained("--data", `${beside}/rows.jsonl`, ...tiny, "--out", beside);
    assertEquals(await Deno.readTextFile(`${beside}/rows.jsonl`), text);

    const linked = `${folder}/linked`;
    await Deno.mkdir(linked);
    for (const target of [data, `${folder}/nowhere`]) {
      await symbolicLink(target, `${linked}/metrics.jsonl`);
      assertRefused(
        await train("--data", data, ...tiny, "--out", linked),
        1,
        "holds metrics.jsonl",
      );
      await Deno.remove(`${linked}/metrics.jsonl`);
    }
    assertEquals([await Deno.readTextFile(data), [...Deno.readDirSync(linked)]], [text, []]);

    const before = `${folder}/before`;
    await copyFolder(beside, before);
    const again = [...["--data", data, "--from", beside, "--steps", "2"], "--batch-size", "4"];
    for (const out of [beside, `${beside}/.`, `${beside}/checkpoints/step-000006`]) {
      assertRefused(await train(...again, "--out", out), 1, / holds (a run|config\.json)/);
    }
    await assertSameFiles(beside, before);
  },
);

inFolder(
  "a run without a checkpoint begins only files anew that a run has begun",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const whole = `${folder}/whole`;
    await trained("--data", data, ...tiny, "--out", whole);
    for (const name of ["metrics.jsonl", "samples.jsonl"]) {
      const run = `${folder}/${name}`;
      // Somebody else's folder, with the settings of a run to start from.
      await put(`${run}/config.json`, await Deno.readTextFile(`${whole}/config.json`));
      await Deno.copyFile(data, `${run}/${name}`);
      assertRefused(await train("--resume", run), 1, `${run}/${name} was not written by a run`);
      assertEquals(await Deno.readTextFile(`${run}/${name}`), await Deno.readTextFile(data));
      await Deno.remove(`${run}/${name}`);
      await trained("--resume", run);
      await assertSameFiles(run, whole);
    }
  },
);

inFolder("a page takes the place of nothing but an unchanged page", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  await trained("--data", data, ...tiny, "--out", run);
  const reported = (...args: string[]) => report("--run", run, ...args);
  const path = `${run}/report.html`;

  await Deno.writeTextFile(path, "<p>My own page.</p>\n");
  assertRefused(await reported(), 1, `${path} already exists`);
  assertEquals(await Deno.readTextFile(path), "<p>My own page.</p>\n");
  await Deno.remove(path);
  for (let time = 0; time < 2; time++) assertEquals((await reported()).code, 0);
  const page = await Deno.readTextFile(path);
  assert(isSealed(page));
  await Deno.writeTextFile(path, page.replace("</h1>", ", with a remark of mine</h1>"));
  assertRefused(await reported(), 1, "or was changed since");
  assertStringIncludes(await Deno.readTextFile(path), "with a remark of mine");

  for (const out of [data, `${run}/config.json`, `${run}/metrics.jsonl`, `${run}/checkpoints`]) {
    assertRefused(await reported("--out", out), 1, `${out} already exists`);
  }
  await trained("--resume", run);
});

inFolder("compare leaves a folder alone that holds a study's names and is none", async (folder) => {
  const names = ["study.json", "results.json", "study.md", "report.html", "runs/a", "measures/a"];
  for (const [i, name] of [...names, "config.json", "lock"].entries()) {
    const [out, before] = [`${folder}/out${i}`, `${folder}/before${i}`];
    await put(`${out}/${name}`, "mine");
    await copyFolder(out, before);
    const args = ["--quick", "--device", "wasm", "--out", out];
    assertRefused(await compare(...args), 1, out);
    await assertSameFiles(out, before);
  }
});

Deno.test("a text bears its own seal until it is changed anywhere", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(), fc.nat(7), (text, at, bit) => {
      const whole = sealed(text.toWellFormed());
      assert(isSealed(whole));
      assert(!isSealed(text) || text === whole);
      const bytes = new TextEncoder().encode(whole);
      const byte = at % bytes.length;
      bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit);
      assert(!isSealed(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)));
    }),
    { seed: 29, numRuns: 300 },
  );
});

/** Fails to open the lock of a folder some times, as where others remove the folder; counts the tries. */
function lockGone(
  times: number,
  error: () => Error,
): Disposable & { readonly tries: () => number } {
  const { open } = Deno;
  let tries = 0;
  Deno.open = async (path, options) => {
    if (String(path).endsWith(`/${LOCK}`)) {
      tries += 1;
      if (tries <= times) throw error();
    }
    return await open(path, options);
  };
  return { tries: () => tries, [Symbol.dispose]: () => Deno.open = open };
}

inFolder(
  "a folder that goes away while it is claimed is made again, five times",
  async (folder) => {
    const use = { what: "run", names: [], others: [] };
    const gone = () => new Deno.errors.NotFound("gone");
    {
      using others = lockGone(4, gone);
      using claim = await claimFolder(`${folder}/new`, use);
      assertEquals([others.tries(), claim.folder], [5, `${folder}/new`]);
      await claim.discard();
    }
    for (
      const [error, tries] of [[gone, 5], [() => new Deno.errors.PermissionDenied(), 1]] as const
    ) {
      using others = lockGone(9, error);
      await assertRejects(() => claimFolder(`${folder}/new`, use), UserError);
      assertEquals(others.tries(), tries);
    }
    // The folder of a run to resume is not made.
    await assertRejects(() => holdFolder(`${folder}/none`), UserError);
    assert(![...Deno.readDirSync(folder)].some(({ name }) => name === "none"));
  },
);

inFolder(
  "of many that claim a folder at once one has it, and the others nothing",
  async (folder) => {
    const use = { what: "run", names: ["config.json"], others: [] };
    for (let round = 0; round < 20; round++) {
      const path = `${folder}/a/b${round}`;
      const claims = await Promise.allSettled(
        Array.from({ length: 5 }, () => claimFolder(path, use)),
      );
      const [won, ...more] = claims.flatMap((claim) =>
        claim.status === "fulfilled" ? [claim.value] : []
      );
      assert(won !== undefined && more.length === 0, `${more.length + 1} have it`);
      await Deno.writeTextFile(`${path}/config.json`, "{}");
      await won.discard();
      won[Symbol.dispose]();
      // One that has lost may have made the lock.
      const left = Object.entries(await filesIn(folder));
      assert(left.every(([name, { length }]) => name.endsWith("/lock") && length === 0), `${left}`);
    }
  },
);

inFolder(
  "of two starts at one moment one wins whole, and the other leaves nothing",
  async (folder) => {
    for (let round = 0; round < 3; round++) await raceOnce(folder, round);
  },
);
