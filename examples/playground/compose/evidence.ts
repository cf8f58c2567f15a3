/**
 * Evidence by name. The names of a part's evidence are a record over the keys of its type, so that
 * the type checker finds a name that is missing or too many; the page compares the names.
 */
import type {
  IncidentalEvidence,
  LabelEvidence,
  PolicyEvidence,
  Purpose,
  ReferenceEvidence,
  RolloutEvidence,
  TeacherEvidence,
  ValueEvidence,
} from "@unitune/objectives";

/** All evidence on answers, of which a signal gives some. */
export type Evidence = Partial<
  & PolicyEvidence
  & ReferenceEvidence
  & TeacherEvidence
  & RolloutEvidence
  & ValueEvidence
  & LabelEvidence
>;

/** The name of evidence. */
export type EvidenceName = keyof Evidence;

/** The keys of a type that are not optional. */
export type RequiredKeys<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? never : K;
}[keyof T];

/** The names of what a value of a type must have. */
export type Names<T> = Readonly<Record<RequiredKeys<T>, true>>;

/** The names in a table over them. */
export function namesIn<Name extends string>(
  table: Readonly<Partial<Record<Name, unknown>>>,
): Name[] {
  const isName = (text: string): text is Name => Object.hasOwn(table, text);
  return Object.keys(table).filter(isName);
}

/** Tells whether a value has everything that a type asks for. */
export function hasAll<T extends object>(value: object, names: Names<T>): value is T {
  return Object.keys(names).every((name) => name in value);
}

/** What evidence is, for people. */
export const evidenceWords: Readonly<Record<EvidenceName, string>> = {
  logProbs: "log-probabilities of the target tokens",
  mask: "the mask of answer tokens",
  entropy: "entropies of the predictions",
  argmax: "the most likely tokens",
  collision: "log-probabilities that two draws agree",
  logits: "logits",
  divergence: "the divergence from a teacher",
  referenceLogProbs: "log-probabilities under a reference",
  teacher: "a teacher's predictions",
  teacherArgmax: "a teacher's most likely tokens",
  oldLogProbs: "log-probabilities under the policy that sampled",
  advantages: "advantages of a reward",
  values: "predicted values",
  oldValues: "values when the answers were sampled",
  returns: "returns",
  labels: "labels",
  kl: "the reference point of labels",
};

/** The evidence that every optimization may leave unread. */
const incidental: Readonly<Record<IncidentalEvidence, true>> = {
  logProbs: true,
  mask: true,
  entropy: true,
  argmax: true,
  collision: true,
  logits: true,
  divergence: true,
  oldLogProbs: true,
  values: true,
  oldValues: true,
  kl: true,
};

/** The purpose of evidence, as the type has it. */
function purposeOf(name: EvidenceName): Purpose<EvidenceName> {
  return name === "returns" ? "advantages" : name;
}

/** Evidence that a signal gives and an optimization needs, compared. */
export interface Comparison {
  /** Needed, and not given. */
  readonly missing: readonly EvidenceName[];
  /** Given for a purpose, and not read: the type {@linkcode Ignored}. */
  readonly ignored: readonly EvidenceName[];
}

/** Compares the evidence that is given with the evidence that is needed. */
export function compareEvidence(
  gives: readonly EvidenceName[],
  needs: readonly EvidenceName[],
): Comparison {
  const purposes = needs.map(purposeOf);
  return {
    missing: needs.filter((name) => !gives.includes(name)),
    ignored: [...new Set(gives.map(purposeOf))].filter((name) =>
      !purposes.includes(name) && !Object.hasOwn(incidental, name)
    ),
  };
}
