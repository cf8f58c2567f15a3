/**
 * The command line, and what its commands are made of: settings, data, training runs that go on
 * where they were interrupted, evaluation, and run folders.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { prepare, trainSettings, verifyAnswer } from "@unitune/cli";
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
export * from "./answer_length.ts";
export * from "./answers.ts";
export * from "./batches.ts";
export * from "./compare/arms.ts";
export * from "./compare/measures.ts";
export * from "./compare/statistics.ts";
export * from "./compare/study.ts";
export * from "./compare/table.ts";
export * from "./compare/training.ts";
export * from "./claims.ts";
export * from "./cost.ts";
export * from "./data/dataset.ts";
export * from "./data/fit.ts";
export * from "./data/jsonl.ts";
export * from "./data/lines.ts";
export * from "./data/random.ts";
export * from "./data/read.ts";
export * from "./data/tasks.ts";
export * from "./data/text.ts";
export * from "./data/utf8.ts";
export * from "./data/watch.ts";
export * from "./devices.ts";
export * from "./digest.ts";
export * from "./errors.ts";
export * from "./evaluation.ts";
export * from "./feed.ts";
export * from "./files.ts";
export * from "./flags.ts";
export * from "./glossary.ts";
export * from "./graphemes.ts";
export * from "./help.ts";
export * from "./identities.ts";
export * from "./journal.ts";
export * from "./json_lines.ts";
export * from "./layout.ts";
export * from "./learner.ts";
export * from "./longest.ts";
export * from "./models.ts";
export * from "./nearest.ts";
export * from "./objective_names.ts";
export * from "./offline_feed.ts";
export * from "./optimizer.ts";
export * from "./page.ts";
export * from "./preparation.ts";
export * from "./prepare.ts";
export * from "./progress.ts";
export * from "./prompts.ts";
export * from "./recipes.ts";
export * from "./report.ts";
export * from "./reward_terms.ts";
export * from "./rewards.ts";
export * from "./rollout_feed.ts";
export * from "./room.ts";
export * from "./run_folder.ts";
export * from "./scoring.ts";
export * from "./sealed.ts";
export * from "./settings.ts";
export * from "./shell.ts";
export * from "./splits.ts";
export * from "./stages.ts";
export * from "./terminal.ts";
export * from "./trained.ts";
export * from "./trainer.ts";
export * from "./training_data.ts";
