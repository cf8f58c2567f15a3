/** How a run that failed goes on, and what is shown of one that does not. */
import { assertEquals } from "@std/assert";
import { WebGpuFailedError, WebGpuLimitError } from "@unitune/core";
import { silentProgress } from "@unitune/cli";
import {
  DeviceFailedError,
  DivergedError,
  noCost,
  type TrainingEvent,
  UserError,
} from "@unitune/training";
import { fileError } from "../../../cli/files/file_error.ts";
import { failureIn, mayPass, placeOf } from "../../../cli/run/failure.ts";
import { showEvent } from "../../../cli/run/shown_event.ts";

Deno.test("a failure says how the run goes on, and whether its folder is kept", () => {
  const [start, saved, unsaved] = [
    { step: 0, saved: undefined },
    { step: 7, saved: 5 },
    { step: 7, saved: undefined },
  ];
  const lost = new WebGpuFailedError("it was lost");
  const last = "; the last good checkpoint is DIR/checkpoints/step-000005";
  const resume = "\n  deno task train --resume DIR";
  const lower = ". A lower rate usually helps:\n" +
    "  deno task train --config DIR/config.json --learning-rate X";
  const elsewhere = ". Go on, on another device with --device wasm, by";
  const rows: readonly (readonly [Error, isKept: boolean, message?: string])[] = [
    [
      new DeviceFailedError(lost, saved),
      true,
      `training stopped at step 7: it was lost${last}${elsewhere}${resume}`,
    ],
    [
      new DeviceFailedError(new WebGpuLimitError("it is too small"), unsaved),
      true,
      `training stopped at step 7: it is too small${elsewhere}${resume}`,
    ],
    // Another device would fail as well.
    [new DeviceFailedError(new Error("out of memory"), saved), false],
    [
      new DivergedError({ loss: NaN, norm: Infinity }, saved),
      false,
      `training stopped at step 7, where the loss is NaN and the norm is Infinity${last}${lower}`,
    ],
    [
      new DivergedError({ loss: NaN }, unsaved),
      false,
      `training stopped at step 7, where the loss is NaN${lower}`,
    ],
    // A model that is broken from the start is not helped by a lower rate.
    [new DivergedError({ loss: NaN }, start), false],
    [new UserError("wrong"), false],
    [new TypeError("a defect"), false],
  ];
  for (const [error, isKept, message] of rows) {
    const told = failureIn("DIR", error);
    assertEquals(mayPass(error), isKept, error.message);
    if (message === undefined) assertEquals(told, error);
    else {assertEquals([String(told), told instanceof Error && told.cause], [
        `UserError: ${message}`,
        error,
      ]);}
  }
  assertEquals(mayPass(fileError(new Deno.errors.PermissionDenied("no"), "write", "a")), true);
  assertEquals([...rows.map(([error]) => error), "text"].map((error) => placeOf(error)), [
    ...[saved, unsaved, saved, saved, unsaved, start, undefined, undefined, undefined],
  ]);
});

Deno.test("events are shown as lines, as the work that is done, or as steps", () => {
  const report = { split: "held-out", metrics: { eval_loss: 1.5 }, answers: [] };
  const at = { step: 3, stage: 1 };
  const events: readonly TrainingEvent[] = [
    { ...at, kind: "note", text: "a note" },
    { ...at, kind: "phase", phase: "saving" },
    { ...at, kind: "phase", phase: "evaluating", split: "longer" },
    { ...at, kind: "stage" },
    { ...at, kind: "step", cost: { ...noCost, backwardTokens: 9 }, measured: { loss: 2 } },
    { ...at, kind: "step", cost: noCost },
    { ...at, kind: "evaluation", report },
    { ...at, kind: "metrics", epoch: 0, metrics: {}, cost: noCost },
    { ...at, kind: "rollouts", samples: [] },
    { ...at, kind: "saved" },
  ];
  const shown = (isStaged: boolean) => {
    const calls: (readonly unknown[])[] = [];
    const progress = {
      ...silentProgress,
      print: (text: string) => void calls.push(["print", text]),
      phase: (name: string) => void calls.push(["phase", name]),
      update: (...told: readonly unknown[]) => void calls.push(["update", ...told]),
    };
    for (const event of events) showEvent(event, { progress, total: 8, isStaged });
    return calls;
  };
  const [note, ...rest] = shown(false);
  assertEquals(note, ["print", "a note"]);
  assertEquals(rest, [
    ["phase", "saving"],
    ["phase", "evaluating on longer"],
    ["update", 3, {}],
    ["update", 3, { loss: 2 }, 9],
    ["update", 3, undefined, 0],
    ["print", "step 3/8 · held-out: loss 1.5000"],
  ]);
  assertEquals(shown(true), [["print", "stage 2: a note"], ...rest]);
});
