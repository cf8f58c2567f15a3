/** The progress of a measurement, on a terminal. */
import { progressReporter, standardProgress } from "@unitune/cli";

/**
 * Runs a measurement that reports its progress, and shows the progress on a terminal; elsewhere it
 * shows nothing, since results are printed as soon as they are measured.
 *
 * @param what The name of the measurement.
 * @param measure The measurement; it gets a function to call with the amount done and the whole.
 */
export async function withProgress<T>(
  what: string,
  measure: (progress: (done: number, all: number) => void) => Promise<T>,
): Promise<T> {
  const output = standardProgress();
  if (output.columns() === undefined) return await measure(() => {});
  using stack = new DisposableStack();
  let reporter: ReturnType<typeof progressReporter> | undefined;
  return await measure((done, all) => {
    if (reporter === undefined) {
      output.write(`${what}\n`);
      reporter = stack.use(progressReporter(output, all, all));
    }
    reporter.update(done);
  });
}
