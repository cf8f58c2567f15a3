/** Buffers of a device: their owner, and the place of their elements. */
import type { DType, TypedArray } from "../dtype.ts";
import type { Buffer, ElementRange } from "./device.ts";

/** The place of elements: a backend's storage or, for small buffers, possibly the host. */
export type Elements<S> =
  | { readonly kind: "storage"; readonly storage: S }
  | { readonly kind: "host"; readonly data: TypedArray };

/** Storage of a backend, as far as it is read and given back. */
export interface Readable<S> {
  /** Copies the elements of a range to the host; element 0 stands at the start of storage. */
  read(storage: S, dtype: DType, range: ElementRange): Promise<TypedArray>;
  /** Gives storage back; absent where the host's garbage collector does. */
  free?(storage: S): void;
}

/** The buffers of one device. */
export interface Buffers<S> {
  /** A buffer over elements, which belong to it from now on. */
  over(elements: Elements<S>, dtype: DType, size: number): Buffer;
  /**
   * The elements of a buffer.
   *
   * @throws {Error} If it was disposed of, or is another device's.
   */
  elementsOf(buffer: Buffer): Elements<S>;
  /** Takes the elements from a buffer, which counts as disposed of afterwards. */
  take(buffer: Buffer): Elements<S>;
}

/** A buffer made by `makeBuffers`. */
interface OwnBuffer<S> extends Buffer {
  readonly owner: Readable<S>;
  /** Undefined once they were given back or taken. */
  elements: Elements<S> | undefined;
}

/** The buffers of a device over storage that is read and given back by `owner`. */
export function makeBuffers<S>(owner: Readable<S>): Buffers<S> {
  const isOwn = (buffer: Buffer): buffer is OwnBuffer<S> =>
    "owner" in buffer && buffer.owner === owner;
  const own = (
    buffer: Buffer,
  ): { readonly buffer: OwnBuffer<S>; readonly elements: Elements<S> } => {
    if (isOwn(buffer) && buffer.elements !== undefined) {
      return { buffer, elements: buffer.elements };
    }
    throw new Error("the buffer is disposed of, or another device's");
  };
  return {
    over(elements, dtype, size) {
      const buffer: OwnBuffer<S> = {
        owner,
        elements,
        dtype,
        size,
        isHeld: elements.kind === "storage" && owner.free !== undefined,
        async read({ begin, end } = { begin: 0, end: size }) {
          const { elements } = own(buffer);
          return elements.kind === "host"
            ? elements.data.slice(begin, end)
            : await owner.read(elements.storage, dtype, { begin, end });
        },
        dispose() {
          const { elements } = buffer;
          buffer.elements = undefined;
          if (elements?.kind === "storage") owner.free?.(elements.storage);
        },
      };
      return buffer;
    },
    elementsOf: (buffer) => own(buffer).elements,
    take(given) {
      const { buffer, elements } = own(given);
      buffer.elements = undefined;
      return elements;
    },
  };
}
