import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import { crc32c } from "../../../cli/tensorboard/crc32c.ts";
import { eventRecord, timeOf } from "../../../cli/tensorboard/event.ts";
import { openEventFile, scalarsOf } from "../../../cli/tensorboard/event_file.ts";
import type { JsonLine } from "../../../cli/files/json_lines.ts";
import { inFolder } from "../command.ts";
import { joined, scalarsIn } from "./events.ts";
import golden from "./golden.json" with { type: "json" };

/** The vectors of RFC 3720, appendix B.4, whose bytes are written there in the order on the wire. */
const vectors: readonly (readonly [about: string, bytes: readonly number[], crc: string])[] = [
  ["32 zeros", Array<number>(32).fill(0), "aa36918a"],
  ["32 ones", Array<number>(32).fill(0xff), "43aba862"],
  ["32 that rise", Array.from({ length: 32 }, (_, i) => i), "4e79dd46"],
  ["32 that fall", Array.from({ length: 32 }, (_, i) => 31 - i), "5cdb3f11"],
];

for (const [about, bytes, crc] of vectors) {
  Deno.test(`CRC-32C of ${about}`, () => {
    const found = new DataView(new ArrayBuffer(4));
    found.setUint32(0, crc32c(Uint8Array.from(bytes)), true);
    assertEquals(new Uint8Array(found.buffer).toHex(), crc);
  });
}

Deno.test("records are those that TensorBoard's own classes write", () => {
  assertEquals(eventRecord("start", golden.start.time).toHex(), golden.start.record);
  for (const { time, step, scalars, record } of golden.scalars) {
    const values: Record<string, number> = {};
    for (const [tag, value] of Object.entries(scalars)) values[tag] = value;
    assertEquals(eventRecord({ step, scalars: values }, time).toHex(), record);
  }
});

Deno.test("the time of a record is read back, where the file has it", () => {
  const bytes = joined([eventRecord("start", 1.5), eventRecord({ step: 1, scalars: {} }, 2.5)]);
  const second = eventRecord("start", 0).length;
  assertEquals([timeOf(bytes, 0), timeOf(bytes, second)], [1.5, 2.5]);
  assertEquals(timeOf(bytes.subarray(0, second + 21), second), 2.5);
  assertEquals(timeOf(bytes.subarray(0, second + 20), second), NaN);
  // A part of a larger buffer.
  assertEquals(timeOf(bytes.subarray(second), 0), 2.5);
});

Deno.test("scalars of a line are its finite numbers", () => {
  const line = { step: 3, stage: "sft", loss: 1, kl: NaN, norm: Infinity, none: null, on: true };
  assertEquals(scalarsOf(line), { step: 3, scalars: { "train/loss": 1 } });
  const evaluation = { step: 3, split: "held-out", "eval_exact_match/add": 1, re_eval_x: 2 };
  assertEquals(scalarsOf(evaluation).scalars, {
    "held-out/exact_match/add": 1,
    "held-out/re_eval_x": 2,
  });
  assertThrows(() => scalarsOf({ loss: 1 }), RangeError, "a line of metrics has no step");
});

const lines: readonly JsonLine[] = [
  { step: 0, split: "validation", eval_loss: 2 },
  { step: 5, loss: 1.5 },
  { step: 10, loss: 1.25, reward: 0.125 },
];

/** The file of these lines, with the times 1, 2, 3, ... */
const written = (lines: readonly JsonLine[]): Uint8Array<ArrayBuffer> =>
  joined([
    eventRecord("start", 1),
    ...lines.map((line, i) => eventRecord(scalarsOf(line), i + 2)),
  ]);

inFolder("an event file has a record for each line", async (folder) => {
  const path = `${folder}/events`;
  const before = Date.now() / 1000;
  {
    using file = await openEventFile(path, lines.slice(0, 1));
    for (const line of lines.slice(1)) await file.append(line);
  }
  const found = scalarsIn(await Deno.readFile(path));
  const after = Date.now() / 1000;
  assertEquals(found.map(({ event }) => event), lines.map(scalarsOf));
  for (const { time } of found) assert(time >= before && time <= after, `${time}`);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["events"]);
});

const startLength = written([]).length;

/** Bytes of which one is another. */
function damaged(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return bytes.map((byte, i) => i === at ? byte ^ 1 : byte);
}

/** What a file may hold that was left by a run of the lines, and how many of its records stay. */
const leftovers:
  readonly (readonly [about: string, bytes: Uint8Array<ArrayBuffer>, kept: number])[] = [
    ["all of it", written(lines), 4],
    ["its start", written([]), 1],
    ["a part of it", written(lines.slice(0, 2)), 3],
    ["a part of a record", written(lines).slice(0, -1), 3],
    ["the time of a record", written(lines.slice(0, 1)).slice(0, startLength + 21), 1],
    ["lines after the checkpoint", written([...lines, { step: 15, loss: 1 }]), 4],
    [
      "other values after the checkpoint",
      written([...lines.slice(0, 2), { step: 10, loss: 7 }]),
      3,
    ],
    ["a damaged record", damaged(written(lines), written(lines.slice(0, 1)).length + 30), 2],
  ];

for (const [about, bytes, kept] of leftovers) {
  inFolder(`a file with ${about} goes on as that of the lines`, async (folder) => {
    const path = `${folder}/events`;
    await Deno.writeFile(path, bytes);
    {
      using file = await openEventFile(path, lines);
      await file.append({ step: 15, loss: 1 });
    }
    const found = scalarsIn(await Deno.readFile(path));
    assertEquals(found.map(({ event }) => event), [...lines, { step: 15, loss: 1 }].map(scalarsOf));
    // Records that were there keep their times.
    assertEquals(found.filter(({ time }) => time < 10).map(({ time }) => time), [
      ...Array.from({ length: kept - 1 }, (_, i) => i + 2),
    ]);
  });
}

for (
  const [about, bytes] of [
    ["another program's", eventRecord({ step: 0, scalars: {} }, 1)],
    ["an empty file", new Uint8Array(0)],
    ["a text", new TextEncoder().encode("mine, mine, mine, mine, mine, mine, mine")],
  ] as const
) {
  inFolder(`${about} is refused and kept`, async (folder) => {
    const path = `${folder}/events`;
    await Deno.writeFile(path, bytes);
    await assertRejects(
      () => openEventFile(path, lines),
      UserError,
      `${path} was not written by a run, and is never written over: move it away`,
    );
    assertEquals(await Deno.readFile(path), Uint8Array.from(bytes));
  });
}
