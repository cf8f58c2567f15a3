/** Folders of runs: what is made, refused, held and left, by one process and by several. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { collectivesInMemory, UserError } from "@unitune/training";
import { claimFolder, holdFolder } from "../../../cli/files/claims.ts";
import type { RunConfig } from "../../../cli/run/run_config.ts";
import { createRun, holdRun, startRun } from "../../../cli/run/run_folder.ts";
import { holdFor, startFor } from "../../../cli/run/shared_folder.ts";
import { standIns } from "../../stand_ins.ts";
import { inFolder } from "../command.ts";

const config: RunConfig = {
  settings: { objective: "sft", steps: 3 },
  model: { modelType: "gpt2", vocabulary: 5, context: 4, layers: 1, width: 8 },
  data: { kind: "conversations", digest: "d" },
};

const namesIn = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
const messageOf = async (act: () => Promise<unknown>) =>
  (await assertRejects(act, UserError)).message;
const taken = (folder: string) =>
  `another process is training in ${folder}: wait for it, or stop it first`;

inFolder("a claim is one process's, and takes back what it has made", async (folder) => {
  const use = { what: "run", names: ["a", "b"], others: ["c"] };
  const deep = `${folder}/deep/er`;
  {
    using claim = await claimFolder(deep, use);
    assertEquals(claim.folder, deep);
    assertEquals(await messageOf(() => claimFolder(deep, use)), taken(deep));
    assertEquals(await messageOf(() => holdFolder(deep)), taken(deep));
    await Deno.mkdir(`${deep}/a/inner`, { recursive: true });
    await claim.discard();
  }
  assertEquals(namesIn(folder), []);
  // A folder that was there stays, with what is not the claim's.
  await Deno.mkdir(deep, { recursive: true });
  await Deno.writeTextFile(`${deep}/mine`, "");
  {
    using claim = await claimFolder(deep, use);
    await Deno.writeTextFile(`${deep}/b`, "");
    await claim.discard();
  }
  assertEquals(namesIn(deep), ["mine"]);
  await Deno.writeTextFile(`${deep}/c`, "");
  await Deno.writeTextFile(`${deep}/a`, "");
  const general =
    `${deep} holds a, c, and no run: existing files are never overwritten; choose another --out`;
  assertEquals(await messageOf(() => claimFolder(deep, use)), general);
  const own = new UserError("its own");
  const asked: string[] = [];
  const refusal = (name: string) => {
    asked.push(name);
    return Promise.resolve(asked.length === 1 ? own : undefined);
  };
  assertEquals(await messageOf(() => claimFolder(deep, use, refusal)), "its own");
  assertEquals(await messageOf(() => claimFolder(deep, use, refusal)), general);
  assertEquals([asked, namesIn(deep)], [["a", "a"], ["a", "c", "mine"]]);
  // A lock that is left is no content, and half-written files beside it go away.
  await Deno.remove(`${deep}/a`);
  await Deno.remove(`${deep}/c`);
  (await claimFolder(deep, use))[Symbol.dispose]();
  await Deno.writeTextFile(`${deep}/a.01234567.partial`, "");
  await Deno.writeTextFile(`${deep}/z.01234567.partial`, "");
  {
    using held = await holdFolder(deep);
    assertEquals(held.folder, deep);
    await held.discard();
  }
  using claim = await claimFolder(deep, use);
  assertEquals(namesIn(deep).filter((name) => name.endsWith(".partial")), ["z.01234567.partial"]);
  assertEquals(claim.folder, deep);
});

inFolder("a run is started once, held by one, and discarded whole", async (folder) => {
  const path = `${folder}/run`;
  {
    using run = await startRun(path, "", config);
    assertEquals([run.folder, run.config, run.saved], [path, config, undefined]);
    assertEquals(
      await Deno.readTextFile(`${path}/config.json`),
      `${JSON.stringify(config, null, 2)}\n`,
    );
    assertEquals(await messageOf(() => holdRun(path)), taken(path));
  }
  assertEquals(
    await messageOf(() => startRun(path, "", config)),
    `${path} holds a run already: choose another --out, or go on with it by\n` +
      `  deno task train --resume ${path}`,
  );
  {
    using run = await holdRun(path);
    assertEquals([run.folder, run.config, run.saved], [path, config, undefined]);
    assertEquals(await messageOf(() => holdRun(path)), taken(path));
  }
  assertEquals(
    await messageOf(() => holdRun(path, 3)),
    `${path} has no checkpoint of step 3: it has none`,
  );
  // It is free after a refusal.
  await Deno.writeTextFile(`${path}/metrics.jsonl`, '{"step":0}\n');
  (await holdRun(path))[Symbol.dispose]();
  await Deno.writeTextFile(`${path}/metrics.jsonl`, '{"step":0}\n{"step":2}\n{"step":0}\n');
  assertEquals(
    await messageOf(() => holdRun(path)),
    `${path} has come to step 2, and its checkpoints are gone: restore ${path}/checkpoints from ` +
      `a copy, or start a new run with the same settings by\n` +
      `  deno task train --config ${path}/config.json`,
  );
  await Deno.remove(`${path}/metrics.jsonl`);
  (await holdRun(path))[Symbol.dispose]();
  {
    using run = await startRun(`${folder}/other`, "", config);
    await run.discard();
  }
  assertEquals(namesIn(folder), ["run"]);
  // A configuration that cannot be written leaves nothing.
  const { rename } = Deno;
  {
    using _ = standIns(Deno, {
      rename: (from: string, to: string) =>
        to.endsWith("config.json")
          ? Promise.reject(new Deno.errors.PermissionDenied("no (os error 13)"))
          : rename(from, to),
    });
    assert(
      (await messageOf(() => createRun(`${folder}/none`, "", config))).startsWith("can't write"),
    );
  }
  assertEquals(namesIn(folder), ["run"]);
  assertEquals(await createRun(`${folder}/none`, "", config), `${folder}/none`);
});

inFolder(
  "of several processes the first has the folder, and the others know it",
  async (folder) => {
    const path = `${folder}/run`;
    const all = <T>(
      act: (collective: ReturnType<typeof collectivesInMemory>[number]) => Promise<T>,
    ) => Promise.all(collectivesInMemory(3).map(act));
    const started = await all((collective) => startFor(collective, path, "", config));
    for (const { folder, config: own, saved } of started) {
      assertEquals([folder, own, saved], [path, config, undefined]);
    }
    // Those of the others hold nothing.
    const [first, ...others] = started;
    for (const other of others) {
      await other.discard();
      other[Symbol.dispose]();
    }
    assertEquals(await messageOf(() => holdRun(path)), taken(path));
    first?.[Symbol.dispose]();
    const held = await all((collective) => holdFor(collective, path));
    for (const { folder, config: own, saved } of held) {
      assertEquals([folder, own, saved], [path, config, undefined]);
    }
    for (const own of held) own[Symbol.dispose]();
    // What is wrong is told to all of them.
    const failed = await all((collective) =>
      startFor(collective, path, "", config).then(() => "", (error: Error) => error.name)
    );
    assertEquals(new Set(failed).size, 1);
    assert(failed[0] !== "");
  },
);
