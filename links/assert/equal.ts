import { types } from "node:util";

type TypedArray = Exclude<ArrayBufferView, DataView> & ArrayLike<number | bigint>;

function isTypedArray(value: object): value is TypedArray {
  return types.isTypedArray(value);
}

/** An object without a prototype counts as a plain object, as in the published package. */
function constructorOf(value: object): unknown {
  return value.constructor ?? Object;
}

/** `===`, except that `NaN` equals itself; so `0` equals `-0`. */
function samePrimitive(a: unknown, b: unknown): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/**
 * Whether two values are structurally equal: same constructors, keys and contents, recursively.
 * Maps and sets compare without regard to order, their keys structurally too.
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
 */
export function equal(a: unknown, b: unknown): boolean {
  // Pairs under comparison count as equal, which is what lets cyclic structures end.
  const compared = new Map<object, Set<object>>();

  function alreadyCompared(x: object, y: object): boolean {
    const partners = compared.get(x) ?? new Set();
    compared.set(x, partners);
    const seen = partners.has(y);
    partners.add(y);
    return seen;
  }

  function equalArrays(x: TypedArray, y: TypedArray): boolean {
    if (x.length !== y.length) return false;
    for (let i = 0; i < x.length; i++) if (!samePrimitive(x[i], y[i])) return false;
    return true;
  }

  /** Every entry of `x` is matched with a different entry of `y`. */
  function equalEntries(
    x: Iterable<[unknown, unknown]>,
    y: Iterable<[unknown, unknown]>,
  ): boolean {
    const unmatched = [...y];
    for (const [key, value] of x) {
      const at = unmatched.findIndex(([k, v]) => compare(key, k) && compare(value, v));
      if (at < 0) return false;
      unmatched.splice(at, 1);
    }
    return unmatched.length === 0;
  }

  function equalProperties(x: object, y: object): boolean {
    const keys = enumerableKeys(x);
    return keys.length === enumerableKeys(y).length &&
      keys.every((key) =>
        Object.prototype.propertyIsEnumerable.call(y, key) &&
        compare(Reflect.get(x, key), Reflect.get(y, key))
      );
  }

  function compare(x: unknown, y: unknown): boolean {
    if (samePrimitive(x, y)) return true;
    if (typeof x !== "object" || typeof y !== "object" || x === null || y === null) return false;
    if (x instanceof Date && y instanceof Date) return samePrimitive(x.getTime(), y.getTime());
    if ((x instanceof RegExp && y instanceof RegExp) || (x instanceof URL && y instanceof URL)) {
      return String(x) === String(y);
    }
    if (constructorOf(x) !== constructorOf(y)) return false;
    if (isTypedArray(x) && isTypedArray(y)) return equalArrays(x, y);
    if (alreadyCompared(x, y)) return true;
    if (x instanceof Map && y instanceof Map) return equalEntries(x.entries(), y.entries());
    if (x instanceof Set && y instanceof Set) return equalEntries(x.entries(), y.entries());
    return equalProperties(x, y);
  }

  return compare(a, b);
}

function enumerableKeys(value: object): (string | symbol)[] {
  const symbols = Object.getOwnPropertySymbols(value);
  return [
    ...Object.keys(value),
    ...symbols.filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)),
  ];
}
