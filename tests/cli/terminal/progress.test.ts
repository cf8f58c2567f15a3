import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  answerUnit,
  byteUnit,
  formatBar,
  formatBytes,
  formatLine,
  formatMeasured,
  formatRate,
} from "../../../cli/terminal/progress.ts";
import {
  carryOut,
  createRun,
  formatDuration,
  openDevice,
  prepare,
  type ProgressOutput,
  progressReporter,
  runConfig,
  silentProgress,
} from "@unitune/cli";
import { type Measured, type TrainSettings, trainSettings } from "@unitune/training";
import { inFolder } from "../command.ts";

/** An output that keeps what is written, on a clock that the test moves. */
function recorder(columns: number | undefined) {
  const written: string[] = [];
  const clock = { now: 0 };
  const output: ProgressOutput = {
    write: (text) => written.push(text),
    columns: () => columns,
    now: () => clock.now,
  };
  return { output, clock, text: () => written.join(""), written };
}

/** What a terminal shows in the end: a carriage return goes back, `ESC [ K` clears. */
function screen(text: string): string {
  const lines = text.split("\n").map((line) => line.split("\r\x1b[K").at(-1) ?? "");
  return lines.join("\n");
}

Deno.test("durations have their two largest units", () => {
  const rows: [number, string][] = [
    [0, "0s"],
    [59.4, "59s"],
    [59.6, "1m 00s"],
    [125, "2m 05s"],
    [3600, "1h 00m"],
    [3600 * 26 + 60 * 7, "26h 07m"],
    [3600 * 100, "100h 00m"],
    [3600 * 118, "118h 00m"],
    [-1, "0s"],
  ];
  for (const [seconds, text] of rows) assertEquals(formatDuration(seconds), text);
});

Deno.test("rates have no leading zeros", () => {
  assertEquals([250, 1, 0.1].map((rate) => formatRate(rate)), [
    "250.0 steps/s",
    "1.0 steps/s",
    "10.0 s/step",
  ]);
  assertEquals([2, 0.5].map((rate) => formatRate(rate, "answer")), [
    "2.0 answers/s",
    "2.0 s/answer",
  ]);
});

Deno.test("a bar is on one line, narrower than the terminal, and says the step where it can", () => {
  const progress = fc.record({
    step: fc.nat(5000),
    steps: fc.nat(5000),
    loss: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
    rate: fc.option(fc.double({ min: 1e-3, max: 1e4, noNaN: true }), { nil: undefined }),
  });
  fc.assert(fc.property(progress, fc.integer({ min: 1, max: 300 }), (progress, columns) => {
    const bar = formatBar(progress, columns);
    assert(bar.length < columns || columns === 1);
    assert(!bar.includes("\n"));
    const count = `${progress.step}/${progress.steps}`;
    assertEquals(bar.includes(count), count.length < columns);
  }));
});

