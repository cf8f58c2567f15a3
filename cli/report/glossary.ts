/**
 * The definition of every metric: the source of docs/metrics.md and of the reports' glossaries.
 *
 * @module
 */

import { html, type PageSection, terms } from "./page.ts";

/** A metric. */
export interface GlossaryEntry {
  /** Its name; NAME stands for the names of rewards, kinds of questions or splits. */
  readonly name: string;
  /** Its definition, with its unit. */
  readonly meaning: string;
}

/** A group of metrics. */
export interface GlossaryGroup {
  /** The heading of the group. */
  readonly title: string;
  /** The metrics. */
  readonly entries: readonly GlossaryEntry[];
}

const entry = (name: string, meaning: string): GlossaryEntry => ({ name, meaning });

/** The glossary. */
export const glossary: readonly GlossaryGroup[] = [
  {
    title: "Training step",
    entries: [
      entry("loss", "the value being minimized. Each objective states its own normalizer"),
      entry(
        "nll",
        "mean negative log-likelihood of the answer tokens under teacher forcing, in nats per token. For pairs: of the chosen answers",
      ),
      entry("entropy", "mean entropy of the next-token distribution at the answer tokens, in nats"),
      entry("mean_token_accuracy", "fraction of answer tokens that the model predicts by arg max"),
      entry("num_tokens", "number of answer tokens in the step"),
      entry(
        "padding",
        "fraction of the positions of the step's batches that hold no token of a row",
      ),
      entry(
        "teacher_agreement",
        "fraction of answer tokens at which the model and its teacher have the same arg max (distillation)",
      ),
      entry("lambda", "share of the model's own token in intuitive states"),
      entry("grad_norm", "global norm of the gradient before clipping"),
      entry("learning_rate", "learning rate of the step"),
      entry("epoch", "number of passes over the training data so far"),
      entry("cost/examples", "number of rows with a backward pass since the start of the run"),
      entry(
        "cost/forward_tokens",
        "number of tokens that any model has read or written since the start of the run, in training, scoring and sampling. Padding is not counted",
      ),
      entry(
        "cost/backward_tokens",
        "number of tokens with a backward pass since the start of the run",
      ),
    ],
  },
  {
    title: "Preferences",
    entries: [
      entry(
        "rewards/chosen",
        "mean implicit reward beta log(pi/ref) of the chosen answers. For a reward model: their mean score",
      ),
      entry(
        "rewards/rejected",
        "mean implicit reward of the rejected answers. For a reward model: their mean score",
      ),
      entry(
        "rewards/margins",
        "mean of the chosen reward minus the rejected reward. It has to rise during training",
      ),
      entry(
        "rewards/accuracies",
        "fraction of pairs in which the chosen answer has the higher reward",
      ),
      entry(
        "rewards/right_steps",
        "mean score of right steps by a process reward model, their log-odds of being right",
      ),
      entry("rewards/wrong_steps", "mean score of wrong steps"),
      entry(
        "rewards/step_accuracies",
        "fraction of steps whose score is above 0 if they are right, and not above 0 if they are wrong",
      ),
      entry(
        "rewards/mean",
        "mean implicit reward of all answers of a step, whatever their label",
      ),
      entry(
        "reward_shift",
        "mean implicit reward of all answers since the start of the stage, which BCO subtracts",
      ),
      entry("logps/chosen", "mean log-probability of the chosen answers, in nats per answer"),
      entry(
        "logps/rejected",
        "mean log-probability of the rejected answers, in nats per answer. If logps/chosen falls as well, probability moves to other answers although the margin rises",
      ),
    ],
  },
  {
    title: "Rollouts",
    entries: [
      entry(
        "reward",
        "mean reward of the sampled answers. The reward of an answer is the weighted sum of all reward functions",
      ),
      entry(
        "reward_std",
        "standard deviation of the reward within a group, averaged over groups. At 0 there is nothing to learn",
      ),
      entry(
        "rewards/NAME",
        "mean of one reward function, without its weight, over the answers that it can score",
      ),
      entry(
        "unscorable",
        "fraction of answers that no reward function can score. They teach nothing",
      ),
      entry(
        "given_answers",
        "1 in a step that learns right answers of the data, 0 in one that learns from the policy's own. In the former, reward functions are shown as of the latest own answers",
      ),
      entry(
        "replayed_groups",
        "fraction of the step's groups that are earlier ones, in the places of groups of equal rewards",
      ),
      entry(
        "kl",
        "estimate of KL(policy || reference) at the sampling temperature: the mean of k3 over answer tokens, in nats per token. The reference is the policy before the stage. For KTO: its reference point",
      ),
      entry(
        "clip_ratio/low",
        "fraction of tokens without gradient because their importance ratio is below the lower clip bound",
      ),
      entry(
        "clip_ratio/high",
        "fraction of tokens without gradient because their importance ratio is above the upper clip bound",
      ),
      entry(
        "rewards/implicit",
        "mean implicit reward beta log(pi/ref) of the answers, which A*-PO fits to their advantages",
      ),
      entry(
        "teacher_kl",
        "mean of log(p_old/p_teacher) over the tokens of sampled answers, an estimate of KL(policy || teacher), in nats per token",
      ),
      entry(
        "entropy_weight",
        "weight of the entropy bonus in the step; 0 where the bonus did not count",
      ),
      entry("completions/mean_length", "mean length of the answers, in tokens"),
      entry("completions/min_length", "length of the shortest answer, in tokens"),
      entry("completions/max_length", "length of the longest answer, in tokens"),
      entry("completions/clipped_ratio", "fraction of answers that were cut off before they ended"),
    ],
  },
  {
    title: "Evaluation",
    entries: [
      entry(
        "eval_loss",
        "cross-entropy on held-out data, in nats per token, whatever the objective",
      ),
      entry(
        "eval_entropy",
        "mean entropy of the next-token distribution on held-out data, in nats",
      ),
      entry(
        "eval_mean_token_accuracy",
        "fraction of held-out answer tokens that the model predicts by arg max",
      ),
      entry("eval_num_tokens", "number of held-out answer tokens"),
      entry(
        "eval_exact_match",
        "fraction of prompts that the model answers correctly by greedy decoding",
      ),
      entry(
        "eval_forced_exact_match",
        "fraction of gold answers whose every token the model predicts by arg max under teacher forcing",
      ),
      entry(
        "eval_exact_match_gap",
        "eval_forced_exact_match minus eval_exact_match: the gap of exposure bias. It is negative where the model gives correct answers other than the gold one",
      ),
      entry("eval_exact_match/NAME", "eval_exact_match of one kind of question"),
      entry("eval_forced_exact_match/NAME", "eval_forced_exact_match of one kind of question"),
      entry("eval_rewards/chosen", "rewards/chosen on held-out pairs"),
      entry("eval_rewards/rejected", "rewards/rejected on held-out pairs"),
      entry("eval_rewards/margins", "rewards/margins on held-out pairs"),
      entry("eval_rewards/accuracies", "rewards/accuracies on held-out pairs"),
      entry("eval_rewards/right_steps", "rewards/right_steps on held-out answers"),
      entry("eval_rewards/wrong_steps", "rewards/wrong_steps on held-out answers"),
      entry("eval_rewards/step_accuracies", "rewards/step_accuracies on held-out answers"),
      entry("eval_logps/chosen", "logps/chosen on held-out pairs"),
      entry("eval_logps/rejected", "logps/rejected on held-out pairs"),
    ],
  },
  {
    title: "Comparison (`deno task compare`)",
    entries: [
      entry(
        "exact_match",
        "fraction of test prompts that the model answers correctly by greedy decoding",
      ),
      entry("exact_match/NAME", "exact_match of one kind of question"),
      entry("NAME/exact_match", "exact_match on another split: longer, reformatted or validation"),
      entry("validation/NAME", "NAME on validation data, by which settings are chosen"),
      entry(
        "mistaught/exact_match",
        "exact_match on the training prompts whose gold answers noise has made wrong",
      ),
      entry("mean@k", "fraction of correct answers among k samples per prompt at temperature 1"),
      entry("pass@k", "fraction of prompts with at least one correct answer among their k samples"),
      entry("gap", "teacher-forced exact match minus exact_match: the gap of exposure bias"),
      entry(
        "recovery",
        "fraction of prompts whose answer goes on correctly after its first token was forced to be wrong. Only questions count where the rest of the answer does not depend on that token",
      ),
      entry(
        "kl_to_start",
        "KL(pi || start) of the next-token distribution, computed exactly, averaged over the model's own sampled answers, in nats per token",
      ),
      entry(
        "sampled_entropy",
        "mean entropy of the next-token distribution on the sampled answers, in nats",
      ),
      entry("length", "mean length of the sampled answers, in tokens"),
      entry("pairs/accuracy", "eval_rewards/accuracies at the end of training"),
      entry("pairs/margin_before", "eval_rewards/margins at the start of training"),
      entry("pairs/margin", "eval_rewards/margins at the end of training"),
    ],
  },
  {
    title: "Exposure (`deno task exposure`)",
    entries: [
      entry(
        "forced_token_accuracy",
        "fraction of the tokens of gold answers, the stop token among them, that the model predicts by arg max with the gold tokens before them",
      ),
      entry(
        "forced_step_accuracy",
        "fraction of the steps of gold answers whose tokens are all predicted so: of the steps that the model would write, greedily, from the states of the data",
      ),
      entry(
        "own_token_accuracy",
        "fraction of the tokens of greedy answers that stand in their place in the right step of the state that the model's own steps, right or wrong, have led to. After a text that is no step, nothing is right",
      ),
      entry(
        "own_step_accuracy",
        "fraction of the steps of greedy answers that are right in the state that the model's own steps, right or wrong, have led to",
      ),
      entry(
        "token_gap",
        "forced_token_accuracy minus own_token_accuracy: exposure bias, of tokens",
      ),
      entry(
        "step_gap",
        "forced_step_accuracy minus own_step_accuracy: exposure bias, of steps. It is 0 for a model that does as well in the states that it reaches as in those of the data, however often a mistake leads it away from the gold answer",
      ),
      entry(
        "answer_token_accuracy",
        "fraction of the tokens of gold answers that the greedy answer has in the same place",
      ),
      entry(
        "answer_token_gap",
        "forced_token_accuracy minus answer_token_accuracy: what mistakes cost together with all that follows from them",
      ),
      entry(
        "answer_step_accuracy",
        "fraction of the steps of gold answers that the greedy answer has in the same place",
      ),
      entry("answer_step_gap", "forced_step_accuracy minus answer_step_accuracy"),
      entry(
        "step_recovery",
        "fraction of questions in which the step after a forced wrong one is right in the state that it has led to. The place and the mistake are drawn for each question",
      ),
      entry(
        "step_recovery_control",
        "fraction of the same questions in which the step after the right one in that place is right",
      ),
      entry(
        "answer_recovery",
        "fraction of questions in which all that follows the forced wrong step is what the world says",
      ),
      entry(
        "solved_after_mistake",
        "fraction of questions that are solved in spite of the forced wrong step, which only some mistakes allow",
      ),
      entry(
        "state_distance",
        "total variation, half the sum of |p - q|, between the states before the steps of gold answers and those before the steps of greedy answers to the same prompts, which are counted exactly",
      ),
      entry(
        "classifier_distance",
        "balanced accuracy, minus 0.5, of logistic regression that tells both kinds of states apart by the pairs of neighbours among the last 16 characters. It learns from every other question and is judged on the rest; 0 is no better than a coin",
      ),
      entry(
        "reached_share",
        "fraction of the tokens of gold answers before which greedy decoding writes what stands there: the share of the tokens that SFT learns in states that the model reaches",
      ),
      entry(
        "sampled_share",
        "the same for answers sampled at temperature 1: the mean probability of what stands before a token",
      ),
      entry(
        "cosine/NAME",
        "cosine of the angle between the gradient of an objective and that of GRPO with the verifier's reward, on 8 answers sampled to each prompt. The objective learns from gold answers to the same prompts, or, where a teacher judges, from the same sampled answers. NaN where all rewards of each prompt are equal",
      ),
      entry(
        "step_cosine/NAME",
        "the same with another reward, the fraction of an answer's steps that are right in the states in which they are written. It tells answers apart where none is right as a whole",
      ),
      entry(
        "projection_reward",
        "mean reward of the answers with which gradients are compared",
      ),
      entry(
        "projection_step_reward",
        "the same of the fraction of right steps",
      ),
    ],
  },
  {
    title:
      "Exposure by a better model (`deno task exposure --teacher`, `deno task compare --study language`)",
    entries: [
      entry(
        "gold_kl",
        "KL(o || p) of the next-token distribution of the model p, from that of a better model o that is taken for the truth, computed exactly, averaged over the tokens of gold answers, the stop token among them, in nats per token",
      ),
      entry(
        "own_kl",
        "gold_kl of the tokens of answers that p has sampled at temperature 1 to the same prompts, in place of gold answers",
      ),
      entry(
        "excess_error",
        "own_kl / gold_kl - 1, the excess accumulated error of Arora et al., 2022 (arXiv 2204.01171), per token. It is 0 for a model that is as close to the better one in states of its own as in those of the data, and above 0 where exposure bias is",
      ),
    ],
  },
];

