/** The progress of preparing data, by a clock and a terminal of the test. */
import { assertEquals, assertThrows } from "@std/assert";
import { shownWatch } from "../../../cli/data/preparation_progress.ts";

/** An output of some columns, and what was written to it. */
function shown(columns?: number) {
  const written: string[] = [];
  const output = {
    time: 5000,
    now: () => output.time,
    columns: () => columns,
    write: (text: string) => void written.push(text),
  };
  return { output, written };
}

const part = { doing: "reading rows", subject: "rows" };

Deno.test("a terminal has one line, after a second, ten times a second, within its columns", () => {
  const { output, written } = shown(16);
  {
    using watch = shownWatch(output);
    const tell = watch.begin(part);
    for (
      const [time, done] of [[5999, 1], [6000, 2], [6099, 3], [6100, 10], [6200, 19.99]] as const
    ) {
      output.time = time;
      tell(done, 20);
    }
    assertEquals(
      written,
      [10, 50, 99].map((share) => `\r\x1b[Kreading rows: ${share}`.slice(0, 19)),
    );
    written.length = 0;
  }
  // The line is cleared at the end, once.
  assertEquals(written, ["\r\x1b[K"]);
});

Deno.test("elsewhere there are lines, one in five seconds, and nothing to clear", () => {
  const { output, written } = shown();
  {
    using watch = shownWatch(output);
    const tell = watch.begin(part);
    for (
      const [time, done] of [[6000, 1], [9999, 2], [10_000, 3], [14_999, 4], [15_000, 5]] as const
    ) {
      output.time = time;
      tell(done, 10);
    }
  }
  assertEquals(written, ["reading rows: 30 %\n", "reading rows: 50 %\n"]);
});

Deno.test("a preparation that is short shows nothing, and one that is stopped ends", () => {
  const { output, written } = shown(80);
  const controller = new AbortController();
  {
    using watch = shownWatch(output, controller.signal);
    const tell = watch.begin(part);
    tell(1, 1);
    controller.abort(new Error("stop"));
    assertThrows(() => tell(1, 1), Error, "stop");
  }
  assertEquals(written, []);
});