Deno.test("a bar has the facts that its width has room for, the most important first", () => {
  const all = {
    ...{ step: 120, steps: 1000, loss: 1.23456, reward: 0.5, unscorable: 0.126, padding: 0.3 },
    ...{ rate: 2.5, tokenRate: 12345.6 },
  };
  const facts =
    "120/1000 · reward 0.5000 · 13 % unscorable · loss 1.2346 · 5m 52s left · 2.5 steps/s";
  const bars: readonly (readonly [columns: number, bar: string])[] = [
    [140, `[##                 ] ${facts} · 12,346 tokens/s · 30 % padding`],
    [100, `[#           ] ${facts}`],
    [80, "120/1000 · reward 0.5000 · 13 % unscorable · loss 1.2346 · 5m 52s left"],
    [60, "120/1000 · reward 0.5000 · 13 % unscorable · loss 1.2346"],
    // As wide as the facts, and less.
    [57, "120/1000 · reward 0.5000 · 13 % unscorable · loss 1.2346"],
    [56, "[#         ] 120/1000 · reward 0.5000 · 13 % unscorable"],
    [40, "[#           ] 120/1000 · reward 0.5000"],
    // A bar of less than eight signs is none.
    [20, "[        ] 120/1000"],
    [19, "120/1000"],
    [9, "120/1000"],
    [8, "120/100"],
    [1, ""],
    [0, ""],
  ];
  for (const [columns, bar] of bars) assertEquals(formatBar(all, columns), bar);
  assertEquals(
    formatBar({ ...all, phase: "evaluating" }, 60),
    "120/1000 · evaluating · reward 0.5000 · 13 % unscorable",
  );
  const counted = { step: 5e6, steps: 2e9, rate: 1e6, unit: byteUnit };
  assertEquals(
    formatBar(counted, 60),
    "[              ] 5.0 MB of 2.0 GB · 33m 15s left · 1.0 MB/s",
  );
  const filled = (step: number, steps = 1000) =>
    formatBar({ step, steps }, 60).split("#").length - 1;
  assertEquals([filled(499), filled(500), filled(999), filled(1000)], [19, 20, 39, 40]);
  assertEquals([filled(0, 0), filled(9, 8)], [40, 40]);
  assertEquals(
    formatLine(all),
    "step 120/1000 · reward 0.5000 · 13 % unscorable · loss 1.2346 · 5m 52s left",
  );
  assertEquals(
    formatLine({ step: 1, steps: 4, rate: 0.5, unit: answerUnit }),
    "answer 1/4 · 6s left · 2.0 s/answer",
  );
  // An answer in a thousand that no reward can judge is one.
  assertEquals(formatLine({ step: 1, steps: 4, unscorable: 0.001 }), "step 1/4 · 1 % unscorable");
  assertEquals(formatLine({ step: 1, steps: 4, rate: 0 }), "step 1/4");
  assertEquals(
    formatLine({ step: 1, steps: 4, unscorable: 0.5, padding: 0.5, loss: 0 }),
    "step 1/4 · 50 % unscorable · loss 0 · 50 % padding",
  );
  assertEquals(formatLine({ step: 1, steps: 4, loss: -1 }), "step 1/4 · loss -1.0000");
  assertEquals(filled(0, 1), 0);
  // A line is as long as a line may be, and no longer: 80 signs.
  const phase = (length: number) =>
    formatLine({ step: 1, steps: 4, phase: "p".repeat(length), loss: 1 });
  const most = 80 - "step 1/4 ·  · loss 1.0000".length;
  assertEquals(phase(most), `step 1/4 · ${"p".repeat(most)} · loss 1.0000`);
  assertEquals(phase(most + 1), `step 1/4 · ${"p".repeat(most + 1)}`);
});

Deno.test("measured numbers, rates and sizes are short at the ends of their ranges", () => {
  assertEquals([1e-3, 9.99e-4, 999_999, 1e6, -1e-3, Infinity].map(formatMeasured), [
    ...["0.0010", "1.0e-3", "999999.0000", "1.0e+6", "-0.0010", "Infinity"],
  ]);
  assertEquals([0.999, 1, 1.05].map((rate) => formatRate(rate)), [
    ...["1.0 s/step", "1.0 steps/s", "1.1 steps/s"],
  ]);
  assertEquals([999, 999.94, 999.95, 999_949, 999_950, 1e9, 1e15].map(formatBytes), [
    ...["999 B", "1000 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.0 GB", "1000.0 TB"],
  ]);
  assertEquals([59.49, 59.5, 3599.4, 3599.5].map(formatDuration), [
    ...["59s", "1m 00s", "59m 59s", "1h 00m"],
  ]);
});

Deno.test("a bar is drawn again a tenth of a second later, and the end at once", () => {
  const { output, clock, written } = recorder(60);
  const reporter = progressReporter(output, 9, 1);
  const drawn = [0, 99, 100, 150, 199, 200, 201].map((time, i) => {
    clock.now = time;
    reporter.update(i + 1);
    return written.length;
  });
  assertEquals(drawn, [1, 1, 2, 2, 2, 3, 3]);
  reporter.update(9);
  assertEquals(written.length, 4);
  reporter.phase("p".repeat(81));
  assert(!written.at(-1)?.includes("p".repeat(81)));
});

Deno.test("a bar fills from empty to full", () => {
  const filled = [0, 50, 100].map((step) => formatBar({ step, steps: 100 }, 80).split("#").length);
  assertEquals(filled, [1, 21, 41]);
});

Deno.test("a plain line leaves out what is not known", () => {
  assertEquals(formatLine({ step: 1, steps: 9 }), "step 1/9");
  assertEquals(
    formatLine({ step: 1, steps: 9, loss: 0.5, rate: 2 }),
    "step 1/9 · loss 0.5000 · 4s left · 2.0 steps/s",
  );
});

