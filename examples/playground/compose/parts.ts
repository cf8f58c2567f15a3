/**
 * The three columns: prior states, signals and optimizations, each a part of `@unitune/objectives`
 * with its options, the TypeScript that makes it, and the names of its evidence.
 */
import {
  advantage,
  type AdvantageForm,
  againstReference,
  type AskedModels,
  both,
  cappedPolicyGradient,
  clipped,
  clippedDefaults,
  contrastivePreference,
  type DataKind,
  type Demonstrations,
  distilled,
  entryNamed,
  estimator,
  gae,
  type GivenOptions,
  gold,
  importanceWeightedNll,
  indicator,
  intuitive,
  kahnemanTversky,
  kl,
  labelled,
  neftune,
  nll,
  objectiveRegistry,
  oddsRatio,
  onChosen,
  type Optimization,
  type Option,
  type OptionTable,
  type OptionValues,
  optionValues,
  pairwise,
  type PairwiseOptions,
  penalized,
  type PolicyEvidence,
  policyGradient,
  type PriorStates,
  probabilityWeightedNll,
  propagated,
  type ReferenceEvidence,
  type RolloutEvidence,
  sampled,
  scheduled,
  type Sides,
  type Signal,
  simplePreference,
  sumOf,
  teacher,
  type TokenEvidence,
  valueRegression,
  weight,
} from "@unitune/objectives";
import { type Evidence, type EvidenceName, hasAll, type Names, namesIn } from "./evidence.ts";

/** The part that every part has. */
interface PartBase {
  /** Its name in an address. */
  readonly name: string;
  /** Its name for people. */
  readonly title: string;
  /** Its options; those of one name are one option of the objective. */
  readonly options: OptionTable;
  /** The expression that makes it. */
  readonly code: (values: GivenOptions) => string;
}

/** Prior states. */
export interface StatesPart extends PartBase {
  /** Whether they are of answers that the policy sampled, and which of these are learned. */
  readonly sampling: "none" | "all" | "best";
  /** Hands the states to a function. */
  readonly use: <R>(
    values: GivenOptions,
    then: <C>(states: PriorStates<Demonstrations, C>) => R,
  ) => R;
}

/** A signal. */
export interface SignalPart extends PartBase {
  /** The evidence that it gives. */
  readonly gives: readonly EvidenceName[];
  /** The data that it reads. */
  readonly data: DataKind;
  /** Whether it reads the log-probabilities of a reference. */
  readonly reads: "reference" | "nothing";
  /** Whether it asks a teacher. */
  readonly asksTeacher: boolean;
  /** Whether the policy needs a value head. */
  readonly hasValues: boolean;
  /** Hands the signal to a function. */
  readonly use: <R>(
    values: GivenOptions,
    models: AskedModels,
    then: <X>(signal: Signal<Demonstrations, X, Evidence>) => R,
  ) => R;
}

/** An optimization, of answers or of pairs. */
export type OptimizationPart =
  & PartBase
  & {
    /** The evidence that it needs; for pairs, of each side. */
    readonly needs: readonly EvidenceName[];
  }
  & (
    | {
      readonly on: "answers";
      readonly make: (values: GivenOptions) => Optimization<Evidence>;
    }
    | {
      readonly on: "pairs";
      readonly make: (values: GivenOptions) => Optimization<Sides<Evidence>>;
    }
  );

/** An option of an objective of the registry. */
function optionOf(objective: string, name: string): Option {
  const option = entryNamed(objectiveRegistry, objective)?.options[name];
  if (option === undefined) throw new RangeError(`parts: ${objective} has no option ${name}`);
  return option;
}

/** A number of an objective of the registry, with its range and default. */
function numberOf(objective: string, name: string) {
  const option = optionOf(objective, name);
  if (option.kind !== "number" && option.kind !== "integer") {
    throw new RangeError(`parts: ${name} of ${objective} is no number`);
  }
  const { default: usual } = option;
  if (usual === undefined) throw new RangeError(`parts: ${name} of ${objective} has no default`);
  return { ...option, default: usual };
}

const lambda = numberOf("ift", "lambda");
const gamma = numberOf("ift", "gamma");
const beta = numberOf("dpo", "beta");
const groupSize = numberOf("grpo", "groupSize");
/** The size of groups whose best answer is set over the worst. */
export const rankedGroupSize: Option = numberOf("online-dpo", "groupSize");

