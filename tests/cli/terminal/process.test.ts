/** What commands do with their process: its streams, its signals and its end, by stand-ins for them. */
import { assert, assertEquals } from "@std/assert";
import { UserError } from "@unitune/training";
import { runCommand, UsageError } from "../../../cli/terminal/errors.ts";
import { interruptible } from "../../../cli/terminal/interruption.ts";
import { standardProgress } from "../../../cli/terminal/progress.ts";
import { print, say, tell, terminalColumns, write } from "../../../cli/terminal/terminal.ts";
import { standIns } from "../../stand_ins.ts";

function fails(): never {
  throw new Error("not there");
}

Deno.test("lines are as wide as the terminal, or 80 where it does not know its size", () => {
  const { columns } = standardProgress();
  const widths = (isTerminal: boolean, consoleSize: () => unknown) => {
    using _size = standIns(Deno, { consoleSize });
    using _err = standIns(Deno.stderr, { isTerminal: () => isTerminal });
    return [columns(), terminalColumns()];
  };
  assertEquals(widths(true, () => ({ columns: 33, rows: 5 })), [33, 33]);
  assertEquals(widths(true, () => ({ columns: 0, rows: 0 })), [80, 80]);
  assertEquals(widths(true, fails), [undefined, 80]);
  assertEquals(widths(false, () => ({ columns: 33, rows: 5 })), [undefined, 33]);
});

Deno.test("progress is written to standard error, and nothing fails where nobody reads it", () => {
  const { write, now } = standardProgress();
  const written: string[] = [];
  const writeSync = (bytes: Uint8Array) => {
    written.push(new TextDecoder().decode(bytes));
    return bytes.length;
  };
  {
    using _ = standIns(Deno.stderr, { writeSync });
    write("né");
  }
  {
    using _ = standIns(Deno.stderr, { writeSync: fails });
    write("b");
  }
  assertEquals(written, ["né"]);
  const [before, between, after] = [performance.now(), now(), performance.now()];
  assert(before <= between && between <= after);
});

/** The signals that the system has, with the exit codes that shells give them. */
const heard: readonly (readonly [name: string, code: number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 130]]
  : [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]];

Deno.test("the first signal stops a command with its code, and frees the others", () => {
  for (const [signal, code] of heard) {
    const listeners = new Map<string, () => void>();
    const removed: string[] = [];
    using _ = standIns(Deno, {
      addSignalListener: (name: string, listener: () => void) => listeners.set(name, listener),
      removeSignalListener: (name: string, listener: () => void) => {
        assertEquals(listeners.get(name), listener);
        removed.push(name);
      },
    });
    let told = 0;
    const interruption = interruptible(() => told += 1);
    assertEquals([...listeners.keys()].sort(), heard.map(([name]) => name));
    assertEquals([interruption.signal.aborted, interruption.exitCode, told, removed.length], [
      ...[false, 0, 0, 0],
    ]);
    listeners.get(signal)?.();
    assertEquals([interruption.signal.aborted, interruption.exitCode, told], [true, code, 1]);
    // A second signal finds nobody, and ends the process.
    assertEquals(removed.toSorted(), [...listeners.keys()].sort());
    interruption[Symbol.dispose]();
    assertEquals(removed.length, heard.length);
  }
});

Deno.test("a command that is over no longer listens", () => {
  const removed: string[] = [];
  using _ = standIns(Deno, {
    addSignalListener: () => {},
    removeSignalListener: (name: string) => removed.push(name),
  });
  {
    using interruption = interruptible();
    assertEquals([interruption.exitCode, removed], [0, []]);
  }
  assertEquals(removed.length, heard.length);
});

Deno.test("a process ends with the code of its command, and an error is told", async () => {
  const codes: unknown[] = [];
  const told: string[] = [];
  using _exit = standIns(Deno, { exit: (code: number) => codes.push(code) });
  using _err = standIns(Deno.stderr, {
    writeSync: (bytes: Uint8Array) => {
      told.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  });
  using _log = standIns(console, { error: (text: string) => told.push(`${text}\n`) });
  for (const main of [() => {}, () => 0, () => Promise.resolve(), () => Promise.resolve(0)]) {
    await runCommand(main);
  }
  assertEquals([codes, told], [[], []]);
  await runCommand(() => 3);
  await runCommand(() => Promise.resolve(-1));
  assertEquals([codes, told], [[3, -1], []]);
  await runCommand(() => {
    throw new UserError("no rows");
  });
  await runCommand(() => Promise.reject(new UsageError("no flag")));
  assertEquals(codes.slice(2), [1, 2]);
  assertEquals(told.join("").split("\n").filter((line) => line.startsWith("error: ")), [
    ...["error: no rows", "error: no flag"],
  ]);
});

Deno.test("sentences are broken for a terminal of up to 80 columns, and for nobody else", () => {
  const sentence = `${"word ".repeat(20)}end`;
  const said = (isTerminal: boolean, columns: number, speak: (text: string) => void) => {
    const lines: string[] = [];
    const isOne = () => isTerminal;
    using _size = standIns(Deno, { consoleSize: () => ({ columns, rows: 5 }) });
    using _out = standIns(Deno.stdout, { isTerminal: isOne });
    using _err = standIns(Deno.stderr, { isTerminal: isOne });
    using _log = standIns(console, {
      log: (text: string) => lines.push(text),
      error: (text: string) => lines.push(`! ${text}`),
    });
    speak(sentence);
    return lines.join("\n").split("\n").map(({ length }) => length);
  };
  assertEquals(said(false, 40, say), [103]);
  assertEquals(said(true, 40, print), [103]);
  assertEquals(said(true, 40, say).every((length) => length <= 40), true);
  assertEquals(said(true, 40, say).length, 3);
  assertEquals(said(true, 200, say).length, 2);
  assertEquals(said(true, 200, tell).length, 2);
  assertEquals(said(false, 40, tell), [105]);
  using _ = standIns(console, { log: fails });
  say("nobody reads this");
});

Deno.test("a part of a line is written to its last byte, in whatever parts it is taken", () => {
  const taken: number[] = [];
  using _ = standIns(Deno.stdout, {
    writeSync: (bytes: Uint8Array) => {
      taken.push(...bytes.subarray(0, 2));
      return Math.min(2, bytes.length);
    },
  });
  write("né!");
  write("");
  assertEquals(new TextDecoder().decode(Uint8Array.from(taken)), "né!");
});
