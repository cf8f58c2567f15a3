/** What the page does in its frames. */
import { assertEquals } from "@std/assert";
import { gather, type Screen, spreadDrawings } from "../../examples/playground/page/frames.ts";

/** A screen whose clock and frames the test moves. */
function tried() {
  let time = 0;
  let frames: (() => void)[] = [];
  let timers: { readonly at: number; readonly run: () => void }[] = [];
  const screen: Screen = {
    now: () => time,
    next: (run) => void frames.push(run),
    interval: () => 100,
    later: (run, milliseconds) => {
      const timer = { at: time + milliseconds, run };
      timers.push(timer);
      return () => timers = timers.filter((own) => own !== timer);
    },
  };
  return {
    screen,
    pass(milliseconds: number) {
      time += milliseconds;
      const due = timers.filter(({ at }) => at <= time);
      timers = timers.filter(({ at }) => at > time);
      for (const { run } of due) run();
    },
    /** Draws a frame, with the microtasks in it. */
    async frame() {
      const own = frames;
      frames = [];
      for (const run of own) run();
      await new Promise((resolve) => setTimeout(resolve, 0));
    },
  };
}

Deno.test("things that arrive are taken together, before a frame, once in an interval", async () => {
  const { screen, pass, frame } = tried();
  const taken: (readonly number[])[] = [];
  const { add, close } = gather<number>((things) => taken.push(things), screen);
  add(1);
  add(2);
  await frame();
  pass(99);
  await frame();
  assertEquals(taken, []);
  pass(1);
  add(3);
  assertEquals(taken, []);
  await frame();
  assertEquals(taken, [[1, 2, 3]]);
  add(4);
  pass(100);
  await frame();
  assertEquals(taken, [[1, 2, 3], [4]]);
  // What waits for the clock or for a frame is forgotten.
  add(5);
  pass(100);
  close();
  await frame();
  assertEquals(taken.length, 2);
});

Deno.test("drawings take six milliseconds of a frame, and the last for a key counts", async () => {
  const { screen, pass, frame } = tried();
  const { draw, remove } = spreadDrawings(screen);
  const drawn: string[] = [];
  const taking = (name: string, milliseconds: number) => () => {
    drawn.push(name);
    // As a chart draws: in a microtask of its own.
    queueMicrotask(() => pass(milliseconds));
  };
  const [a, b, c, d] = [{}, {}, {}, {}];
  draw(a, taking("early", 9));
  draw(a, taking("a", 3));
  draw(b, taking("b", 3));
  draw(c, taking("c", 1));
  draw(d, taking("d", 1));
  remove(d);
  assertEquals(drawn, []);
  await frame();
  assertEquals(drawn, ["a", "b"]);
  await frame();
  assertEquals(drawn, ["a", "b", "c"]);
  await frame();
  draw(a, taking("again", 1));
  await frame();
  assertEquals(drawn, ["a", "b", "c", "again"]);
});
