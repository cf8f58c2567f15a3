/**
 * fast-check for the tests. Named here rather than in `deno.json`: a task fetches all packages that
 * stand there before it runs, also those that it does without.
 */
import fc from "npm:fast-check@4.10.2";

// The same examples in every run, so that a failure is one of the change that was made. Another number
// draws others; a property that fails prints it.
fc.configureGlobal({ seed: 1 });

export * from "npm:fast-check@4.10.2";
export { default } from "npm:fast-check@4.10.2";
