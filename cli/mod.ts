/**
 * The command line, and what its commands are made of: settings, data, training runs that go on
 * where they were interrupted, evaluation, and run folders.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { prepare, trainSettings } from "@unitune/cli";
 * import { verifyAnswer } from "@unitune/training";
 *
 * const { stages, splits } = await prepare(trainSettings({ seed: 1 }));
 * assertEquals(stages.map(({ data }) => data.kind), ["demonstrations"]);
 * assert(splits.every(({ questions }) =>
 *   questions.every(({ gold, isRight }) => isRight?.(gold))
 * ));
 * assert(verifyAnswer({ task: "sort", prompt: "sort 312", completion: "123" }, "123"));
 * ```
 *
 * @module
 */
export * from "./data/jsonl.ts";
export * from "./data/memory.ts";
export * from "./data/preparation_progress.ts";
export * from "./data/prepare.ts";
export * from "./data/prompts.ts";
export * from "./data/data_file.ts";
export * from "./data/text.ts";
export * from "./files/atomic.ts";
export * from "./files/claims.ts";
export * from "./files/digest.ts";
export * from "./files/file_error.ts";
export * from "./files/folders.ts";
export * from "./files/json_lines.ts";
export * from "./files/line_file.ts";
export * from "./files/lines.ts";
export * from "./files/lock.ts";
export * from "./files/read.ts";
export * from "./files/sealed.ts";
export * from "./files/utf8.ts";
export type { FileContent } from "./files/write.ts";
export * from "./flags/flags.ts";
export * from "./flags/help.ts";
export * from "./flags/objective_names.ts";
export * from "./flags/settings.ts";
export * from "./flags/stages.ts";
export * from "./report/glossary.ts";
export * from "./report/page.ts";
export * from "./report/summary.ts";
export * from "./run/answer_length.ts";
export * from "./run/carry_out.ts";
export * from "./run/devices.ts";
export * from "./run/identities.ts";
export * from "./run/journal.ts";
export * from "./run/learner.ts";
export * from "./run/optimizer.ts";
export * from "./run/recipes.ts";
export * from "./run/reward_terms.ts";
export * from "./run/room.ts";
export * from "./run/run_folder.ts";
export * from "./run/run_store.ts";
export * from "./run/trained.ts";
export * from "./study/arms.ts";
export * from "./study/measures.ts";
export * from "./study/statistics.ts";
export * from "./study/study.ts";
export * from "./study/table.ts";
export * from "./study/trial.ts";
export * from "./terminal/errors.ts";
export * from "./terminal/layout.ts";
export * from "./terminal/messages.ts";
export * from "./terminal/progress.ts";
export * from "./terminal/shell.ts";
export * from "./terminal/terminal.ts";