const klWeight = numberOf("grpo-kl", "klWeight");
const penalty = numberOf("ppo", "klWeight");
const valueWeight = numberOf("ppo", "valueWeight");

/** The values of a part's options, out of those of an objective. */
function own<const Table extends OptionTable>(
  name: string,
  table: Table,
  values: GivenOptions,
): OptionValues<Table> {
  return optionValues(
    name,
    table,
    Object.fromEntries(Object.keys(table).map((option) => [option, values[option]])),
  );
}

/** Prior states as a part. */
function statesPart<C, const Table extends OptionTable>(
  { options, make, code, ...part }:
    & Pick<StatesPart, "name" | "title">
    & Partial<Pick<StatesPart, "sampling">>
    & {
      readonly options: Table;
      readonly code: (values: OptionValues<Table>) => string;
      readonly make: (values: OptionValues<Table>) => PriorStates<Demonstrations, C>;
    },
): StatesPart {
  return {
    sampling: "none",
    ...part,
    options,
    code: (values) => code(own(part.name, options, values)),
    use: (values, then) => then(make(own(part.name, options, values))),
  };
}

/** A signal as a part: its batch and its evidence are named in full. */
function signalPart<D extends object, X, E extends Evidence, const Table extends OptionTable>(
  { options, make, code, gives, fields, ...part }:
    & Pick<SignalPart, "name" | "title">
    & Partial<Pick<SignalPart, "data" | "reads" | "asksTeacher" | "hasValues">>
    & {
      readonly options: Table;
      readonly code: (values: OptionValues<Table>) => string;
      readonly gives: NoInfer<Names<E>>;
      readonly fields: NoInfer<Names<D>>;
      readonly make: (values: OptionValues<Table>, models: AskedModels) => Signal<D, X, E>;
    },
): SignalPart {
  const { name } = part;
  return {
    data: "demonstrations",
    reads: "nothing",
    asksTeacher: false,
    hasValues: false,
    ...part,
    options,
    gives: namesIn<EvidenceName>(gives),
    code: (values) => code(own(name, options, values)),
    use: (values, models, then) => {
      const signal = make(own(name, options, values), models);
      return then({
        ...signal,
        collect(model, batch: object, ask) {
          if (hasAll<D>(batch, fields)) return signal.collect(model, batch, ask);
          throw new TypeError(`${name}: expected a batch with ${Object.keys(fields).join(", ")}`);
        },
      });
    },
  };
}

interface OptimizationRow<N, O, Table extends OptionTable>
  extends Pick<PartBase, "name" | "title"> {
  readonly options: Table;
  readonly code: (values: OptionValues<Table>) => string;
  readonly needs: NoInfer<Names<N>>;
  readonly make: (values: OptionValues<Table>) => O;
}

function requireAll<N extends object>(name: string, evidence: object, needs: Names<N>): N {
  if (hasAll<N>(evidence, needs)) return evidence;
  throw new TypeError(`${name}: expected ${Object.keys(needs).join(", ")}`);
}

/** An optimization of answers as a part. */
function onAnswers<N extends object, const Table extends OptionTable>(
  { make, code, needs, ...part }: OptimizationRow<N, Optimization<N>, Table>,
): OptimizationPart {
  const { name, options } = part;
  return {
    ...part,
    on: "answers",
    needs: namesIn<EvidenceName>(needs),
    code: (values) => code(own(name, options, values)),
    make(values) {
      const made = make(own(name, options, values));
      return {
        ...made,
        optimize: (evidence, context) =>
          made.optimize(requireAll<N>(name, evidence, needs), context),
      };
    },
  };
}

/** An optimization of pairs as a part. */
function onPairs<N extends object, const Table extends OptionTable>(
  { make, code, needs, ...part }: OptimizationRow<N, Optimization<Sides<N>>, Table>,
): OptimizationPart {
  const { name, options } = part;
  return {
    ...part,
    on: "pairs",
    needs: namesIn<EvidenceName>(needs),
    code: (values) => code(own(name, options, values)),
    make(values) {
      const made = make(own(name, options, values));
      return {
        ...made,
        optimize: ({ chosen, rejected }, context) =>
          made.optimize({
            chosen: requireAll<N>(name, chosen, needs),
            rejected: requireAll<N>(name, rejected, needs),
          }, context),
      };
    },
  };
}

/** What a sampler makes of a batch. */
type Sampled = Parameters<typeof sampled.collect>[1];

