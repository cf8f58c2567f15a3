/** Three parts as an objective: whether they fit, why not, its row of Table 1, and its code. */
import { quoted } from "@unitune/core";
import {
  type AskedModels,
  best,
  type Demonstrations,
  describeEntry,
  estimate,
  type Estimation,
  formulaText,
  type GivenOptions,
  objective,
  type ObjectiveDescription,
  type ObjectiveEntry,
  objectiveRegistry,
  type OptionTable,
  optionValues,
  paired,
  ranked,
} from "@unitune/objectives";
import * as objectives from "@unitune/objectives";
import { UserError } from "@unitune/training";
import { compareEvidence, type Evidence, type EvidenceName, evidenceWords } from "./evidence.ts";
import {
  type OptimizationPart,
  optimizationParts,
  rankedGroupSize,
  type SignalPart,
  signalParts,
  type StatesPart,
  statesParts,
} from "./parts.ts";

/** A choice of each column. */
export interface Composition {
  readonly states: StatesPart;
  readonly signal: SignalPart;
  readonly optimization: OptimizationPart;
}

/** The parts of a column by their names, as an address has them. */
function partNamed<P extends { readonly name: string }>(
  column: string,
  parts: readonly P[],
  name: string | undefined,
): P {
  const part = parts.find((own) => own.name === name);
  if (part !== undefined) return part;
  throw new UserError(
    `there is no ${column} ${quoted(name ?? "")}: ${parts.map(({ name }) => name).join(", ")}`,
  );
}

/**
 * Reads a composition, `states*signal*optimization`.
 *
 * @throws {UserError} If there are not three parts, or one of them is unknown.
 */
export function readComposition(name: string): Composition {
  const [states, signal, optimization, more] = name.split("*");
  if (more !== undefined) throw new UserError(`${quoted(name)} has more than three parts`);
  return {
    states: partNamed("prior states", statesParts, states),
    signal: partNamed("signal", signalParts, signal),
    optimization: partNamed("optimization", optimizationParts, optimization),
  };
}

/** The name of a composition, as an address has it. */
export function nameOf({ states, signal, optimization }: Composition): string {
  return [states, signal, optimization].map(({ name }) => name).join("*");
}

const words = (names: readonly EvidenceName[]) =>
  names.map((name) => evidenceWords[name]).join(" and ");

/**
 * Why three parts do not fit together: as the types of `objective` have it, or because no data has
 * all that they read.
 *
 * @param composition The parts.
 * @returns The reason; undefined if they fit.
 */
export function misfit({ states, signal, optimization }: Composition): string | undefined {
  const { missing, ignored } = compareEvidence(signal.gives, optimization.needs);
  if (missing.length > 0) {
    return `the optimization needs ${words(missing)}, which the signal does not give`;
  }
  if (ignored.length > 0) {
    return `the optimization ignores what the signal gives: ${words(ignored)}`;
  }
  if (states.sampling !== "none" && signal.data === "labels") {
    return "no data has labels of sampled answers";
  }
  if (states.sampling === "best" && (optimization.on === "pairs" || signal.data === "rollouts")) {
    return "the best answer of a group leaves nothing to compare it with";
  }
  return undefined;
}

/** The options of the parts, each once. */
function optionsOf({ states, signal, optimization }: Composition): OptionTable {
  return {
    ...states.options,
    ...signal.options,
    ...optimization.options,
    ...grouping(states, optimization),
  };
}

/** The size of groups, where the best of a group is set over the worst. */
function grouping(states: StatesPart, { on }: OptimizationPart): OptionTable {
  return states.sampling !== "none" && on === "pairs" ? { groupSize: rankedGroupSize } : {};
}

/** The number of answers to a prompt, where there is such an option. */
interface GroupSize {
  readonly groupSize?: number;
}

/** The number of answers to a prompt, among the values of options. */
function groupSizeOf({ groupSize }: GivenOptions): GroupSize {
  return typeof groupSize === "number" ? { groupSize } : {};
}

/** The estimation of the states and the signal, handed to a function. */
function estimated<R>(
  { states, signal }: Composition,
  values: GivenOptions,
  models: AskedModels,
  then: <C>(estimation: Estimation<Demonstrations, C, Evidence>) => R,
): R {
  return states.use(
    values,
    (own) => signal.use(values, models, (given) => then(estimate(own, given))),
  );
}

/**
 * A composition as an entry of a registry, which a training finds by its name.
 *
 * @param name `states*signal*optimization`.
 * @returns The entry.
 * @throws {UserError} If a part is unknown, or the parts do not fit together.
 */
