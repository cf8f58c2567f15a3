import { assert, assertEquals } from "@std/assert";
import { besideLines, startBeside } from "../../bench/beside.ts";

/** Hundredths of a second that a process has computed; undefined if there is none. */
async function computed(pid: number): Promise<number | undefined> {
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", 'cat "/proc/$0/stat" 2>/dev/null', `${pid}`],
  }).output();
  const text = new TextDecoder().decode(stdout);
  // Behind the name, which is in parentheses: the state, ten numbers, and the time.
  return code === 0 ? Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[11]) : undefined;
}

Deno.test({
  name: "beside: processes are busy until they are disposed of",
  // Where the system tells how long a process has computed.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const beside = startBeside(2);
    const times = () => Promise.all(beside.pids.map(computed));
    try {
      assertEquals(beside.pids.length, 2);
      // Several times as long as a process takes to start.
      const areBusy = async () => (await times()).every((time) => time !== undefined && time > 40);
      let isBusy = await areBusy();
      for (let wait = 0; wait < 1000 && !isBusy; wait++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        isBusy = await areBusy();
      }
      assert(isBusy, `${await times()}`);
    } finally {
      await beside[Symbol.asyncDispose]();
    }
    assertEquals(await times(), [undefined, undefined]);
  },
});

Deno.test("beside: a report says how many there were", () => {
  assertEquals([0, 1, 2].map(besideLines), [
    [],
    ["beside 1 process that is kept busy"],
    ["beside 2 processes that are kept busy"],
  ]);
});