Deno.test("elsewhere than on a terminal: lines at every so many steps and the last", () => {
  const { output, clock, text } = recorder(undefined);
  const reporter = progressReporter(output, 5, 2);
  reporter.update(0);
  for (let step = 1; step <= 5; step++) {
    reporter.update(step, { loss: 1 / step });
    clock.now += 500;
  }
  reporter.print("done");
  reporter[Symbol.dispose]();
  assertEquals(
    text(),
    [
      "step 2/5 · loss 0.5000 · 2s left · 2.0 steps/s",
      "step 4/5 · loss 0.2500 · 1s left · 2.0 steps/s",
      "step 5/5 · loss 0.2000 · 0s left · 2.0 steps/s",
      "done",
      "",
    ].join("\n"),
  );
});

Deno.test("a run that stops between two lines says where", () => {
  const { output, text } = recorder(undefined);
  const reporter = progressReporter(output, 100, 10);
  reporter.update(7, { loss: 0.5 });
  reporter[Symbol.dispose]();
  assertEquals(text(), "step 7/100 · loss 0.5000\n");
});

Deno.test("a run without a step has no line, and one that was shown no second", () => {
  const none = recorder(undefined);
  const begun = progressReporter(none.output, 100, 10);
  begun.update(0);
  begun[Symbol.dispose]();
  assertEquals(none.text(), "");
  const { output, text } = recorder(undefined);
  const reporter = progressReporter(output, 100, 10);
  reporter.update(9);
  reporter.update(10);
  reporter[Symbol.dispose]();
  assertEquals(text(), "step 10/100\n");
  // One of a single step.
  const one = recorder(undefined);
  const single = progressReporter(one.output, 100, 10);
  single.update(1);
  single[Symbol.dispose]();
  assertEquals(one.text(), "step 1/100\n");
});

Deno.test("the work between two steps is shown on a terminal alone, and is over at the end", () => {
  const plain = recorder(undefined);
  progressReporter(plain.output, 10, 1).phase("evaluating");
  assertEquals(plain.text(), "");
  const { output, written } = recorder(80);
  const reporter = progressReporter(output, 10, 1);
  reporter.update(5);
  reporter.phase("evaluating on \x1bheld-out");
  assert(written.at(-1)?.includes("evaluating on \\u001bheld-out"), written.at(-1));
  reporter[Symbol.dispose]();
  assertEquals(written.at(-1), "\n");
  assert(!written.at(-2)?.includes("evaluating"));
});

Deno.test("the rate is that of this run: a resumed one does not count the steps before", () => {
  const { output, clock, text } = recorder(undefined);
  const reporter = progressReporter(output, 100, 1);
  reporter.update(90);
  clock.now += 9000; // Compiling.
  reporter.update(91);
  clock.now += 2000;
  reporter.update(93);
  assertEquals(text().split("\n")[2], "step 93/100 · 7s left · 1.0 steps/s");
});

Deno.test("tokens are counted from the first step that is timed, and padding is the last that was read", () => {
  const { output, clock, text } = recorder(undefined);
  const reporter = progressReporter(output, 9, 1);
  reporter.update(0, {});
  clock.now += 9000; // Compiling.
  reporter.update(1, { loss: 0.5, padding: 0.126 }, 5000);
  clock.now += 2000;
  reporter.update(3, undefined, 7469);
  reporter.update(4, { loss: 0.25 }, 7469);
  reporter[Symbol.dispose]();
  assertEquals(text().split("\n").slice(0, 3), [
    "step 1/9 · loss 0.5000 · 13 % padding",
    "step 3/9 · loss 0.5000 · 6s left · 1.0 steps/s · 1,235 tokens/s · 13 % padding",
    "step 4/9 · loss 0.2500 · 3s left · 1.5 steps/s · 1,235 tokens/s",
  ]);
});

Deno.test("a step without a loss keeps the loss before it", () => {
  const { output, text } = recorder(undefined);
  const reporter = progressReporter(output, 100, 1);
  reporter.update(1, { loss: 0.5 });
  reporter.update(2);
  assertEquals(text(), "step 1/100 · loss 0.5000\nstep 2/100 · loss 0.5000\n");
});

