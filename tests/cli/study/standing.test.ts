/** A study that is under way, by the files that its trials have left so far. */
import { assertEquals } from "@std/assert";
import { runPaths } from "../../../cli/run/run_paths.ts";
import { readUnfinished } from "../../../cli/study/standing.ts";
import { placesOf } from "../../../cli/study/trial.ts";
import { inFolder, writeRows } from "../command.ts";
import { run, study } from "../report/records.ts";

const { plan, results: { results } } = study;
const [low, high] = ["learningRate-0.001", "learningRate-0.003"] as const;

/** Writes the plan of a study with two points of one arm, and returns what adds trials. */
async function begunStudy(folder: string) {
  const arms = plan.arms.filter(({ name }) => name === "sft");
  const own = {
    ...plan,
    ...{ arms, helpers: [], seeds: 3, selectionSeeds: 2 },
    rates: [1e-3, 3e-3],
  };
  await Deno.writeTextFile(`${folder}/study.json`, JSON.stringify(own));
  const begin = async (point: string, seed: number, files: readonly ("metrics" | "samples")[]) => {
    const paths = runPaths(`${folder}/${placesOf({ arm: "sft", point, seed }).run}`);
    await Deno.mkdir(paths.config.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(paths.config, JSON.stringify(run.config));
    for (const name of files) await writeRows(paths[name], [{ step: 7, loss: 1 }]);
  };
  const measure = async (point: string, seed: number, match: number) => {
    const [like] = results;
    const { measures: place, file } = placesOf({ arm: "sft", point, seed });
    await Deno.mkdir(`${folder}/${place}`, { recursive: true });
    await writeRows(`${folder}/${place}/${file}.json`, [
      { ...like, arm: "sft", point, seed, measures: { "validation/exact_match": match } },
    ]);
  };
  return { begin, measure };
}

inFolder("a trial is under way once both of its files of lines are there", async (folder) => {
  const { begin, measure } = await begunStudy(folder);
  await begin(low, 0, []);
  await begin(low, 1, ["metrics"]);
  await begin(low, 2, ["samples"]);
  await begin(high, 0, ["metrics", "samples"]);
  await begin(high, 1, ["metrics", "samples"]);
  await measure(high, 1, 0.5);
  const { standing, command } = await readUnfinished(folder);
  assertEquals(standing, {
    // Three checkpoints, two points on two seeds, and the better one on the third.
    ...{ measured: 1, most: 8 },
    begun: [{ arm: "sft", point: high, seed: 0, step: 7, steps: 37 }],
  });
  assertEquals(command, "deno task compare");
});

inFolder("the best point so far is among those with all seeds that choose", async (folder) => {
  const { measure } = await begunStudy(folder);
  const chosen = async () => (await readUnfinished(folder)).results.chosen;
  assertEquals(await chosen(), {});
  await measure(high, 0, 1);
  await measure(low, 0, 0.25);
  assertEquals(await chosen(), {});
  await measure(low, 1, 0.5);
  // A seed that does not choose stands for none that does.
  await measure(high, 2, 1);
  assertEquals(await chosen(), { sft: low });
  await measure(high, 1, 0);
  assertEquals(await chosen(), { sft: high });
});
