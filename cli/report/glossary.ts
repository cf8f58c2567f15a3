/**
 * Every metric, and what it is: what docs/metrics.md and the reports are made of.
 *
 * @module
 */

import { html, type PageSection } from "./page.ts";

/** A metric. */
export interface GlossaryEntry {
  /** Its name; NAME stands for the names of rewards, kinds of questions or splits. */
  readonly name: string;
  /** What it is, with its unit. */
  readonly meaning: string;
}

/** Metrics that belong together. */
export interface GlossaryGroup {
  /** What they are of. */
  readonly title: string;
  /** The metrics. */
  readonly entries: readonly GlossaryEntry[];
}

const entry = (name: string, meaning: string): GlossaryEntry => ({ name, meaning });

/** The glossary. */
export const glossary: readonly GlossaryGroup[] = [
  {
    title: "Of every step",
    entries: [
      entry("loss", "what is minimized; what it is divided by depends on the objective"),
      entry(
        "nll",
        "the mean of -log p over answer tokens after the tokens before them, in nats; of pairs, over the preferred answers",
      ),
      entry("entropy", "the mean entropy of the next token there, in nats"),
      entry(
        "mean_token_accuracy",
        "the share of answer tokens that are the model's likeliest there",
      ),
      entry("num_tokens", "answer tokens of the step"),
      entry(
        "teacher_agreement",
        "of distillation, the share of answer tokens at which the model's likeliest is the teacher's",
      ),
      entry("lambda", "the share of the model's own token in intuitive states"),
      entry("grad_norm", "the norm of the whole gradient before clipping"),
      entry("learning_rate", "that of the step"),
      entry("epoch", "how often everything was seen"),
      entry("cost/examples", "rows that a gradient was taken of since the start of the run"),
      entry(
        "cost/forward_tokens",
        "tokens that a model has read or written since then: in training, scoring and sampling; padding is not counted",
      ),
      entry("cost/backward_tokens", "tokens that a gradient was taken through since then"),
    ],
  },
  {
    title: "Of preferences",
    entries: [
      entry(
        "rewards/chosen",
        "the mean implicit reward beta log(pi/ref) of preferred answers; of a reward model, their mean score",
      ),
      entry("rewards/rejected", "that of the other answers"),
      entry("rewards/margins", "the first less the second; it has to rise"),
      entry("rewards/accuracies", "the share of pairs whose preferred answer has the larger one"),
      entry("logps/chosen", "the mean log-probability of preferred answers, in nats an answer"),
      entry(
        "logps/rejected",
        "that of the other answers; where both fall, the margin rises at the expense of everything else",
      ),
    ],
  },
  {
    title: "Of rollouts",
    entries: [
      entry("reward", "the mean weighted sum of the rewards of sampled answers"),
      entry(
        "reward_std",
        "its mean standard deviation within groups; 0 where nothing is to be learned",
      ),
      entry(
        "rewards/NAME",
        "the mean of one reward, unweighted, over the answers that it can judge",
      ),
      entry("unscorable", "the share of answers that no reward can judge; they teach nothing"),
      entry(
        "kl",
        "the estimated divergence of the policy from the one before the stage: the mean of k3 over answer tokens, in nats, both at the sampling temperature; of KTO, its reference point",
      ),
      entry("clip_ratio/low", "the share of tokens that clipping below left without gradient"),
      entry("clip_ratio/high", "the share that clipping above did"),
      entry("completions/mean_length", "the mean length of answers, in tokens"),
      entry("completions/min_length", "the length of the shortest"),
      entry("completions/max_length", "the length of the longest"),
      entry("completions/clipped_ratio", "the share of answers that were cut off before their end"),
    ],
  },
  {
    title: "Of an evaluation",
    entries: [
      entry("eval_loss", "the plain cross-entropy on what was kept aside, whatever the objective"),
      entry("eval_entropy", "the mean entropy of the next token there, in nats"),
      entry("eval_mean_token_accuracy", "as above, on what was kept aside"),
      entry("eval_num_tokens", "how many tokens that were"),
      entry("eval_exact_match", "answers given freely and greedily that are right"),
      entry(
        "eval_forced_exact_match",
        "gold answers whose every token is the likeliest, given those before it",
      ),
      entry(
        "eval_exact_match_gap",
        "the second less the first: the gap of exposure; below 0 where another answer than the gold one is right",
      ),
      entry("eval_exact_match/NAME", "the same of one kind of question"),
      entry("eval_forced_exact_match/NAME", "the same of one kind of question"),
      entry("eval_rewards/chosen", "as above, on pairs that were kept aside"),
      entry("eval_rewards/rejected", "as above, on pairs that were kept aside"),
      entry("eval_rewards/margins", "as above, on pairs that were kept aside"),
      entry("eval_rewards/accuracies", "as above, on pairs that were kept aside"),
      entry("eval_logps/chosen", "as above, on pairs that were kept aside"),
      entry("eval_logps/rejected", "as above, on pairs that were kept aside"),
    ],
  },
  {
    title: "Of a comparison",
    entries: [
      entry("exact_match", "test answers given freely and greedily that are right"),
      entry("exact_match/NAME", "the same of one kind of question"),
      entry("NAME/exact_match", "the same of another split: longer, reformatted, validation"),
      entry(
        "mistaught/exact_match",
        "right answers to training prompts whose answers noise has made wrong",
      ),
      entry("mean@k", "the share of k answers sampled at temperature 1 that are right"),
      entry("pass@k", "the share of prompts of whose k sampled answers one is right"),
      entry("gap", "teacher-forced less free exact match: the gap of exposure"),
      entry(
        "recovery",
        "the share of answers whose rest is right after their first token was forced to be a wrong one, of questions where the rest does not depend on it",
      ),
      entry(
        "kl_to_start",
        "KL(pi || start) of the next token, exact, the mean over the model's own sampled answers, in nats a token",
      ),
      entry("sampled_entropy", "the mean entropy of the next token there, in nats"),
      entry("length", "the mean length of sampled answers, in tokens"),
      entry("pairs/accuracy", "eval_rewards/accuracies at the end"),
      entry("pairs/margin_before", "eval_rewards/margins at the start"),
      entry("pairs/margin", "eval_rewards/margins at the end"),
    ],
  },
];