const sampledFields: Names<Sampled> = {
  ids: true,
  mask: true,
  temperature: true,
  oldLogProbs: true,
};

/** The states of sampled answers, of a batch that a sampler made. */
const onSampled: PriorStates<Demonstrations, Sampled> = {
  ...sampled,
  collect(model, batch: object, context) {
    if (hasAll<Sampled>(batch, sampledFields)) return sampled.collect(model, batch, context);
    throw new TypeError("sampled: expected a batch that a sampler made");
  },
};

/** The prior states. */
export const statesParts: readonly StatesPart[] = [
  statesPart({
    name: "gold",
    title: "gold prefixes",
    options: {},
    code: () => "gold",
    make: () => gold,
  }),
  statesPart({
    name: "intuitive",
    title: "intuitive: gold mixed with the model\u2019s own token",
    options: { lambda },
    code: ({ lambda }) => `intuitive({ lambda: ${lambda} })`,
    make: ({ lambda }) => intuitive({ lambda }),
  }),
  statesPart({
    name: "expected",
    title: "intuitive, own tokens in expectation",
    options: { lambda },
    code: ({ lambda }) => `intuitive({ lambda: ${lambda}, own: "expected" })`,
    make: ({ lambda }) => intuitive({ lambda, own: "expected" }),
  }),
  statesPart({
    name: "scheduled",
    title: "scheduled sampling: some tokens its own",
    options: { lambda },
    code: ({ lambda }) => `scheduled({ lambda: ${lambda} })`,
    make: ({ lambda }) => scheduled({ lambda }),
  }),
  statesPart({
    name: "noisy",
    title: "gold prefixes with noise (NEFTune)",
    options: {},
    code: () => "neftune(gold)",
    make: () => neftune(gold),
  }),
  statesPart({
    name: "sampled",
    title: "sampled: the model\u2019s own answers",
    sampling: "all",
    options: {},
    code: () => "sampled",
    make: () => onSampled,
  }),
  statesPart({
    name: "best",
    title: "best of some sampled answers",
    sampling: "best",
    options: { groupSize },
    code: () => "sampled",
    make: () => onSampled,
  }),
];

const policyNames: Names<PolicyEvidence> = {
  logProbs: true,
  entropy: true,
  argmax: true,
  collision: true,
  logits: true,
  divergence: true,
  mask: true,
};

const referenceNames: Names<ReferenceEvidence & PolicyEvidence> = {
  ...policyNames,
  referenceLogProbs: true,
};

const rolloutNames: Names<RolloutEvidence & PolicyEvidence> = {
  ...policyNames,
  oldLogProbs: true,
  advantages: true,
};

const scores = { mask: true, oldLogProbs: true, rewards: true } as const;

/** Advantages by a form, in groups or not. */
function advantagePart(form: AdvantageForm, title: string): SignalPart {
  return signalPart({
    name: form,
    title,
    options: { groupSize },
    data: "rollouts",
    gives: rolloutNames,
    fields: scores,
    code: ({ groupSize }) => `advantage(estimator("${form}", ${groupSize}))`,
    make: ({ groupSize }) => advantage(estimator(form, groupSize)),
  });
}

const advantages: Readonly<Record<AdvantageForm, string>> = {
  "group-z-score": "reward, z-scored in its group",
  "group-mean": "reward less its group\u2019s mean",
  "group-mean-batch-std": "reward less its group\u2019s mean, by the batch\u2019s deviation",
  "leave-one-out": "reward less the mean of the others",
  "batch-z-score": "reward, z-scored in the batch",
  "pass-rate": "reward less its group\u2019s pass rate",
  "pass-rate-z-score": "reward, z-scored by its group\u2019s pass rate",
  "sign": "right or wrong, as 1 or -1",
  "max-rl": "reward against its group\u2019s mean, relative",
  "raw": "reward as it is",
};

