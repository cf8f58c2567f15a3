/**
 * Patterns of trees: a compiled function is mostly called on trees of one structure, and finds their
 * leaves by walking along the structure that it knows, with nothing to build, sort or compare as text.
 */
import type { DType } from "./dtype.ts";
import { sameShape, type Shape } from "./shape.ts";
import { isTensor } from "./tensor.ts";
import { isRecord } from "./tree.ts";
import type { Tensor } from "./value.ts";

/** What trees of one structure, with tensors of the same shapes and types, have in common. */
export type Pattern =
  | { readonly kind: "tensor"; readonly dtype: DType; readonly shape: Shape }
  | { readonly kind: "static"; readonly value: unknown }
  | { readonly kind: "list"; readonly items: readonly Pattern[] }
  | {
    readonly kind: "record";
    /** The keys in the order in which they were inserted. */
    readonly keys: readonly string[];
    /** The entries in the order of leaves, that of sorted keys. */
    readonly entries: readonly (readonly [key: string, pattern: Pattern])[];
  };

/** The pattern of a tree, whose keys stand in the order in which they were inserted. */
export function patternOf(tree: unknown): Pattern {
  if (isTensor(tree)) return { kind: "tensor", dtype: tree.dtype, shape: tree.shape };
  if (Array.isArray(tree)) return { kind: "list", items: tree.map(patternOf) };
  if (!isRecord(tree)) return { kind: "static", value: tree };
  const keys = Object.keys(tree);
  return {
    kind: "record",
    keys,
    entries: keys.toSorted().map((key) => [key, patternOf(tree[key])]),
  };
}

/**
 * Whether a tree has the pattern, and tensors that are neither traced nor differentiated; a record
 * with its keys in another order has not.
 *
 * @param pattern The pattern.
 * @param tree The tree.
 * @param leaves The list that takes its tensors, in the order of `leavesOf`; some of them if it has
 * not the pattern.
 */
export function fits(pattern: Pattern, tree: unknown, leaves: Tensor[]): boolean {
  switch (pattern.kind) {
    case "tensor":
      if (!isTensor(tree) || tree.traced || tree.differentiated) return false;
      leaves.push(tree);
      return tree.dtype === pattern.dtype &&
        (tree.shape === pattern.shape || sameShape(tree.shape, pattern.shape));
    case "static":
      return Object.is(tree, pattern.value);
    case "list": {
      const { items } = pattern;
      return Array.isArray(tree) && tree.length === items.length &&
        items.every((item, i) => fits(item, tree[i], leaves));
    }
    case "record": {
      if (!isRecord(tree) || isTensor(tree)) return false;
      const keys = Object.keys(tree);
      return keys.length === pattern.keys.length &&
        keys.every((key, i) => key === pattern.keys[i]) &&
        pattern.entries.every(([key, entry]) => fits(entry, tree[key], leaves));
    }
    default:
      return pattern satisfies never;
  }
}
