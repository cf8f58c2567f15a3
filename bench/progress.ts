/** The progress of a measurement, on a terminal. */
import { progressReporter, standardProgress } from "@unitune/cli";

/**
 * Does something that tells how much of it is done, and shows that on a terminal; elsewhere nothing,
 * since what is measured is printed when it is.
 *
 * @param what The name of the measurement.
 * @param measure Does it; told where to tell how much is done, and of how much.
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