Deno.test("on a terminal: printed lines stay, and the bar is below them", () => {
  const { output, clock, text } = recorder(60);
  const reporter = progressReporter(output, 100, 10);
  for (let step = 1; step <= 100; step++) {
    reporter.update(step, { loss: 0.5 });
    clock.now += 30;
    if (step === 50) reporter.print("validation loss 0.6");
  }
  reporter[Symbol.dispose]();
  const lines = screen(text()).split("\n");
  assertEquals(lines.length, 3);
  assertEquals(lines[0], "validation loss 0.6");
  assert(lines[1]?.includes("100/100 · loss 0.5000"));
  assertEquals(lines[2], "");
});

Deno.test("on a terminal: the bar is drawn at most ten times a second", () => {
  const { output, clock, written } = recorder(60);
  const reporter = progressReporter(output, 2000, 1);
  for (let step = 1; step <= 1000; step++) {
    reporter.update(step);
    clock.now += 1;
  }
  assertEquals(written.length, 10);
});

Deno.test("a measured number never reads as 0 unless it is, nor as more than it is", () => {
  const number = fc.oneof(
    fc.double({ min: -1e300, max: 1e300, noNaN: true }),
    fc.double({ min: -2, max: 2, noNaN: true }),
    fc.constantFrom(-0.00001, -0.00004, 0.00095, -1e-9, -0),
  );
  fc.assert(fc.property(number, (value) => {
    const text = formatMeasured(value);
    assert(!/^-0\.?0*$/.test(text), text);
    assertEquals(Number(text) === 0, value === 0, text);
    // Half a unit of the second digit is a twentieth at most; and what JavaScript rounds, half a bit.
    assert(Math.abs(Number(text) - value) <= 0.0501 * Math.abs(value), `${value}: ${text}`);
    assert(text.length <= 12, text);
  }));
  assertEquals([0.73125, -2.3e-7, 1, NaN].map(formatMeasured), [
    "0.7312",
    "-2.3e-7",
    "1.0000",
    "NaN",
  ]);
});

Deno.test("rewards are shown before the loss, and by no step that has none", () => {
  const { output, text } = recorder(undefined);
  const reporter = progressReporter(output, 9, 1);
  reporter.update(1, { loss: -0.00002, reward: 0.75, unscorable: 0.001 });
  reporter.update(2);
  reporter.update(3, { loss: 0.5, unscorable: 0.126 });
  reporter.update(4, {});
  reporter[Symbol.dispose]();
  assertEquals(text().split("\n").slice(0, 4), [
    "step 1/9 · reward 0.7500 · 1 % unscorable · loss -2.0e-5",
    "step 2/9 · reward 0.7500 · 1 % unscorable · loss -2.0e-5",
    "step 3/9 · 13 % unscorable · loss 0.5000",
    "step 4/9",
  ]);
});

Deno.test("on a terminal: what is printed is broken between words", () => {
  const { output, text } = recorder(40);
  const reporter = progressReporter(output, 2, 1);
  reporter.print("validation: loss 0.6000, token accuracy 0.500, exact match 0.250");
  reporter[Symbol.dispose]();
  assertEquals(screen(text()).split("\n").slice(0, 2), [
    "validation: loss 0.6000, token accuracy",
    "  0.500, exact match 0.250",
  ]);
});

/** A small training. */
const tiny = {
  ...{ layers: 1, heads: 1, width: 8, loggingSteps: 1 },
  ...{ steps: 2, batchSize: 4, warmupSteps: 0 },
};

/** What a run shows of each step. */
async function shownBy(folder: string, stages: readonly [TrainSettings, ...TrainSettings[]]) {
  const prepared = await prepare(stages);
  using device = await openDevice("wasm");
  const seen: [step: number, measured: Measured | undefined][] = [];
  const progress = {
    ...silentProgress,
    update: (step: number, measured?: Measured) => void seen.push([step, measured]),
  };
  const run = await createRun(`${folder}/run`, "", runConfig(stages, prepared));
  await carryOut({ folder: run, stages, prepared, device, progress });
  return seen;
}

