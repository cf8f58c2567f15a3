/** The record of a checkpoint: all of its parts are looked at, even where its own digest is right. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import {
  checkpointAt,
  DamagedCheckpointError,
  latestCheckpoint,
  offeringOlder,
} from "../../../cli/run/checkpoints.ts";
import { standIns } from "../../stand_ins.ts";
import { reseal, saveFirst } from "../checkpoints.ts";
import { inFolder } from "../command.ts";

const necessary = ["tokenizer.json", "tokenizer_config.json", "training.safetensors"];

/** Saves a checkpoint whose files hold nothing. */
function saved(folder: string, names: readonly string[] = necessary) {
  const all = [...names, "config.json", "model.safetensors"];
  return saveFirst(folder, Object.fromEntries(all.map((name) => [name, new Uint8Array([1])])));
}

inFolder("a record with a part that is missing or of another kind is refused", async (folder) => {
  const checkpoint = await saved(folder);
  assertEquals((await latestCheckpoint(folder))?.position, checkpoint.position);
  const record = JSON.parse(await Deno.readTextFile(`${checkpoint.path}/run.json`));
  const counts = ["step", "metricsLength", "samplesLength"];
  const costs = ["examples", "forwardTokens", "backwardTokens"];
  const without = (name: string) => {
    const { [name]: _, ...files } = record.files;
    return { files };
  };
  const changes: readonly object[] = [
    ...counts.flatMap((name) => [-1, 0.5, "1", null].map((value) => ({ [name]: value }))),
    ...costs.flatMap((name) =>
      [-1, 0.5, "1"].map((value) => ({ cost: { ...record.cost, [name]: value } }))
    ),
    ...["metricsDigest", "samplesDigest"].map((name) => ({ [name]: 1 })),
    ...["cost", "config", "files"].map((name) => ({ [name]: [] })),
    ...[...necessary, "config.json", "model.safetensors"].map(without),
    { files: { ...record.files, "config.json": 1 } },
  ];
  for (const change of changes) {
    await reseal(checkpoint.path, change);
    await assertRejects(
      () => latestCheckpoint(folder),
      DamagedCheckpointError,
      "run.json is damaged: it is not as it was saved",
      JSON.stringify(change),
    );
    await Deno.writeTextFile(`${checkpoint.path}/run.json`, `${JSON.stringify(record)}\n`);
  }
  await reseal(checkpoint.path, { step: 2 });
  await assertRejects(
    () => latestCheckpoint(folder),
    DamagedCheckpointError,
    "holds the checkpoint of step 2: it was renamed",
  );
  await assertRejects(() => checkpointAt(folder, 2), Error, "no checkpoint of step 2: it has 1");
  assertEquals(await latestCheckpoint(`${folder}/none`), undefined);
});

inFolder("of damage, the latest whole checkpoint is offered; a defect is one", async (folder) => {
  const checkpoint = `${folder}/checkpoints/step-000001`;
  await Deno.mkdir(checkpoint, { recursive: true });
  const damage = new DamagedCheckpointError("it is damaged");
  const offer = () => offeringOlder(folder, () => Promise.reject(damage));
  const { message, cause } = await assertRejects(offer, UserError);
  assertEquals(
    [message, cause],
    [
      "it is damaged. Restore it from a copy, or start a new run: no checkpoint of this one is whole",
      damage,
    ],
  );
  const other = new UserError("another");
  assertEquals(
    await assertRejects(() => offeringOlder(folder, () => Promise.reject(other)), UserError),
    other,
  );
  assertEquals(await offeringOlder(folder, () => Promise.resolve(3)), 3);
  const { stat } = Deno;
  using _ = standIns(Deno, {
    stat: (path: string) =>
      path.startsWith(`${checkpoint}/`) ? Promise.reject(new TypeError("a defect")) : stat(path),
  });
  await assertRejects(offer, TypeError, "a defect");
});
