/**
 * Recordings: the computation of a function on its variables, as a list of steps that can be
 * replayed.
 */
import {
  applyAll,
  type Cell,
  type Expression,
  isFloat,
  leavesOf,
  type PrimitiveName,
  replaceLeaves,
  showShape,
  stopGradient,
  type Tensor,
  variable,
} from "@unitune/core";

/** The source of an operand: a slot of the recording, or a tensor that is none of its values. */
export type Source = number | Tensor;

/** A primitive that was applied to values that depend on the variables. */
export interface RecordedStep {
  /** The primitive and its parameters. */
  readonly expression: Expression;
  /** The sources of its operands. */
  readonly sources: readonly Source[];
  /** The slot of its first result, and the number of its results, whose slots follow each other. */
  readonly first: number;
  readonly count: number;
}

/**
 * The steps from variables to results, operands before their users. Slots 0 to `variables - 1` are
 * the variables; the slots of the steps' results follow in the order of the steps.
 */
export interface Recording {
  /** The number of variables. */
  readonly variables: number;
  /** The steps whose values depend on a variable. */
  readonly steps: readonly RecordedStep[];
  /** The sources of the results. */
  readonly results: readonly Source[];
}

/**
 * Records the computation of results from variables.
 *
 * @throws {Error} If a value between them was evaluated: the expression behind it is gone then.
 */
export function record(variables: readonly Tensor[], results: readonly Tensor[]): Recording {
  const steps: RecordedStep[] = [];
  let slots = variables.length;
  const known = new Map<Cell, Source>(variables.map(({ cell }, slot) => [cell, slot]));
  // The first slots of expressions with several results, each of which has a cell.
  const firstSlots = new Map<Expression, number>();
  const sourceOf = (tensor: Tensor): Source | undefined =>
    tensor.differentiated ? known.get(tensor.cell) : tensor;

  // Depth-first with an explicit stack: expressions may be deeper than the call stack.
  const visit = (root: Tensor): Source => {
    const stack: Tensor[] = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (sourceOf(top) !== undefined) {
        stack.pop();
        continue;
      }
      const { expression, index, count } = applicationOf(top);
      const waiting = expression.inputs.filter((input) => sourceOf(input) === undefined);
      if (waiting.length > 0) {
        for (const input of waiting.toReversed()) stack.push(input);
        continue;
      }
      const sources = expression.inputs.map((input) => sourceOf(input) ?? input);
      if (sources.some((source) => typeof source === "number")) {
        const first = firstSlots.get(expression) ?? slots;
        if (first === slots) {
          steps.push({ expression, sources, first, count });
          slots += count;
          firstSlots.set(expression, first);
        }
        known.set(top.cell, first + index);
      } else {
        known.set(top.cell, top);
      }
      stack.pop();
    }
    return sourceOf(root) ?? root;
  };
  return { variables: variables.length, results: results.map(visit), steps };
}

/**
 * The expression that computed a tensor, the number of its results, and the tensor's place among
 * them.
 */
function applicationOf({ cell: { value }, shape }: Tensor): {
  readonly expression: Expression;
  readonly index: number;
  readonly count: number;
} {
  if (value.kind === "expression") return { expression: value, index: 0, count: 1 };
  if (value.kind === "result") {
    return { expression: value.of, index: value.index, count: value.results.length };
  }
  throw new Error(
    `a tensor of shape ${showShape(shape)} was read or evaluated inside the function that is ` +
      `being differentiated, which loses its gradient: return it, and read it afterwards`,
  );
}

/** The result of a function on variables in the place of its argument's tensors. */
export interface RecordedCall<R> {
  /** The variables in the place of the argument's tensors. */
  readonly variables: readonly Tensor[];
  /** The function's result, made of the variables. */
  readonly result: R;
  /** The computation of the result's tensors from the variables. */
  readonly recording: Recording;
}

/** Calls a function on variables in the place of its argument's tensors, and records it. */
export function recordCall<T, R>(f: (x: T) => R, x: T): RecordedCall<R> {
  // Each variable has a cell of its own, so that no other tensor of its value is taken for it.
  const variables = leavesOf(x).map((leaf) => variable(stopGradient(leaf)));
  const result = f(replaceLeaves(x, variables));
  return { variables, result, recording: record(variables, leavesOf(result)) };
}

/**
 * The tensors that a recording uses beside its variables and through which a derivative is being
 * taken: the floats that the function closes over, since ids and masks have no derivative.
 */
export function closedOver({ steps, results }: Recording): Tensor[] {
  const sources = [...steps.flatMap((step) => step.sources), ...results];
  const free = sources.flatMap((source) => {
    const isFree = typeof source !== "number" && source.differentiated && isFloat(source.dtype);
    return isFree ? [source] : [];
  });
  return [...new Set(free)];
}

/** The value of a source, given the values of the slots. */
export function resolve(source: Source, slots: readonly Tensor[]): Tensor {
  const value = typeof source === "number" ? slots[source] : source;
  if (value === undefined) throw new RangeError(`the recording has no slot ${source}`);
  return value;
}

function reapply<P extends PrimitiveName>(
  { op, parameters }: Expression<P>,
  inputs: readonly Tensor[],
): readonly Tensor[] {
  return applyAll(op, inputs, parameters);
}

/** The values of all slots for given values of the variables. */
export function replay({ steps }: Recording, variables: readonly Tensor[]): Tensor[] {
  const slots = [...variables];
  for (const { expression, sources } of steps) {
    const inputs = sources.map((source) => resolve(source, slots));
    for (const result of reapply(expression, inputs)) slots.push(result);
  }
  return slots;
}