/** The signals. */
export const signalParts: readonly SignalPart[] = [
  signalPart({
    name: "indicator",
    title: "the target token",
    options: {},
    gives: policyNames,
    fields: {},
    code: () => "indicator",
    make: () => indicator,
  }),
  signalPart({
    name: "reference",
    title: "the target token, against a reference",
    options: {},
    reads: "reference",
    gives: referenceNames,
    fields: { referenceLogProbs: true },
    code: () => `againstReference("precomputed")`,
    make: () => againstReference("precomputed"),
  }),
  signalPart({
    name: "labelled",
    title: "liked or not, against a reference",
    options: {},
    data: "labels",
    reads: "reference",
    gives: { ...referenceNames, labels: true, kl: true },
    fields: { labels: true, mismatched: true, referenceLogProbs: true },
    code: () => `labelled("precomputed")`,
    make: () => labelled("precomputed"),
  }),
  signalPart({
    name: "teacher",
    title: "a teacher\u2019s predictions",
    options: {},
    asksTeacher: true,
    gives: { ...policyNames, teacher: true, teacherArgmax: true },
    fields: {},
    code: () => "teacher(model)",
    make: (_values, { teacher: model }) => {
      if (model === undefined) throw new TypeError("teacher: expected a teacher");
      return teacher(model);
    },
  }),
  ...namesIn<AdvantageForm>(advantages).map((form) => advantagePart(form, advantages[form])),
  signalPart({
    name: "group-z-score-and-reference",
    title: "reward, z-scored in its group; and a reference",
    options: { groupSize },
    data: "rollouts",
    reads: "reference",
    gives: { ...rolloutNames, referenceLogProbs: true },
    fields: { ...scores, referenceLogProbs: true },
    code: ({ groupSize }) =>
      `both(advantage(estimator("group-z-score", ${groupSize})), againstReference("precomputed"))`,
    make: ({ groupSize }) =>
      both(advantage(estimator("group-z-score", groupSize)), againstReference("precomputed")),
  }),
  signalPart({
    name: "gae",
    title: "reward, by generalised advantage estimation",
    options: {},
    data: "rollouts",
    hasValues: true,
    gives: { ...rolloutNames, values: true, oldValues: true, returns: true },
    fields: scores,
    code: () => "gae({ whiten: true })",
    make: () => gae({ whiten: true }),
  }),
  signalPart({
    name: "penalized-gae",
    title: "reward less a KL, by GAE",
    options: { penalty },
    data: "rollouts",
    reads: "reference",
    hasValues: true,
    gives: { ...rolloutNames, values: true, oldValues: true, returns: true },
    fields: { ...scores, referenceLogProbs: true },
    code: ({ penalty }) => `penalized({ coefficient: ${penalty} }, gae({ whiten: true }))`,
    make: ({ penalty }) => penalized({ coefficient: penalty }, gae({ whiten: true })),
  }),
];

const tokenNames: Names<TokenEvidence> = { logProbs: true, mask: true };
const ratioNames: Names<RolloutEvidence> = { ...tokenNames, oldLogProbs: true, advantages: true };
const againstNames: Names<ReferenceEvidence> = { ...tokenNames, referenceLogProbs: true };

/** A clipped policy gradient by the defaults of a form. */
function clippedPart(form: keyof typeof clippedDefaults, title: string): OptimizationPart {
  return onAnswers({
    name: `clipped-${form}`,
    title,
    options: {},
    needs: ratioNames,
    code: () => `clipped(clippedDefaults.${form})`,
    make: () => clipped(clippedDefaults[form]),
  });
}

/** A loss of pairs against a reference. */
function preferencePart(form: NonNullable<PairwiseOptions["form"]>): OptimizationPart {
  return onPairs({
    name: `pairs-${form}`,
    title: `pairs by log-ratio: ${form}`,
    options: { beta },
    needs: againstNames,
    code: ({ beta }) => `pairwise({ form: "${form}", beta: ${beta} })`,
    make: ({ beta }) => pairwise({ form, beta }),
  });
}