export function composedEntry(name: string): ObjectiveEntry {
  const composition = readComposition(name);
  const reason = misfit(composition);
  if (reason !== undefined) throw new UserError(`${name} does not fit together: ${reason}`);
  const { states, signal, optimization } = composition;
  const options = optionsOf(composition);
  const common = {
    name,
    aliases: [],
    reference: signal.reads === "reference" ? "log-probs" : "none",
    teacher: signal.asksTeacher,
    values: signal.hasValues,
    trains: "policy",
    rolloutEpochs: 1,
    // Some parts compare rows with each other, and no batch is cut here.
    needsWholeBatch: true,
    options,
  } as const;
  /** The entry's function `make`: it joins the estimation and the loss of the optimization. */
  const makerOf = <Loss, Made>(
    part: { readonly make: (values: GivenOptions) => Loss },
    join: <C>(
      estimation: Estimation<Demonstrations, C, Evidence>,
      loss: Loss,
      size: GroupSize,
    ) => Made,
  ) =>
  (given: GivenOptions = {}, models: AskedModels = {}): Made => {
    const values = optionValues(name, options, given);
    const [loss, size] = [part.make(values), groupSizeOf(values)];
    return estimated(composition, values, models, (on) => join(on, loss, size));
  };
  if (optimization.on === "pairs") {
    return states.sampling === "none"
      ? {
        ...common,
        data: "pairs",
        make: makerOf(optimization, (on, loss) => objective(paired(on), loss)),
      }
      : {
        ...common,
        data: "rollouts",
        make: makerOf(optimization, (on, loss, size) => objective(ranked(paired(on), size), loss)),
      };
  }
  if (states.sampling === "best") {
    return {
      ...common,
      data: "rollouts",
      make: makerOf(optimization, (on, loss, size) => objective(best(on, size), loss)),
    };
  }
  const data = states.sampling === "all" ? "rollouts" : signal.data;
  if (data === "pairs" || data === "triples" || data === "steps") {
    throw new RangeError(`compose: no signal reads ${data} by itself`);
  }
  return { ...common, data, make: makerOf(optimization, (on, loss) => objective(on, loss)) };
}

/**
 * The TypeScript that makes a composition.
 *
 * @param composition The parts, which fit.
 * @param given Some of its options.
 * @returns An expression of names of `@unitune/objectives`, on several lines.
 */
export function codeOf(composition: Composition, given: GivenOptions = {}): string {
  const { states, signal, optimization } = composition;
  const values = optionValues(nameOf(composition), optionsOf(composition), given);
  const estimation = `estimate(${states.code(values)}, ${signal.code(values)})`;
  const { groupSize } = values;
  const onData = optimization.on === "pairs"
    ? states.sampling === "none"
      ? `paired(${estimation})`
      : `ranked(paired(${estimation}), { groupSize: ${groupSize} })`
    : states.sampling === "best"
    ? `best(${estimation}, { groupSize: ${groupSize} })`
    : estimation;
  return `objective(\n  ${onData},\n  ${optimization.code(values)},\n)`;
}

/** The names of `@unitune/objectives` in an expression. */
export function moduleOf(code: string): string {
  const names = [...new Set(code.match(/\b[a-z][A-Za-z]*(?=\(|,|\)|\.)/g))].filter((name) =>
    Object.hasOwn(objectives, name)
  );
  const list = names.sort().join(", ");
  return `import { ${list} } from "@unitune/objectives";\n\nexport const myObjective = ${code};\n`;
}

/** The columns of a description that say which objective it is. */
function identity(
  { humanStates, modelStates, signal, transition, formula, normalizer }: ObjectiveDescription,
): string {
  return [humanStates, modelStates, signal, transition, formulaText(formula), normalizer].join(
    "\n",
  );
}

/** An objective of the registry as a composition. */
export interface Preset {
  readonly entry: ObjectiveEntry;
  readonly composition: Composition;
}

/** Every composition that fits. */
export function* compositions(): Generator<Composition> {
  for (const states of statesParts) {
    for (const signal of signalParts) {
      for (const optimization of optimizationParts) {
        const composition = { states, signal, optimization };
        if (misfit(composition) === undefined) yield composition;
      }
    }
  }
}

/**
 * The objectives of the registry that are compositions of the parts: those with the same row of
 * Table 1.
 */
export function presets(): readonly Preset[] {
  const known = new Map<string, Composition>();
  for (const composition of compositions()) {
    const own = identity(describeEntry(composedEntry(nameOf(composition))));
    if (!known.has(own)) known.set(own, composition);
  }
  return objectiveRegistry.flatMap((entry) => {
    const composition = known.get(identity(describeEntry(entry)));
    return composition === undefined ? [] : [{ entry, composition }];
  });
}
