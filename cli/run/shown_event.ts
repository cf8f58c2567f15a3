/**
 * What is shown of a training's events.
 *
 * @module
 */

import type { TrainingEvent } from "@unitune/training";
import { describeReport } from "../report/summary.ts";
import { shownMessage } from "../terminal/messages.ts";
import type { ProgressReporter } from "../terminal/progress.ts";

/**
 * Shows an event of a training.
 *
 * @param event The event.
 * @param run Where progress is shown, the number of all steps, and whether there are several stages.
 */
export function showEvent(
  event: TrainingEvent,
  { progress, total, isStaged }: {
    readonly progress: ProgressReporter;
    readonly total: number;
    readonly isStaged: boolean;
  },
): void {
  switch (event.kind) {
    case "note":
      return progress.print(
        (isStaged ? `stage ${event.stage + 1}: ` : "") + shownMessage(event.text),
      );
    case "phase":
      return progress.phase(
        event.split === undefined ? event.phase : `${event.phase} on ${event.split}`,
      );
    case "stage":
      // What the stage before has measured is not this one's.
      return progress.update(event.step, {});
    case "step":
      return progress.update(event.step, event.measured, event.cost.backwardTokens);
    case "evaluation":
      return progress.print(`step ${event.step}/${total} · ${describeReport(event.report)}`);
    case "metrics":
    case "rollouts":
    case "saved":
      return;
    default:
      event satisfies never;
  }
}
