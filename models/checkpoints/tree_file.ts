/** Trees of tensors as safetensors files, each tensor named by its path. */
import {
  abridged,
  decodeSafetensors,
  evaluate,
  fromRawTensor,
  leafPaths,
  mapTree,
  printable,
  showShape,
  tensor,
  type TensorData,
} from "@unitune/core";
import { CheckpointError } from "./checkpoint_error.ts";
import { contentBytes, type StreamedContent } from "./file_content.ts";
import { tensorFile } from "./tensor_file.ts";

/**
 * The tensors of a tree, such as an optimizer's state, as a safetensors file: named by their paths
 * (`h[0].ln_1.bias`), every bit kept. Static leaves are not written.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { decodeTree, encodeTree } from "@unitune/models";
 *
 * const state = { step: tensor(7, { dtype: "i32" }), moments: [tensor([0.5, 0.25])] };
 * const restored = decodeTree(state, await encodeTree(state));
 * assertEquals(await restored.step.item(), 7);
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @returns The file's bytes; the same tree gives the same bytes.
 */
export function encodeTree(tree: unknown): Promise<Uint8Array<ArrayBuffer>> {
  return contentBytes(treeFile(tree));
}

/**
 * The file of {@linkcode encodeTree}, whose bytes are made when it is written.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { contentBytes, encodeTree, treeFile } from "@unitune/models";
 *
 * const state = { moments: [tensor([0.5, 0.25])] };
 * assertEquals(await contentBytes(treeFile(state)), await encodeTree(state));
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @returns The file.
 */
export function treeFile(tree: unknown): StreamedContent {
  return tensorFile(leafPaths(tree));
}

/**
 * A tree from a file of {@linkcode encodeTree} in memory.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { CheckpointError, decodeTree, encodeTree } from "@unitune/models";
 *
 * const bytes = await encodeTree({ weight: tensor([1, 2]) });
 * assertThrows(
 *   () => decodeTree({ weight: tensor([1, 2, 3]) }, bytes),
 *   CheckpointError,
 *   "weight is f32[2], expected f32[3]",
 * );
 * ```
 *
 * @param like A tree of the same structure, shapes and element types; its static leaves stay.
 * @param bytes The file's bytes.
 * @returns The tree with the file's tensors.
 * @throws {CheckpointError} If the file's tensors are not the tree's.
 * @throws {SafetensorsError} If the bytes are corrupt.
 */
export function decodeTree<T>(like: T, bytes: Uint8Array): T {
  const { tensors } = decodeSafetensors(bytes);
  const elements = new Map([...tensors].map(([name, raw]) => [name, fromRawTensor(raw)] as const));
  requireTree(like, elements, OTHER_SETTINGS, (path) => path);
  return mapTree(like, (leaf, path) => {
    const { data, dtype, shape } = elements.get(path) ?? { ...leaf, data: [] };
    return tensor(data, { dtype, shape });
  });
}

/** The remedy for a file of another tree. */
export const OTHER_SETTINGS = "read the file with the settings that it was written with";

/** The elements of a tree's tensors by path, computed in one program where they are not yet. */
export async function readTree(tree: unknown): Promise<Map<string, TensorData>> {
  evaluate(tree);
  const entries = [...leafPaths(tree)].map(async ([path, leaf]) =>
    [path, { dtype: leaf.dtype, shape: leaf.shape, data: await leaf.data() }] as const
  );
  return new Map(await Promise.all(entries));
}

/**
 * Refuses tensors that are not those of a tree.
 *
 * @throws {CheckpointError} If some are missing, unknown, or of another shape or type.
 */
export function requireTree(
  like: unknown,
  found: ReadonlyMap<string, Pick<TensorData, "dtype" | "shape">>,
  remedy: string,
  nameOf: (path: string) => string,
): void {
  const expected = [...leafPaths(like)].map(([path, leaf]) => [nameOf(path), leaf] as const);
  const names = new Set(expected.map(([name]) => name));
  const faults = [
    ...listFault("missing", [...names].filter((name) => !found.has(name))),
    ...listFault("unknown", [...found.keys()].filter((name) => !names.has(name))),
    ...expected.flatMap(([name, leaf]) => {
      const [is, should] = [found.get(name) ?? leaf, leaf].map(({ dtype, shape }) =>
        dtype + abridged(showShape(shape), LONGEST_NAME)
      );
      return is === should ? [] : [`${named(name)} is ${is}, expected ${should}`];
    }),
  ];
  if (faults.length > 0) throw new CheckpointError(`${summary(faults, "; ")}: ${remedy}`);
}

function listFault(fault: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${fault} ${summary(names.map(named), ", ")}`];
}

/** Characters that are shown of a name or of a shape, which a file may have of any length. */
const LONGEST_NAME = 80;

function named(name: string): string {
  return printable(abridged(name, LONGEST_NAME));
}

/** The first few texts, and the number of the others. */
function summary(texts: readonly string[], separator: string): string {
  const more = texts.length - 3;
  return texts.slice(0, 3).join(separator) + (more > 0 ? `${separator}and ${more} more` : "");
}
