/** The turns of a training in the playground. */
import { assert, assertEquals } from "@std/assert";
import { makeTurns } from "../../examples/playground/lab/turns.ts";

/** Takes turns until they end, and writes down each. */
function follow(turns: ReturnType<typeof makeTurns>) {
  const taken: number[] = [];
  const ended = (async () => {
    while (await turns.next()) {
      taken.push(taken.length);
      if (taken.length === 5) turns.pause();
    }
  })();
  return { taken, ended };
}

/** Lets everything that can go on do so. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("turns are paused at first, one for each step, many while playing, none once closed", async () => {
  const turns = makeTurns();
  const { taken, ended } = follow(turns);
  await settled();
  assertEquals(taken.length, 0);
  turns.step();
  turns.step();
  await settled();
  assertEquals(taken.length, 2);
  turns.play();
  while (taken.length < 5) await settled();
  await settled();
  assertEquals(taken.length, 5);
  turns.close();
  await ended;
  assertEquals(await turns.next(), false);
});

Deno.test("a step while playing pauses, and work is done between two steps", async () => {
  const turns = makeTurns();
  const order: string[] = [];
  turns.play();
  turns.between(() => Promise.resolve(void order.push("work")));
  turns.step();
  assert(await turns.next());
  order.push("step");
  assertEquals(order, ["work", "step"]);
  const next = turns.next().then((isTurn) => order.push(`turn ${isTurn}`));
  await settled();
  assertEquals(order.length, 2);
  turns.close();
  await next;
  assertEquals(order.at(-1), "turn false");
});

Deno.test("a pace keeps two steps apart by the clock", async () => {
  let time = 1000;
  const turns = makeTurns(() => time);
  turns.pace(2);
  turns.play();
  assert(await turns.next());
  let isNext = false;
  const next = turns.next().then(() => isNext = true);
  time += 499;
  await settled();
  assert(!isNext);
  time += 1;
  // Any change looks at the clock again.
  turns.play();
  await next;
  assert(isNext);
});
