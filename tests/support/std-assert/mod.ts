// Replaces jsr:@std/assert if JSR cannot be reached: the functions that the tests use, made from node:assert.
// Without the `links` line of deno.json the same imports resolve to the published package.
import assertNode from "node:assert/strict";

export class AssertionError extends assertNode.AssertionError {
  constructor(message: string) {
    super({ message });
  }
}

type Constructor<T> = abstract new (...args: never[]) => T;

export function assert(condition: unknown, message = "Expected the condition to hold"): asserts condition {
  if (!condition) throw new AssertionError(message);
}

export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  assertNode.deepStrictEqual(actual, expected, message);
}

export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  assertNode.notDeepStrictEqual(actual, expected, message);
}

export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T {
  assertNode.strictEqual(actual, expected, message);
}

export function assertExists<T>(actual: T, message = "Expected a value"): asserts actual is NonNullable<T> {
  assert(actual !== undefined && actual !== null, message);
}

export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  assertNode.match(actual, expected, message);
}

export function assertNotMatch(actual: string, expected: RegExp, message?: string): void {
  assertNode.doesNotMatch(actual, expected, message);
}

export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  assert(
    actual.includes(expected),
    message ?? `Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

export function assertAlmostEquals(actual: number, expected: number, tolerance = 1e-7, message?: string): void {
  assert(
    Math.abs(actual - expected) <= tolerance,
    message ?? `Expected ${actual} to be within ${tolerance} of ${expected}`,
  );
}

export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  assert(actual > expected, message ?? `Expected ${actual} > ${expected}`);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  assert(actual >= expected, message ?? `Expected ${actual} >= ${expected}`);
}

export function assertLess<T>(actual: T, expected: T, message?: string): void {
  assert(actual < expected, message ?? `Expected ${actual} < ${expected}`);
}

export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  assert(actual <= expected, message ?? `Expected ${actual} <= ${expected}`);
}

export function assertInstanceOf<T>(actual: unknown, type: Constructor<T>, message?: string): asserts actual is T {
  assert(actual instanceof type, message ?? `Expected an instance of ${type.name}, got ${String(actual)}`);
}

function checkError(error: unknown, type?: Constructor<Error>, includes?: string): Error {
  assertInstanceOf(error, Error);
  if (type) assertInstanceOf(error, type, `Expected ${type.name}, got ${error.name}: ${error.message}`);
  if (includes !== undefined) assertStringIncludes(error.message, includes);
  return error;
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  type?: Constructor<E>,
  includes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, type, includes) as E;
  }
  throw new AssertionError("Expected the function to throw");
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  type?: Constructor<E>,
  includes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, type, includes) as E;
  }
  throw new AssertionError("Expected the function to reject");
}

export function fail(message = "Failed"): never {
  throw new AssertionError(message);
}
