/** Steps of several processes as a table. */

/** What was measured of steps among some processes. */
export interface StepTime {
  /** The number of processes. */
  readonly processes: number;
  /** The rows of a step, of all processes together. */
  readonly rows: number;
  /** The median time of a step in milliseconds. */
  readonly milliseconds: number;
  /** The part of it in which the first process summed, or waited for the sums of others. */
  readonly sums: number;
  /** The number of parameters, each of which has a gradient of 4 bytes. */
  readonly parameters: number;
}

/**
 * A table of steps. The speed-up is that of the rows in a second, relative to one process; the
 * efficiency is a process's share of it.
 *
 * @param times The times, that of one process first.
 * @returns The lines.
 * @throws {RangeError} If there is none of one process.
 */
export function scalingLines(times: readonly StepTime[]): readonly string[] {
  const [one] = times;
  if (one?.processes !== 1) throw new RangeError("scalingLines: the first is of one process");
  const pace = ({ rows, milliseconds }: StepTime) => rows / milliseconds;
  return [
    "| processes | rows of a step | step | in sums | speed-up | efficiency |",
    "| --- | --- | --- | --- | --- | --- |",
    ...times.map((time) => {
      const speedUp = pace(time) / pace(one);
      const cells = [
        `${time.processes}`,
        `${time.rows}`,
        `${time.milliseconds.toFixed(0)} ms`,
        `${time.sums.toFixed(0)} ms`,
        speedUp.toFixed(2),
        `${(100 * speedUp / time.processes).toFixed(0)} %`,
      ];
      return `| ${cells.join(" | ")} |`;
    }),
  ];
}
