/**
 * What trains a language model: rows as batches, feeds, samples and their rewards, evaluation.
 *
 * @module
 */
export * from "./answer_length.ts";
export * from "./answers.ts";
export * from "./batches.ts";
export * from "./cost.ts";
export * from "./data/dataset.ts";
export * from "./data/examples.ts";
export * from "./data/fit.ts";
export * from "./data/mismatched.ts";
export * from "./data/tasks.ts";
export * from "./data/watch.ts";
export * from "./errors.ts";
export * from "./evaluation.ts";
export * from "./events.ts";
export * from "./feeds/feed.ts";
export * from "./feeds/forms.ts";
export * from "./feeds/offline.ts";
export * from "./feeds/rollouts.ts";
export * from "./graphemes.ts";
export * from "./identities.ts";
export * from "./kinds/stage.ts";
export * from "./learner.ts";
export * from "./longest.ts";
export * from "./material.ts";
export * from "./message.ts";
export * from "./models.ts";
export * from "./nearest.ts";
export * from "./optimizer.ts";
export * from "./own_answers.ts";
export * from "./preparation.ts";
export * from "./random.ts";
export * from "./reward_terms.ts";
export * from "./rewards.ts";
export * from "./sampler.ts";
export * from "./scorer.ts";
export * from "./settings.ts";
export * from "./splits.ts";
export * from "./stages.ts";
export * from "./store.ts";
export * from "./task_material.ts";
export * from "./timetable.ts";
export * from "./trainee.ts";
export * from "./trainer.ts";
