/**
 * Trees: nested records and arrays whose leaves are tensors or static values.
 *
 * Parameters, optimizer states and batches are trees. Records are walked in the order of their
 * sorted keys, so that two records with the same entries are the same tree.
 */
import { isTensor } from "./tensor.ts";
import type { Tensor } from "./value.ts";

/** A nested record or array of tensors, such as a model's parameters. */
export type TensorTree = Tensor | readonly TensorTree[] | { readonly [key: string]: TensorTree };

/** Whether a value is a record, whose entries are a part of the tree. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function mapAny(tree: unknown, path: string, f: (leaf: unknown, path: string) => unknown): unknown {
  if (isTensor(tree)) return f(tree, path);
  if (Array.isArray(tree)) return tree.map((child, i) => mapAny(child, `${path}[${i}]`, f));
  if (isRecord(tree)) {
    return Object.fromEntries(
      Object.keys(tree).toSorted().map((key) => [
        key,
        mapAny(tree[key], path === "" ? key : `${path}.${key}`, f),
      ]),
    );
  }
  return f(tree, path);
}

/**
 * The same tree with other leaves, static ones among them; without their paths, since a compiled
 * function makes its result so at every call.
 */
function withLeaves(tree: unknown, f: (leaf: unknown) => unknown): unknown {
  if (isTensor(tree)) return f(tree);
  if (Array.isArray(tree)) return tree.map((child) => withLeaves(child, f));
  if (!isRecord(tree)) return f(tree);
  return Object.fromEntries(
    Object.keys(tree).sort().map((key) => [key, withLeaves(tree[key], f)]),
  );
}

/**
 * Walks a tree without building anything, since a compiled function does so at every call: `leaf`
 * is told of each leaf, static ones included, and `structure` of each key and bracket.
 */
function visit(
  tree: unknown,
  leaf: (leaf: unknown) => void,
  structure: (mark: string) => void = () => {},
): void {
  if (isTensor(tree)) leaf(tree);
  else if (Array.isArray(tree)) {
    structure("[");
    for (const child of tree) visit(child, leaf, structure);
    structure("]");
  } else if (isRecord(tree)) {
    structure("{");
    for (const key of Object.keys(tree).sort()) {
      structure(quote(key));
      visit(tree[key], leaf, structure);
    }
    structure("}");
  } else leaf(tree);
}

/** A text behind its length, so that joined texts cannot be mistaken for others. */
function quote(text: string): string {
  return `${text.length}:${text}`;
}

/**
 * The same tree with every tensor replaced; static leaves stay.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mapTree, mul, tensor } from "@unitune/core";
 *
 * const doubled = mapTree({ w: tensor([1, 2]), name: "layer" }, (x) => mul(x, 2));
 * assertEquals(await doubled.w.data(), new Float32Array([2, 4]));
 * ```
 *
 * @param tree Nested records and arrays.
 * @param f The function of a tensor and its path, which reads like `blocks[0].weight`.
 * @returns A tree of the same structure.
 */
export function mapTree<T>(tree: T, f: (leaf: Tensor, path: string) => Tensor): T;
export function mapTree(tree: unknown, f: (leaf: Tensor, path: string) => Tensor): unknown {
  return mapAny(tree, "", (leaf, path) => isTensor(leaf) ? f(leaf, path) : leaf);
}

/**
 * The tensors of a tree, in the order of its sorted keys.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leavesOf, tensor } from "@unitune/core";
 *
 * assertEquals(leavesOf({ b: tensor([1]), a: [tensor([2]), tensor([3])] }).length, 3);
 * ```
 *
 * @param tree Nested records and arrays.
 * @returns The tensors in it.
 */
export function leavesOf(tree: unknown): Tensor[] {
  const leaves: Tensor[] = [];
  visit(tree, (leaf) => {
    if (isTensor(leaf)) leaves.push(leaf);
  });
  return leaves;
}

/**
 * The tensors of a tree by path, such as `blocks[0].weight`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leafPaths, tensor } from "@unitune/core";
 *
 * assertEquals([...leafPaths({ blocks: [{ weight: tensor([1]) }] }).keys()], ["blocks[0].weight"]);
 * ```
 *
 * @param tree Nested records and arrays.
 * @returns A map from path to tensor, in the order of {@linkcode leavesOf}.
 */