inFolder("a stage of rollouts shows its rewards, and no other does", async (folder) => {
  const onTasks = { ...tiny, examples: 20, tasks: "pick" };
  const seen = await shownBy(folder, [
    trainSettings(onTasks),
    trainSettings({ ...onTasks, objective: "grpo", groupSize: 2 }),
    trainSettings(onTasks),
  ]);
  const rewarded = seen.flatMap(([step, measured]) => measured?.reward === undefined ? [] : [step]);
  assertEquals(rewarded, [3, 4]);
  // The built-in tasks judge every answer.
  for (const [, measured] of seen) assertEquals(measured?.unscorable, undefined);
  const lossless = seen.flatMap(([step, measured]) => measured?.loss === undefined ? [step] : []);
  // Where a stage begins, nothing of it is measured, and what was shown before is not its own.
  assertEquals(lossless, [0, 2, 4]);
  for (const [, measured] of seen) assert(measured !== undefined);
});

Deno.test("bytes are shown in their units, on a line for each part", () => {
  const { output, clock, written } = recorder(undefined);
  {
    using progress = progressReporter(output, 3e8, 1e8, byteUnit);
    for (const [time, bytes] of [[0, 0], [1, 9.9e7], [2, 1.49e8], [3, 1.99e8], [5, 3e8]] as const) {
      clock.now = time * 1000;
      progress.update(bytes);
    }
  }
  assertEquals(written, [
    "downloaded 149.0 MB of 300.0 MB · 3s left · 50.0 MB/s\n",
    "downloaded 300.0 MB of 300.0 MB · 0s left · 50.3 MB/s\n",
  ]);
});

Deno.test("bytes that were there before are no progress", () => {
  const { output, clock, text } = recorder(80);
  {
    using progress = progressReporter(output, 2e9, 1e8, byteUnit);
    progress.update(1e9);
    clock.now = 1000;
    progress.update(1.1e9);
    clock.now = 2000;
    progress.update(1.2e9);
  }
  assertEquals(
    screen(text()),
    "[######################               ] 1.2 GB of 2.0 GB · 8s left · 100.0 MB/s\n",
  );
});

inFolder("the share of answers that no reward can judge is shown", async (folder) => {
  const data = `${folder}/rows.jsonl`;
  // Both prompts that are trained on are asked in each step, and one has no right answer.
  const rows = [{ prompt: "a" }, { prompt: "b", completion: "c" }, { prompt: "d" }];
  await Deno.writeTextFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  const settings = trainSettings({ ...tiny, data, objective: "grpo", groupSize: 2 });
  const seen = await shownBy(folder, [settings]);
  assertEquals(seen.map(([, measured]) => measured?.unscorable), [undefined, 0.5, 0.5]);
});

Deno.test("what is shown before the first step, and after it, is what was done here", () => {
  // Steps before the first update were not made here: the tenth had its line elsewhere.
  const resumed = recorder(undefined);
  {
    using progress = progressReporter(resumed.output, 100, 10);
    progress.update(11, { loss: 1 });
    assertEquals(resumed.text(), "");
    progress.update(12, { loss: 1 });
  }
  assertEquals(resumed.text(), "step 12/100 · loss 1.0000\n");
  const due = recorder(undefined);
  using progress = progressReporter(due.output, 100, 10);
  progress.update(10, { loss: 1 });
  assertEquals(due.text(), "step 10/100 · loss 1.0000\n");
  const shown = recorder(60);
  using bar = progressReporter(shown.output, 4, 1);
  bar.phase("reading");
  assertEquals(screen(shown.text()), `[${" ".repeat(40)}] 0/4 · reading`);
  bar.print("a line");
  assertEquals(screen(shown.text()), `a line\n[${" ".repeat(40)}] 0/4 · reading`);
});

Deno.test("a rate counts from the second step that was shown, and needs time between", () => {
  const { output, clock } = recorder(200);
  const written: string[] = [];
  using progress = progressReporter({ ...output, write: (text) => written.push(text) }, 9, 1);
  const facts = (step: number, time: number, tokens?: number) => {
    clock.now = time;
    progress.update(step, {}, tokens);
    return (written.at(-1) ?? "").replace(/^.*\] /s, "");
  };
  assertEquals(facts(1, 0, 10), "1/9");
  assertEquals(facts(2, 1000, 20), "2/9");
  assertEquals(facts(4, 3000, 60), "4/9 · 5s left · 1.0 steps/s · 20 tokens/s");
  assertEquals(facts(6, 3500), "6/9 · 2s left · 1.6 steps/s");
});
