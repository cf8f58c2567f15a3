/** Rejection sampling: what passes is learned as demonstrations are. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { gather, leavesOf, tensor } from "@unitune/core";
import {
  bestOfN,
  estimate,
  indicator,
  type Objective,
  passed,
  rejectionSampling,
  sampled,
  sft,
} from "@unitune/objectives";
import { assertClose, lossOf } from "./arbitrary.ts";
import { GROUP, worldOf } from "./worlds.ts";

const { params, rollouts } = worldOf({ seed: 3, distance: 0.5, rows: 8 });

/** The batch with these rewards. */
const rewarded = (...rewards: readonly number[]) => ({
  ...rollouts,
  rewards: tensor(rewards, { dtype: "f64" }),
});

/** The batch of some rows alone. */
const rowsAlone = ({ ids, mask }: typeof rollouts, ...rows: readonly number[]) => {
  const places = tensor(rows, { dtype: "i32" });
  return { ids: gather(ids, places), mask: gather(mask, places) };
};

/** Asserts that two objectives have one loss and one gradient. */
async function assertSame<A, B>(
  [one, batch]: readonly [Objective<A>, A],
  [other, like]: readonly [Objective<B>, B],
): Promise<void> {
  const [a, b] = [lossOf(one, batch), lossOf(other, like)];
  await assertClose(a(params), b(params));
  await assertClose(grad(a)(params), grad(b)(params));
}

Deno.test("rejection sampling is SFT on the answers that pass, and on no others", async () => {
  const batch = rewarded(1, 0, 0.9, 0.9, 1, 2, -1, 1);
  const right = rowsAlone(rollouts, 0, 4, 5, 7);
  for (const normalizer of ["token", "sequence"] as const) {
    await assertSame(
      [rejectionSampling({ groupSize: GROUP, normalizer }), batch],
      [sft({ normalizer }), right],
    );
  }
  await assertSame(
    [rejectionSampling({ groupSize: GROUP, passing: 0.9 }), batch],
    [sft(), rowsAlone(rollouts, 0, 2, 3, 4, 5, 7)],
  );
});

Deno.test("where one answer of each group passes, rejection sampling is best of N", async () => {
  const batch = rewarded(1, 0, 0, 1, 1, 0, 0, 1);
  await assertSame(
    [rejectionSampling({ groupSize: GROUP }), batch],
    [bestOfN({ groupSize: GROUP }), batch],
  );
});

Deno.test("where none passes, rejection sampling teaches nothing, where best of N does", async () => {
  const batch = rewarded(0, 0, 0, 0, 0, 0, 0, 0);
  const own = lossOf(rejectionSampling({ groupSize: GROUP }), batch);
  assertEquals(await own(params).item(), 0);
  for (const leaf of leavesOf(grad(own)(params))) {
    assert((await leaf.data()).every((x) => x === 0));
  }
  assert(await lossOf(bestOfN({ groupSize: GROUP }), batch)(params).item() > 0);
});

Deno.test("a group of one answer and a reward that is no number are errors", () => {
  const on = estimate(sampled, indicator);
  assertThrows(() => passed(on, { groupSize: 1 }), RangeError, "single member");
  assertThrows(() => passed(on, { passing: NaN }), RangeError, "passing");
});