export function leafPaths(tree: unknown): Map<string, Tensor> {
  const paths = new Map<string, Tensor>();
  mapTree(tree, (leaf, path) => {
    paths.set(path, leaf);
    return leaf;
  });
  return paths;
}

/**
 * A tree with its tensors replaced, in order, by the tensors of a list: the inverse of {@linkcode
 * leavesOf}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { replaceLeaves, tensor } from "@unitune/core";
 *
 * const { a } = replaceLeaves({ a: tensor([1]) }, [tensor([5])]);
 * assertEquals(await a.item(), 5);
 * ```
 *
 * @param tree The structure.
 * @param leaves One tensor for each tensor of the tree.
 * @returns A tree of the same structure.
 * @throws {RangeError} If the numbers of tensors differ.
 */
export function replaceLeaves<T>(tree: T, leaves: readonly Tensor[]): T;
export function replaceLeaves(tree: unknown, leaves: readonly Tensor[]): unknown {
  let next = 0;
  const replaced = withLeaves(tree, (leaf) => isTensor(leaf) ? leaves[next++] ?? leaf : leaf);
  if (next !== leaves.length) {
    throw new RangeError(`replaceLeaves: the tree has ${next} tensors, the list ${leaves.length}`);
  }
  return replaced;
}

/**
 * Combines two trees of the same structure tensor by tensor.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, tensor, zipTrees } from "@unitune/core";
 *
 * const { w } = zipTrees({ w: tensor([1]) }, { w: tensor([2]) }, add);
 * assertEquals(await w.item(), 3);
 * ```
 *
 * @param a The tree whose structure the result has.
 * @param b A tree with tensors at the same paths.
 * @param f The function of two tensors at one path.
 * @returns A tree of the structure of `a`.
 * @throws {RangeError} If the paths of the tensors differ.
 */
export function zipTrees<T>(
  a: T,
  b: unknown,
  f: (a: Tensor, b: Tensor, path: string) => Tensor,
): T {
  const others = leafPaths(b);
  let shared = 0;
  const zipped = mapTree(a, (leaf, path) => {
    const other = others.get(path);
    if (other === undefined) throw new RangeError(`zipTrees: the second tree has no ${path}`);
    shared++;
    return f(leaf, other, path);
  });
  if (shared !== others.size) {
    const extra = [...others.keys()].filter((path) => !leafPaths(a).has(path));
    throw new RangeError(`zipTrees: the first tree has no ${extra.join(", ")}`);
  }
  return zipped;
}

/** An argument of a compiled function: its leaves, and its structure as text. */
export interface TreeDescription {
  /** The tensors, in the order of {@linkcode leavesOf}. */
  readonly leaves: readonly Tensor[];
  /** Structure, static leaves and tensors' marks: equal texts mean like trees. */
  readonly text: string;
  /** Whether a leaf is neither a tensor nor a plain value. */
  readonly isUnfit: boolean;
}

/** A tree described in one walk; `mark` is the text for a tensor. */
export function describeTree(tree: unknown, mark: (leaf: Tensor) => string): TreeDescription {
  const parts: string[] = [];
  const leaves: Tensor[] = [];
  let isUnfit = false;
  visit(tree, (leaf) => {
    if (isTensor(leaf)) {
      leaves.push(leaf);
      parts.push(mark(leaf));
    } else if (isPlain(leaf)) parts.push(typeof leaf, quote(shown(leaf)));
    else isUnfit = true;
  }, (structure) => parts.push(structure));
  return { leaves, text: parts.join(" "), isUnfit };
}

/** A plain value as text, in which -0 is not 0. */
function shown(leaf: unknown): string {
  return Object.is(leaf, -0) ? "-0" : String(leaf);
}

function isPlain(leaf: unknown): boolean {
  return leaf === null || (typeof leaf !== "object" && typeof leaf !== "function");
}

/**
 * The error for a tree that cannot be an argument, with its first leaf that is neither a tensor nor
 * a plain value.
 */
export function unfitTree(tree: unknown): TypeError {
  const faults: string[] = [];
  mapAny(tree, "", (leaf, path) => {
    if (!isTensor(leaf) && !isPlain(leaf)) {
      faults.push(`${path} is ${Object.prototype.toString.call(leaf)}`);
    }
    return leaf;
  });
  return new TypeError(
    `a compiled function's arguments are tensors, records, arrays and plain values; ${faults[0]}`,
  );
}
