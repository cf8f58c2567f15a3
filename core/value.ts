/**
 * A tensor: a shape, an element type, and a cell with its value, which is either elements or
 * an expression over the table of primitives.
 */
import type { Buffer, Device, ElementRange } from "./backend/device.ts";
import type { TypedArray } from "./dtype.ts";
import type { Abstract, PrimitiveName, PrimitiveParameters, Results } from "./primitives.ts";

/** A primitive applied to tensors: a node of an expression. */
export type Expression<P extends PrimitiveName = PrimitiveName> = {
  [Q in P]: {
    /** Tells expressions from elements. */
    readonly kind: "expression";
    /** The primitive. */
    readonly op: Q;
    /** Its operands. */
    readonly inputs: readonly Tensor[];
    /** Its static parameters. */
    readonly parameters: PrimitiveParameters[Q];
  };
}[P];

/** One of the results of a primitive that gives several. */
export interface SharedResult {
  /** Distinguishes it from a tensor's own value. */
  readonly kind: "result";
  /** The primitive applied to tensors: one object for all of its results. */
  readonly of: Expression;
  /** The shapes and element types of all of its results. */
  readonly results: Results;
  /** The position of the result among them. */
  readonly index: number;
}

/** The forms in which the value of a tensor is kept. */
export type Value =
  /** Elements on the host. */
  | { readonly kind: "host"; readonly data: TypedArray }
  /** Elements on a device. */
  | { readonly kind: "device"; readonly device: Device; readonly buffer: Buffer }
  /** A primitive applied to tensors. */
  | Expression
  /** One of several results of a primitive applied to tensors. */
  | SharedResult
  /** An argument of a function that is being traced. */
  | { readonly kind: "argument" }
  /** No elements: the tensor stands for one of its shape in a plan. */
  | { readonly kind: "outline" }
  /** Elements that were given away or disposed of. */
  | { readonly kind: "gone"; readonly why: string };

/**
 * The cell that keeps a tensor's value. The value never changes, but its form does: an expression
 * becomes elements once it was evaluated.
 */
export interface Cell {
  /** The value in its present form. */
  value: Value;
}

/**
 * An immutable tensor. Use it as often as you like; nothing is to be freed, but `using` gives a
 * device's storage back early.
 */
export interface Tensor extends Abstract {
  /** The cell that keeps the value. */
  readonly cell: Cell;
  /** True if the value depends on an argument of a function that is being traced. */
  readonly traced: boolean;
  /** True if a derivative is being taken through the value, so that compiled functions inline. */
  readonly differentiated: boolean;
  /**
   * Copies the elements in row-major order, evaluated now if they were not yet; or those of a range, so
   * that a large tensor is read in pieces.
   */
  data(range?: ElementRange): Promise<TypedArray>;
  /** The element of a tensor of one element. */
  item(): Promise<number>;
  /** Gives the device's storage back; the tensor cannot be read afterwards. */
  [Symbol.dispose](): void;
}