/** The optimizations. */
export const optimizationParts: readonly OptimizationPart[] = [
  onAnswers({
    name: "nll",
    title: "likelihood",
    options: {},
    needs: tokenNames,
    code: () => "nll()",
    make: () => nll(),
  }),
  onAnswers({
    name: "propagated",
    title: "likelihood, weighted by later losses (IFT)",
    options: { gamma },
    needs: tokenNames,
    code: ({ gamma }) => `propagated({ gamma: ${gamma} })`,
    make: ({ gamma }) => propagated({ gamma }),
  }),
  onAnswers({
    name: "probability-weighted",
    title: "likelihood, weighted by probability (DFT)",
    options: {},
    needs: tokenNames,
    code: () => "probabilityWeightedNll()",
    make: () => probabilityWeightedNll(),
  }),
  onAnswers({
    name: "importance-weighted",
    title: "likelihood, weighted by the ratio to a reference",
    options: {},
    needs: againstNames,
    code: () => "importanceWeightedNll()",
    make: () => importanceWeightedNll(),
  }),
  onAnswers({
    name: "distilled",
    title: "divergence from a teacher",
    options: {},
    needs: {
      argmax: true,
      logits: true,
      divergence: true,
      mask: true,
      teacher: true,
      teacherArgmax: true,
    },
    code: () => "distilled()",
    make: () => distilled(),
  }),
  onAnswers({
    name: "kahneman-tversky",
    title: "utility of labelled answers (KTO)",
    options: {},
    needs: { ...againstNames, labels: true, kl: true },
    code: () => "kahnemanTversky()",
    make: () => kahnemanTversky(),
  }),
  onAnswers({
    name: "policy-gradient",
    title: "policy gradient (REINFORCE)",
    options: {},
    needs: ratioNames,
    code: () => "policyGradient()",
    make: () => policyGradient(),
  }),
  onAnswers({
    name: "policy-gradient-by-sequence",
    title: "policy gradient, by sequence",
    options: {},
    needs: ratioNames,
    code: () => `policyGradient({ normalizer: "sequence" })`,
    make: () => policyGradient({ normalizer: "sequence" }),
  }),
  clippedPart("ppo", "clipped ratios, by token (PPO)"),
  clippedPart("grpo", "clipped ratios, by sequence (GRPO)"),
  clippedPart("dapo", "clipped ratios, higher upper clip (DAPO)"),
  clippedPart("gspo", "clipped ratios of sequence means (GSPO)"),
  clippedPart("rloo", "clipped ratios of sequences (RLOO)"),
  onAnswers({
    name: "capped",
    title: "policy gradient with capped ratios (CISPO)",
    options: {},
    needs: ratioNames,
    code: () => "cappedPolicyGradient()",
    make: () => cappedPolicyGradient(),
  }),
  onAnswers({
    name: "clipped-and-kl",
    title: "clipped ratios and a KL to the reference",
    options: { klWeight },
    needs: { ...ratioNames, referenceLogProbs: true },
    code: ({ klWeight }) =>
      `sumOf(clipped(clippedDefaults.grpo), weight(${klWeight}, kl({ normalizer: "sequence" })))`,
    make: ({ klWeight }) =>
      sumOf(clipped(clippedDefaults.grpo), weight(klWeight, kl({ normalizer: "sequence" }))),
  }),
  onAnswers({
    name: "clipped-and-values",
    title: "clipped ratios and clipped values (PPO)",
    options: { valueWeight },
    needs: { ...ratioNames, values: true, oldValues: true, returns: true },
    code: ({ valueWeight }) =>
      `sumOf(clipped(clippedDefaults.ppo), weight(${valueWeight}, ` +
      `valueRegression({ normalizer: "token" })))`,
    make: ({ valueWeight }) =>
      sumOf(
        clipped(clippedDefaults.ppo),
        weight(valueWeight, valueRegression({ normalizer: "token" })),
      ),
  }),
  ...namesIn<NonNullable<PairwiseOptions["form"]>>({
    "dpo": true,
    "ipo": true,
    "hinge": true,
    "exponential": true,
    "robust": true,
    "exo": true,
    "nca": true,
    "bco": true,
    "sppo": true,
    "aot": true,
    "aot-unpaired": true,
    "apo-zero": true,
    "apo-down": true,
    "discopop": true,
  }).map(preferencePart),
  onPairs({
    name: "odds-ratio",
    title: "likelihood of the chosen and odds ratio (ORPO)",
    options: { beta },
    needs: tokenNames,
    code: ({ beta }) =>
      `sumOf(onChosen(nll({ normalizer: "sequence" })), weight(${beta}, oddsRatio()))`,
    make: ({ beta }) => sumOf(onChosen(nll({ normalizer: "sequence" })), weight(beta, oddsRatio())),
  }),
  onPairs({
    name: "simple",
    title: "average log-probabilities with a margin (SimPO)",
    options: {},
    needs: tokenNames,
    code: () => "simplePreference()",
    make: () => simplePreference(),
  }),
  onPairs({
    name: "contrastive",
    title: "log-probabilities and likelihood of the chosen (CPO)",
    options: { beta },
    needs: tokenNames,
    code: ({ beta }) =>
      `sumOf(contrastivePreference({ beta: ${beta} }), weight(1, onChosen(nll())))`,
    make: ({ beta }) => sumOf(contrastivePreference({ beta }), weight(1, onChosen(nll()))),
  }),
];
