/**
 * Failures of a run: where it had come to, and how it goes on.
 *
 * @module
 */

import { WebGpuFailedError, WebGpuLimitError } from "@unitune/core";
import { DeviceFailedError, DivergedError, type FailurePlace, UserError } from "@unitune/training";
import { FileError } from "../files/file_error.ts";
import { taskCommand } from "../terminal/shell.ts";
import { checkpointPath } from "./checkpoints.ts";

/**
 * Where a run had come to when it failed.
 *
 * @param error What was thrown.
 * @returns The place; undefined where the error does not know it.
 */
export function placeOf(error: unknown): FailurePlace | undefined {
  return error instanceof DivergedError || error instanceof DeviceFailedError
    ? error.place
    : undefined;
}

/**
 * Tells whether what went wrong may go well another time, or on another device.
 *
 * @param error What was thrown.
 * @returns True for a failure of the disk or of a graphics processor.
 */
export function mayPass(error: unknown): boolean {
  return error instanceof FileError || error instanceof DeviceFailedError && isElsewhere(error);
}

/** Whether a run may go on with another device. */
function isElsewhere({ cause }: DeviceFailedError): boolean {
  return cause instanceof WebGpuFailedError || cause instanceof WebGpuLimitError;
}

/**
 * A failure of a run with the way on; any other error is returned as it is.
 *
 * @param folder The folder of the run.
 * @param error What was thrown.
 * @returns The error to throw.
 */
export function failureIn(folder: string, error: unknown): unknown {
  const place = placeOf(error);
  const left = place?.saved === undefined
    ? ""
    : `; the last good checkpoint is ${checkpointPath(folder, place.saved)}`;
  if (error instanceof DeviceFailedError && isElsewhere(error)) {
    return new UserError(
      `${error.message}${left}. Go on, on another device with --device wasm, by`,
      { cause: error, command: taskCommand("train", { resume: folder }) },
    );
  }
  if (error instanceof DivergedError && place?.step !== 0) {
    return new UserError(`${error.happened}${left}. A lower rate usually helps:`, {
      cause: error,
      command: `${taskCommand("train", { config: `${folder}/config.json` })} --learning-rate X`,
    });
  }
  return error;
}
