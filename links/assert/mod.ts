/**
 * The subset of `@std/assert` that this workspace uses, with the same names, signatures and
 * behaviour; it stands in for the published package where JSR cannot be reached.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals([1, 2].map((x) => 2 * x), [2, 4]);
 * assertThrows(() => JSON.parse("{"), SyntaxError);
 * ```
 *
 * @module
 */

import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect, stripVTControlCharacters } from "node:util";
import { equal } from "./equal.ts";

export { equal };

/** A constructor whose instances are `T`. */
export type Constructor<T> = abstract new (...args: never[]) => T;

/** What a failed assertion throws. */
export class AssertionError extends Error {
  /**
   * @param message what was expected and what was found
   * @param options the cause, if another error led to this one
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

const suffix = (msg: string | undefined): string => msg ? `: ${msg}` : ".";

/**
 * Asserts that `expr` is truthy.
 *
 * @param expr the value
 * @param msg the error's message
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Throws: the test must not come here.
 *
 * @param msg the reason
 */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/**
 * Throws: control flow cannot come here.
 *
 * @param msg the reason
 */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${suffix(msg)}`);
}

/**
 * Asserts that two values are structurally equal, see {@linkcode equal}.
 *
 * @param actual the value
 * @param expected what it should be
 * @param msg added to the error's message
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const difference = new NodeAssertionError({ actual, expected, operator: "deepStrictEqual" });
  throw new AssertionError(`Values are not equal${suffix(msg)}\n\n${difference.message}`);
}

/**
 * Asserts that two values are not structurally equal, see {@linkcode equal}.
 *
 * @param actual the value
 * @param expected what it should not be
 * @param msg added to the error's message
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}${suffix(msg)}`,
  );
}

/**
 * Asserts that two values are the same by `Object.is`.
 *
 * @param actual the value
 * @param expected what it should be
 * @param msg added to the error's message
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const difference = new NodeAssertionError({ actual, expected, operator: "strictEqual" });
  throw new AssertionError(`Values are not strictly equal${suffix(msg)}\n\n${difference.message}`);
}

/**
 * Asserts that `|actual - expected| <= tolerance`; equal infinities and `NaN`s pass.
 *
 * @param actual the number
 * @param expected what it should be near to
 * @param tolerance the largest difference allowed; by default `1e-7 |expected|`
 * @param msg added to the error's message
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to be close to "${expected}": ` +
      `delta "${delta}" is greater than "${allowed}"${suffix(msg)}`,
  );
}

/**
 * Asserts that a value is neither `null` nor `undefined`.
 *
 * @param actual the value
 * @param msg added to the error's message
 */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not be null or undefined${suffix(msg)}`,
  );
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @param actual the value
 * @param expectedType the class
 * @param msg added to the error's message
 */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: Constructor<T>,
  msg = "",
): asserts actual is T {
  if (actual instanceof expectedType) return;
  throw new AssertionError(
    `Expected object to be an instance of "${expectedType.name}" but was ` +
      `${inspect(actual)}${suffix(msg)}`,
  );
}

/**
 * Asserts that `actual > expected`.
 *
 * @param actual the value
 * @param expected the bound
 * @param msg the error's message
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throw new AssertionError(msg ?? `Expect ${inspect(actual)} > ${inspect(expected)}`);
}

/**
 * Asserts that `actual >= expected`.
 *
 * @param actual the value
 * @param expected the bound
 * @param msg the error's message
 */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual >= expected) return;
  throw new AssertionError(msg ?? `Expect ${inspect(actual)} >= ${inspect(expected)}`);
}

/**
 * Asserts that `actual < expected`.
 *
 * @param actual the value
 * @param expected the bound
 * @param msg the error's message
 */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (actual < expected) return;
  throw new AssertionError(msg ?? `Expect ${inspect(actual)} < ${inspect(expected)}`);
}

/**
 * Asserts that `actual <= expected`.
 *
 * @param actual the value
 * @param expected the bound
 * @param msg the error's message
 */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual <= expected) return;
  throw new AssertionError(msg ?? `Expect ${inspect(actual)} <= ${inspect(expected)}`);
}

/**
 * Asserts that a string contains another.
 *
 * @param actual the string
 * @param expected what it should contain
 * @param msg added to the error's message
 */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`);
}

/**
 * Asserts that a string matches a regular expression.
 *
 * @param actual the string
 * @param expected the expression
 * @param msg added to the error's message
 */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`);
}

/** Asserts that a thrown value is of a class of errors, with a part of its message. */
function assertError<E extends Error>(
  error: unknown,
  ErrorClass: Constructor<E>,
  msgIncludes: string | undefined,
  msg: string | undefined,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`Expected "error" to be an Error object${suffix(msg)}`);
  }
  if (!(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was ` +
        `"${error.constructor.name}"${suffix(msg)}`,
      { cause: error },
    );
  }
  const hasPart = stripVTControlCharacters(error.message)
    .includes(stripVTControlCharacters(msgIncludes ?? ""));
  if (!hasPart) {
    throw new AssertionError(
      `Expected error message to include ${inspect(msgIncludes)}, but got ` +
        `${inspect(error.message)}${suffix(msg)}`,
      { cause: error },
    );
  }
}

/**
 * Asserts that a function throws, and returns what it throws.
 *
 * @param fn the function
 * @param msg added to the error's message
 * @returns the thrown value
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class, and returns it.
 *
 * @param fn the function
 * @param ErrorClass the class
 * @param msgIncludes what the error's message should contain
 * @param msg added to the error's message
 * @returns the error
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ...expected: ErrorExpectation<E>
): unknown {
  const { ErrorClass, msgIncludes, msg } = expectation(expected);
  try {
    fn();
  } catch (error) {
    if (ErrorClass) assertError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to throw${suffix(msg)}`);
}

/**
 * Asserts that a function returns a promise that rejects, and resolves to what it rejects with.
 *
 * @param fn the function
 * @param msg added to the error's message
 * @returns the rejection
 */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/**
 * Asserts that a function returns a promise that rejects with an error of a class, and resolves to
 * the error.
 *
 * @param fn the function
 * @param ErrorClass the class
 * @param msgIncludes what the error's message should contain
 * @param msg added to the error's message
 * @returns the error
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ...expected: ErrorExpectation<E>
): Promise<unknown> {
  const { ErrorClass, msgIncludes, msg } = expectation(expected);
  const promise = promised(fn, msg);
  try {
    await promise;
  } catch (error) {
    if (ErrorClass) assertError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(msg)}`);
}

function promised(fn: () => PromiseLike<unknown>, msg: string | undefined): PromiseLike<unknown> {
  try {
    const promise: unknown = fn();
    if (isThenable(promise)) return promise;
  } catch (cause) {
    throw new AssertionError(`Function throws when expected to reject${suffix(msg)}`, { cause });
  }
  throw new AssertionError(`Function throws when expected to reject${suffix(msg)}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/** The arguments after the function: a message, or a class, a part of its message and a message. */
type ErrorExpectation<E> =
  | [msg?: string | undefined]
  | [ErrorClass: Constructor<E>, msgIncludes?: string | undefined, msg?: string | undefined];

function expectation<E>(
  expected: ErrorExpectation<E>,
): { ErrorClass?: Constructor<E>; msgIncludes?: string | undefined; msg?: string | undefined } {
  const [first, msgIncludes, msg] = expected;
  return typeof first === "function" ? { ErrorClass: first, msgIncludes, msg } : { msg: first };
}
