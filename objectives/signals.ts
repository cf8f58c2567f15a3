/** Signals on any prior states: the target token, a reference, a teacher. */
import { cast, mapTree, type None, stopGradient, type Tensor } from "@unitune/core";
import type { Signal, States } from "./estimation.ts";
import { type Demonstrations, targetsOf } from "./gold.ts";
import type { PolicyEvidence, ReferenceEvidence, TeacherEvidence } from "./optimization.ts";
import type { Model } from "./policy.ts";
import { type Guided, guidedPart, predictedBehind, type TeacherReading } from "./privileged.ts";

/** The evidence that every signal gives, each part computed on demand. */
export function seen(
  { logProbs, entropy, collision, argmax, logits, divergence, mask }: States,
): PolicyEvidence {
  return { logProbs, entropy, collision, argmax, logits, divergence, mask };
}

/**
 * The indicator of the target token, `1[a = pi*(s*)]`: the target is right, every other token
 * wrong. The evidence is its log-probability on each prior state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator } from "@unitune/objectives";
 *
 * assertEquals(estimate(gold, indicator).description.data, ["demonstration"]);
 * ```
 */
export const indicator: Signal<unknown, None, PolicyEvidence> = {
  description: { signal: () => "target token, 1[a = pi*(s_n)]", models: [], data: [], asks: [] },
  collect: () => ({}),
  compare: (states) => ({ evidence: seen(states), metrics: {} }),
};

/** Log-probabilities of a batch's tokens under a reference, computed beforehand. */
export interface ReferenceScores {
  /**
   * `[B, T]`, in nats: the entry at t belongs to `ids[b, t]`; entries off the answer are not read. Of
   * a packed batch, `[N, M + 1]`: the entry at t belongs to token t of a text.
   */
  readonly referenceLogProbs: Tensor;
}

/** The scores that {@linkcode againstReference} collects. */
export interface Referenced {
  /** Log-probabilities of the targets, `[B, T-1]`. */
  readonly referenceLogProbs: Tensor;
}

/**
 * The target token under the policy and under a fixed reference. With `"precomputed"`, the batch
 * holds the reference's log-probabilities. A model is asked without dropout, on its own prior
 * states of the same kind: gold states are the same for all models, intuitive ones have the
 * reference's own tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { againstReference, estimate, gold } from "@unitune/objectives";
 *
 * const { data, forwardPasses } = estimate(gold, againstReference("precomputed")).description;
 * assertEquals(data, ["demonstration", "reference log-probs"]);
 * assertEquals(forwardPasses, 1);
 * ```
 *
 * @param reference `"precomputed"`, or the reference policy at its parameters.
 * @returns The signal.
 */
export function againstReference(
  reference: "precomputed",
): Signal<ReferenceScores, Referenced, ReferenceEvidence & PolicyEvidence>;
/** The same with a reference policy in place of its log-probabilities. */
export function againstReference(
  reference: Model,
): Signal<unknown, Referenced, ReferenceEvidence & PolicyEvidence>;
export function againstReference(
  reference: "precomputed" | Model,
): Signal<ReferenceScores, Referenced, ReferenceEvidence & PolicyEvidence> {
  const given = reference === "precomputed";
  return {
    description: {
      signal: () => "target token, pi against a reference",
      models: ["reference"],
      data: given ? ["reference log-probs"] : [],
      asks: given ? [] : ["reference"],
    },
    collect(_model, batch, ask) {
      if (given) return { referenceLogProbs: targetsOf(batch.referenceLogProbs) };
      return { referenceLogProbs: stopGradient(ask(reference).logProbs()) };
    },
    compare(states, collected) {
      const evidence = seen(states);
      const referenceLogProbs = cast(collected.referenceLogProbs, evidence.mask.dtype);
      return { evidence: { ...evidence, referenceLogProbs }, metrics: {} };
    },
  };
}

/** The options of {@linkcode teacher}. */
export interface TeacherOptions {
  /** What it reads (default `"same"`). */
  readonly reading?: TeacherReading;
  /** The model's name in descriptions: a teacher, or the reference (default `"teacher"`). */
  readonly role?: "teacher" | "reference";
}

/** The tensors that {@linkcode teacher} collects. */
export type Taught = Pick<TeacherEvidence, "teacher" | "teacherArgmax">;

/**
 * A teacher's predictions, asked without dropout. It reads what the policy reads, on its own prior
 * states of the same kind; or the same answers behind prompts that say more, such as the right
 * answer. Then the teacher may be the policy itself, as it is in this step (`"self"`), or as it was
 * (self-distillation: arXiv 2601.19897, 2601.18734, 2601.20802).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   distilled,
 *   estimate,
 *   gold,
 *   modelOfLogits,
 *   objective,
 *   sampled,
 *   teacher,
 * } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * const distillation = objective(estimate(gold, teacher(model)), distilled());
 * assertEquals(distillation.description.models, ["policy", "teacher"]);
 * const self = estimate(sampled, teacher("self", { reading: "privileged" })).description;
 * assertEquals([self.models, self.data], [["policy"], ["rollout", "privileged prompt"]]);
 * ```
 *
 * @param source The teacher at its parameters, over the policy's vocabulary; or the policy itself.
 * @param options What it reads, and its name.
 * @returns The signal.
 */
export function teacher(
  source: Model | "self",
  options: TeacherOptions & { readonly reading: "privileged" },
): Signal<
  Guided & Pick<Demonstrations, "mask" | "temperature">,
  Taught,
  TeacherEvidence & PolicyEvidence
>;
/** The same of a teacher that reads what the policy reads. */
export function teacher(
  source: Model | "self",
  options?: TeacherOptions & { readonly reading?: "same" },
): Signal<unknown, Taught, TeacherEvidence & PolicyEvidence>;
export function teacher(
  source: Model | "self",
  { reading = "same", role = "teacher" }: TeacherOptions = {},
): Signal<
  Guided & Pick<Demonstrations, "mask" | "temperature">,
  Taught,
  TeacherEvidence & PolicyEvidence
> {
  const isSelf = source === "self";
  const isPrivileged = reading === "privileged";
  const asking = isSelf ? "policy" : role;
  const who = isSelf ? "the policy's own predictions" : `a ${role}'s predictions`;
  return {
    description: {
      signal: () => isPrivileged ? `${who} behind a privileged prompt` : who,
      models: isSelf ? [] : [role],
      data: isPrivileged ? ["privileged prompt"] : [],
      asks: [isPrivileged ? `privileged ${asking}` : asking],
    },
    collect(model, batch, ask) {
      const asked = isSelf ? model : source;
      const { distribution, argmax } = isPrivileged
        ? predictedBehind(asked, guidedPart("teacher", batch, "privileged"), batch)
        : ask(asked);
      return { teacher: mapTree(distribution(), stopGradient), teacherArgmax: argmax() };
    },
    compare: (states, collected) => ({
      evidence: { ...seen(states), ...collected },
      metrics: {},
    }),
  };
}
