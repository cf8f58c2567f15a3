/**
 * fast-check for the tests. Named here rather than in `deno.json`: a task fetches all packages that
 * stand there before it runs, also those that it does without.
 */
export * from "npm:fast-check@4.10.2";
export { default } from "npm:fast-check@4.10.2";
