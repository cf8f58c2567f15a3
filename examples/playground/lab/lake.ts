/** Frozen Lake live: several methods learn in turns, and each policy is evaluated exactly. */
import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { gameOf } from "../../frozen_lake/dynamics.ts";
import { distance, problemOf, snapshotOf } from "../../frozen_lake/experiment.ts";
import { decisionCells, parseLake } from "../../frozen_lake/lake.ts";
import { methods } from "../../frozen_lake/methods.ts";
import { type Setting, startOf } from "../../frozen_lake/training.ts";
import { LONGEST_SIDE, MOST_METHODS } from "../lake_settings.ts";
import type { LakeWish, Tiding } from "../protocol.ts";
import type { Turns } from "./turns.ts";

/** The policy and its optimizer, as `deno task frozen-lake` has them. */
const setting: Setting = {
  width: 64,
  activation: "relu",
  input: "cell",
  optimizer: "adam",
  learningRate: 0.002,
};

/**
 * Trains on a lake in turns, one step of each method.
 *
 * @param wish The lake and the methods.
 * @param turns Says when to take a step.
 * @param tell Hears of the scene and of each moment.
 * @throws {UserError} If the map is no lake, or has no way to the goal, or a method is unknown, or
 * there are too many.
 */
export async function followLake(
  { map, slippery, methods: names, seed, steps }: LakeWish,
  turns: Turns,
  tell: (tiding: Tiding) => void,
): Promise<void> {
  const lake = parseLake(map, "the map");
  if (Math.max(lake.rows, lake.columns) > LONGEST_SIDE) {
    throw new UserError(`the map has more than ${LONGEST_SIDE} rows or columns: make it smaller`);
  }
  if (names.length === 0 || names.length > MOST_METHODS) {
    throw new UserError(`choose 1 to ${MOST_METHODS} methods, not ${names.length}`);
  }
  const chosen = names.map((name) => {
    const method = methods.find((own) => own.name === name);
    if (method === undefined) throw new UserError(`there is no method ${quoted(name)}`);
    return method;
  });
  const problem = await problemOf(gameOf(lake, slippery), setting);
  const { game, trajectories, optimal, optimum } = problem;
  tell({
    kind: "scene",
    scene: {
      ...lake,
      optimal,
      demonstrated: trajectories.optimal.cells,
      successFrom: snapshotOf(problem, 0, optimal).successFrom,
      methods: chosen.map(({ name, note }) => ({ name, note })),
    },
  });
  const decisions = decisionCells(lake);
  const trainers = chosen.map((method) => method.trainer(game, trajectories, setting));
  const courses = trainers.map((trainer) =>
    trainer.train(startOf(game, setting, seed), seed, steps)
  );
  const show = async (step: number) => {
    for (const [method, course] of courses.entries()) {
      const { value: moment, done } = await course.next();
      if (done === true) continue;
      const { matrix } = moment;
      const { reach, successFrom, teacherForced } = snapshotOf(problem, step, matrix);
      tell({
        kind: "moment",
        moment: {
          ...{ method, step, matrix, reach, successFrom, teacherForced },
          distance: distance(matrix, optimum, decisions),
        },
      });
    }
  };
  try {
    await show(0);
    for (let step = 1; step <= steps && await turns.next(); step++) await show(step);
    tell({ kind: "done" });
  } finally {
    for (const course of courses) await course.return(undefined);
    for (const trainer of trainers) trainer[Symbol.dispose]();
  }
}
