/** A study whose trials nobody trains: what is shown of them, and which point goes on. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { silentProgress } from "@unitune/cli";
import { noCost } from "@unitune/training";
import { BASE } from "../../../cli/study/arms.ts";
import type { StudyPlan } from "../../../cli/study/plan.ts";
import { carryOutStudy } from "../../../cli/study/study.ts";
import { placesOf, type Trial } from "../../../cli/study/trial.ts";
import type { HandMaker } from "../../../cli/study/workers.ts";
import { inFolder } from "../command.ts";

const plan: StudyPlan = {
  ...{ seeds: 3, selectionSeeds: 2, rates: [1, 2], isWholeGrid: true, samples: 1 },
  ...{ helpers: [], base: {}, shared: {} },
  arms: ["sft", "dft"].map((name) => ({ name, about: "", settings: { objective: name } })),
};

/** A hand that gives each trial at once the exact match that a function says. */
const handOf = (match: (trial: Trial) => number, freed: string[] = []): HandMaker => () => ({
  work: ({ trial }) =>
    Promise.resolve({
      kind: "done",
      time: { seconds: 1 },
      result: {
        ...{ arm: trial.arm, point: trial.point, seed: trial.seed, run: placesOf(trial).run },
        ...{ measures: { "validation/exact_match": match(trial) }, cost: noCost, weights: "" },
      },
    }),
  [Symbol.dispose]: () => freed.push("free"),
});

/** Carries the study out by some hands, and notes what is shown. */
async function carriedOut(folder: string, hands: readonly HandMaker[]) {
  const [phases, steps]: [string[], number[]] = [[], []];
  const results = await carryOutStudy({
    ...{ folder, plan, hands, device: "wasm", signal: new AbortController().signal },
    progress: {
      ...silentProgress,
      phase: (name) => void phases.push(name),
      update: (step) => void steps.push(step),
    },
  });
  return { phases, steps, results };
}

inFolder("the best point on the seeds that choose goes on to the others", async (folder) => {
  const freed: string[] = [];
  const better = ({ arm, point }: Trial) => Number((arm === "sft") === point.includes("1"));
  const { phases, steps, results } = await carriedOut(folder, [handOf(better, freed)]);
  assertEquals(results?.chosen, { sft: "learningRate-1", dft: "learningRate-2" });
  const seedsOf = (arm: string) =>
    Object.fromEntries([
      ...Map.groupBy(
        results?.results.filter((result) => result.arm === arm) ?? [],
        ({ point }) => point,
      ),
    ].map(([point, own]) => [point, own.map(({ seed }) => seed)]));
  assertEquals([BASE, "sft", "dft"].map(seedsOf), [
    { "": [0, 1, 2] },
    { "learningRate-1": [0, 1, 2], "learningRate-2": [0, 1] },
    { "learningRate-1": [0, 1], "learningRate-2": [0, 1, 2] },
  ]);
  assertEquals(steps, Array.from({ length: 13 }, (_, i) => i + 1));
  // One trial at a time, and none between two of them.
  for (const [i, phase] of phases.entries()) {
    assertMatch(phase, i % 2 === 0 ? /^(base|sft|dft), seed [0-2]$/ : /^waiting$/);
  }
  assertEquals(freed, ["free"]);
});

inFolder("an arm with fewer seeds has the first ones", async (folder) => {
  const arms = plan.arms.map((arm) => arm.name === "dft" ? { ...arm, seeds: 2 } : arm);
  const results = await carryOutStudy({
    ...{ folder, plan: { ...plan, rates: [1], arms } },
    ...{ hands: [handOf(() => 0)], device: "wasm", signal: new AbortController().signal },
    progress: silentProgress,
  });
  const seedsOf = (name: string) =>
    results?.results.flatMap(({ arm, seed }) => arm === name ? [seed] : []);
  assertEquals(["base", "sft", "dft"].map(seedsOf), [[0, 1, 2], [0, 1, 2], [0, 1]]);
});

inFolder("trials that run beside the first are counted", async (folder) => {
  // Nobody is done before three are at work.
  const { promise: areBegun, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const patient: HandMaker = (signal) => {
    const hand = handOf(() => 0)(signal);
    return {
      ...hand,
      work: async (order) => {
        begun += 1;
        if (begun === 3) resolve();
        await areBegun;
        return await hand.work(order);
      },
    };
  };
  const { phases } = await carriedOut(folder, [patient, patient, patient]);
  const told = phases.slice(0, 3).map((phase) => phase.replace(/seed \d/, "seed N"));
  assertEquals(told, ["", ", and 1 more", ", and 2 more"].map((more) => `base, seed N${more}`));
  assertEquals(phases.at(-1), "waiting");
});

inFolder("a trial that fails ends the study, with its error", async (folder) => {
  const failing: HandMaker = () => ({
    work: () =>
      Promise.resolve({ kind: "failed", isUserError: true, message: "no rows", stack: undefined }),
    [Symbol.dispose]: () => {},
  });
  await assertRejects(() => carriedOut(folder, [failing]), Error, "no rows");
});
