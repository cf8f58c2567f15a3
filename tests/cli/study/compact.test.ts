/** The one file of a study's results: its lines, and what is refused of it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import { openCompact } from "../../../cli/study/compact.ts";
import { inFolder } from "../command.ts";

const cost = { examples: 1, forwardTokens: 2, backwardTokens: 3 };
const trial = (seed: number) => ({
  ...{ arm: "sft", point: "p", seed },
  stages: [{ objective: "sft", steps: 3 }],
});
const result = (seed: number) => ({
  ...{ arm: "sft", point: "p", seed, run: `runs/sft/p/seed-${seed}` },
  ...{ measures: { exact_match: 0.5 }, cost, weights: "w" },
});
const study = { study: "tiny", plan: "d", commit: "c" };

inFolder(
  "a trial stands in the file once it was added, with its times in tenths",
  async (folder) => {
    const path = `${folder}/results.json`;
    const compact = await openCompact({ ...study, path });
    assertEquals(compact.get(trial(1)), undefined);
    await compact.add(trial(1), result(1), { seconds: 1.26, processorSeconds: 0.94 });
    const [found] = (await openCompact({ ...study, path })).all();
    assertEquals([found?.seconds, found?.processorSeconds, found?.commit], [1.3, 0.9, "c"]);
    // Of several at once, none is lost.
    await Promise.all([
      compact.add(trial(2), result(2), { seconds: 0 }),
      compact.add(trial(0), result(0), { seconds: 2 }),
    ]);
    const again = await openCompact({ ...study, path, commit: undefined });
    assertEquals(again.all().map(({ seed, processorSeconds }) => [seed, processorSeconds]), [
      ...[[0, undefined], [1, 0.9], [2, undefined]],
    ]);
    assertEquals(again.get(trial(2)), result(2));
    await again.add(trial(2), result(2), { seconds: 5 });
    assertEquals((await openCompact({ ...study, path })).all().at(-1)?.commit, "");
    assertEquals((await Deno.readTextFile(path)).split("\n").length, 6);
  },
);

inFolder("a file with a part that was changed is refused", async (folder) => {
  const path = `${folder}/results.json`;
  const opened = () => openCompact({ ...study, path });
  await (await opened()).add(trial(1), result(1), { seconds: 1, processorSeconds: 1 });
  const whole = JSON.parse(await Deno.readTextFile(path));
  const [own] = whole.trials;
  const refused = async (value: unknown, message: string) => {
    await Deno.writeTextFile(path, JSON.stringify(value));
    await assertRejects(opened, UserError, message);
  };
  for (const name of Object.keys(own)) {
    // The digest of the weights is looked at by nobody.
    if (name === "weights") continue;
    const trials = [own, { ...own, [name]: [1] }];
    await refused({ ...whole, trials }, "holds a trial without its result");
  }
  await refused({ ...whole, trials: [null] }, "holds a trial without its result");
  for (const odd of [null, [], { ...whole, study: 1 }, { ...whole, trials: {} }]) {
    await refused(odd, "does not hold the results of a study");
  }
  await Deno.writeTextFile(path, JSON.stringify(whole));
  assert((await opened()).get(trial(1)) !== undefined);
});
