import { types } from "node:util";

type Elements = Exclude<ArrayBufferView, DataView> & ArrayLike<number | bigint>;

function isTypedArray(value: object): value is Elements {
  return types.isTypedArray(value);
}

/** An object without a prototype counts as a plain object. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** Classes whose instances are what their text says. */
const texts: readonly object[] = [RegExp, URL, URLSearchParams, Intl.Locale]
  .map(({ prototype }) => prototype);

/** `===`, except that `NaN` equals itself; so `0` equals `-0`. */
function samePrimitive(a: unknown, b: unknown): boolean {
  return a === b || Object.is(a, b);
}

function sameElements(x: ArrayLike<unknown>, y: ArrayLike<unknown>): boolean {
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) if (!samePrimitive(x[i], y[i])) return false;
  return true;
}

/**
 * The keys by which two values of one prototype are compared: of plain objects and arrays those that
 * are enumerable, of other objects all, those of their classes included, as an error's `message` is.
 */
function comparedKeys(value: object): Set<string | symbol> {
  const prototype = prototypeOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype) {
    return new Set(
      Reflect.ownKeys(value).filter((key) =>
        Object.prototype.propertyIsEnumerable.call(value, key)
      ),
    );
  }
  const keys = new Set<string | symbol>();
  for (
    let owner: object | null = value;
    owner !== null && owner !== Object.prototype && owner !== Array.prototype;
    owner = Object.getPrototypeOf(owner)
  ) {
    for (const key of Reflect.ownKeys(owner)) keys.add(key);
  }
  return keys;
}

/**
 * Whether two values are structurally equal: same prototypes, keys and contents, recursively. Maps and
 * sets compare without regard to order, their keys structurally too. Of errors the message counts, and
 * the place where they were made.
 *
 * @param a one value
 * @param b the other
 * @returns whether they are equal
 *
 * @example
 * ```ts
 * import { assert, equal } from "@std/assert";
 *
 * assert(equal({ shape: [2, 3] }, { shape: [2, 3] }));
 * assert(!equal([1, 2], [2, 1]));
 * ```
 *
 * @throws {TypeError} If two weak maps or sets are compared, which nobody can look into.
 */
export function equal(a: unknown, b: unknown): boolean {
  // A pair under comparison counts as equal, which is what lets cyclic structures end.
  const compared = new Map<object, object>();

  /** Every entry of `x` is one of `y`, which has as many. */
  function equalEntries(x: Iterable<[unknown, unknown]>, y: Map<unknown, unknown>): boolean {
    return [...x].every(([key, value]) => {
      const isPrimitive = typeof key !== "object" || key === null;
      return isPrimitive
        ? y.has(key) && compare(value, y.get(key))
        : [...y].some(([k, v]) => compare(key, k) && compare(value, v));
    });
  }

  function equalProperties(x: object, y: object): boolean {
    const keys = comparedKeys(x).union(comparedKeys(y));
    return [...keys].every((key) =>
      key in x && key in y && compare(Reflect.get(x, key), Reflect.get(y, key))
    );
  }

  function compare(x: unknown, y: unknown): boolean {
    if (samePrimitive(x, y)) return true;
    if (typeof x !== "object" || typeof y !== "object" || x === null || y === null) return false;
    if (x instanceof Date && y instanceof Date) return samePrimitive(x.getTime(), y.getTime());
    if (prototypeOf(x) !== prototypeOf(y)) return false;
    if (isTypedArray(x) && isTypedArray(y)) return sameElements(x, y);
    if (types.isAnyArrayBuffer(x) && types.isAnyArrayBuffer(y)) {
      return sameElements(new Uint8Array(x), new Uint8Array(y));
    }
    if (x instanceof WeakMap || x instanceof WeakSet) {
      throw new TypeError(`Cannot compare ${x.constructor.name} instances`);
    }
    if (x instanceof WeakRef && y instanceof WeakRef) return compare(x.deref(), y.deref());
    if (compared.get(x) === y) return true;
    if (Object.keys(x).length !== Object.keys(y).length) return false;
    compared.set(x, y);
    if (x instanceof Map && y instanceof Map) return x.size === y.size && equalEntries(x, y);
    if (x instanceof Set && y instanceof Set) {
      return x.size === y.size && equalEntries(x.entries(), new Map(y.entries()));
    }
    if (texts.includes(prototypeOf(x))) return String(x) === String(y);
    return equalProperties(x, y);
  }

  return compare(a, b);
}