/**
 * Looks up the definition of a metric.
 *
 * @param name The name of the metric, as in `metrics.jsonl`.
 * @returns The entry, or undefined for an unknown name.
 *
 * @example
 * ```ts
 * import { meaningOf } from "@unitune/cli/glossary";
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
 * The glossary as a Markdown document.
 *
 * @returns The document.
 *
 * @example
 * ```ts
 * import { glossaryMarkdown } from "@unitune/cli/glossary";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(glossaryMarkdown(), "- `pass@k`: fraction of prompts");
 * ```
 */
export function glossaryMarkdown(): string {
  return [
    "# Metrics",
    "",
    "These are the metrics in `metrics.jsonl` and in reports. NAME stands for a reward function, " +
    "a kind of question or a split.",
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
 * The glossary as a section of a page.
 *
 * @param names The metrics to explain (default: all of them).
 * @returns The section.
 */
export function metricsSection(names?: readonly string[]): PageSection {
  const wanted = names === undefined
    ? undefined
    : new Set(names.flatMap((name) => meaningOf(name) ?? []));
  const shown = glossary.flatMap(({ entries }) => entries)
    .filter((entry) => wanted?.has(entry) ?? true);
  return {
    title: "Metrics",
    body: terms(shown.map(({ name, meaning }) => [html`<code>${name}</code>`, `${meaning}.`])),
  };
}