/**
 * What a metric is.
 *
 * @param name Its name as a file has it.
 * @returns The entry; undefined where there is none.
 *
 * @example
 * ```ts
 * import { meaningOf } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(meaningOf("eval_exact_match/pick")?.name, "eval_exact_match/NAME");
 * assertEquals(meaningOf("elapsed"), undefined);
 * ```
 */
export function meaningOf(name: string): GlossaryEntry | undefined {
  const all = glossary.flatMap(({ entries }) => entries);
  const exact = all.find((entry) => entry.name === name);
  return exact ?? all.find(({ name: pattern }) => {
    const [before = "", after] = pattern.split("NAME");
    return after !== undefined && name.startsWith(before) && name.endsWith(after);
  });
}

/**
 * The glossary as a document.
 *
 * @returns Markdown.
 *
 * @example
 * ```ts
 * import { glossaryMarkdown } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(glossaryMarkdown(), "- `pass@k`: the share of prompts");
 * ```
 */
export function glossaryMarkdown(): string {
  return [
    "# Metrics",
    ...glossary.flatMap(({ title, entries }) => [
      "",
      `## ${title}`,
      "",
      ...entries.map(({ name, meaning }) => `- \`${name}\`: ${meaning}.`),
    ]),
    "",
  ].join("\n");
}

/**
 * The glossary as a part of a page.
 *
 * @param names The metrics that are explained; all unless told.
 * @returns The section.
 */
export function metricsSection(names?: readonly string[]): PageSection {
  const wanted = names === undefined
    ? undefined
    : new Set(names.flatMap((name) => meaningOf(name) ?? []));
  const terms = glossary.flatMap(({ entries }) => entries)
    .filter((entry) => wanted?.has(entry) ?? true)
    .map(({ name, meaning }) => html`<dt><code>${name}</code></dt><dd>${meaning}</dd>\n`);
  return { title: "What the metrics are", body: html`<dl class="terms">\n${terms}</dl>\n` };
}
