/** Many rows: no list of them on the stack, and no more than memory holds. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { longest, UserError } from "@unitune/training";
import { processHeap, tooLarge, watchMemory } from "../../../cli/data/memory.ts";
import { shownWatch } from "../../../cli/data/preparation_progress.ts";
import v8 from "node:v8";
import fc from "fast-check";
import { assertRefused, inFolder, tiny, train, trainWithin } from "../command.ts";

/** More than the stack has room for as arguments of a call. */
const MANY = 300_000;

Deno.test("the longest of many is found without a stack of them", () => {
  const many = Array.from({ length: MANY }, (_, i) => i);
  assertEquals(longest(many, (length) => length), MANY - 1);
  fc.assert(fc.property(fc.array(fc.nat()), (lengths) => {
    assertEquals(longest(lengths, (length) => length), Math.max(0, ...lengths));
  }));
});

inFolder("a text that memory cannot hold is refused, with what to do", async (folder) => {
  const data = `${folder}/text.txt`;
  await Deno.writeTextFile(data, "what is the answer to it?\n".repeat(400_000));
  const refused = await trainWithin(80, "--data", data, "--out", `${folder}/run`);
  assertRefused(
    refused,
    1,
    /text\.txt needs about \d.* GB of memory, and JavaScript has 0\.1 GB: use less of it/,
  );
  assertStringIncludes(refused.stderr, "DENO_V8_FLAGS=--max-old-space-size=");
});

inFolder("more examples than memory holds are refused before the first is made", async (folder) => {
  const all = ["--out", `${folder}/run`, ...tiny];
  const refused = await train("--examples", "100000000", ...all);
  assertRefused(
    refused,
    1,
    /--examples 100000000 needs about \d+ GB of memory, and JavaScript has/,
  );
  assertRefused(await trainWithin(80, "--examples", "50000"), 1, "--examples 50000 needs about");
});

Deno.test("a part is refused where the heap is full, or far too little of it is done", () => {
  const limit = 4e9;
  const used = fc.double({ min: 0, max: limit, noNaN: true });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(fc.property(used, used, share, (before, after, share) => {
    let heap = { used: before, limit };
    const tell = watchMemory(() => {}, () => heap).begin({ doing: "reading", subject: "rows" });
    heap = { used: after, limit };
    let message: string | undefined;
    try {
      tell(share, 1);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      ({ message } = error);
    }
    const growth = after - before - 96 * 2 ** 20;
    // Nothing that fits by half is refused, and nothing that fills the heap goes on.
    if (after > 0.9 * limit) assert(message !== undefined);
    else if (before + Math.max(0, growth) / share <= 2 * limit) assertEquals(message, undefined);
    if (message !== undefined) assert(message.length < 250, message);
  }));
});

Deno.test("a heap is full above nine tenths of its limit", () => {
  const heap = (used: number) => ({ used, limit: 4e9 });
  for (const [used, isFull] of [[3.6e9, false], [3.600001e9, true]] as const) {
    const tell = watchMemory(() => {}, () => heap(used)).begin({ doing: "", subject: "rows" });
    if (isFull) assertThrows(() => tell(1, 2), UserError, "rows needs about");
    else tell(1, 2);
  }
});

Deno.test("objects that are young are no use of the heap: all of them may be garbage", () => {
  const youngBytes = () =>
    v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")
      ?.space_used_size ?? 0;
  let last: unknown;
  // The engine collects them now and then: until there are some.
  for (let i = 0; i < 1e6 && youngBytes() < 2e5; i++) last = { i, last: [i] };
  const [all, young, { used }] = [
    v8.getHeapStatistics().used_heap_size,
    youngBytes(),
    processHeap(),
  ];
  assert(young >= 1e5 && last !== null, `${young}`);
  assert(used <= all - young / 2, `${used} of ${all}, ${young} of them young`);
});

Deno.test("what is said of memory is never more than fits", () => {
  const bytes = fc.double({ min: 1e8, max: 1e15, noNaN: true });
  fc.assert(fc.property(bytes, fc.double({ min: 1, max: 1e6, noNaN: true }), (limit, times) => {
    const { message } = tooLarge("rows", limit * times, limit);
    const [, share = ""] = /about (\S+) % fits/.exec(message) ?? [];
    // Rounded to one digit where it is below 1 %.
    assert(Number(share) / 100 * times <= 0.8 * 1.5, message);
    assert(Number(share) > 0, message);
  }));
  assert(processHeap().used < processHeap().limit);
});

Deno.test("a preparation is shown once it takes long, and leaves no half a line", () => {
  const shown = (columns: number | undefined) => {
    const written: string[] = [];
    // Others have used the clock before.
    const start = 9000;
    let time = start;
    {
      using watch = shownWatch({
        write: (text) => written.push(text),
        columns: () => columns,
        now: () => time,
      });
      const tell = watch.begin({ doing: "reading rows.jsonl", subject: "rows.jsonl" });
      for (const [at, done] of [[500, 1], [1500, 20], [1550, 21], [6000, 60]] as const) {
        time = start + at;
        tell(done, 100);
      }
    }
    return written;
  };
  assertEquals(shown(undefined), ["reading rows.jsonl: 60 %\n"]);
  assertEquals(shown(80), [
    "\r\x1b[Kreading rows.jsonl: 20 %",
    "\r\x1b[Kreading rows.jsonl: 60 %",
    "\r\x1b[K",
  ]);
  assertEquals(shown(12).at(0), "\r\x1b[Kreading row");
  assertThrows(() => {
    throw tooLarge("rows", 2, 1);
  }, UserError);
});
