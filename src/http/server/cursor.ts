// Cursors of pages: opaque to callers, and checked when they come back. No I/O.
import { decodeBase64Url } from "hono/utils/encode";
import { badField } from "./problem.ts";

/** A cursor with the end of a page of `kind`. Values are strings or safe integers. */
export function encodeCursor(kind: string, values: readonly (string | number)[]): string {
  const text = JSON.stringify([kind, ...values]);
  return new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Check of one value of a cursor. Its bounds are those of the column that it is compared with: PostgreSQL's own error would not help a caller. */
export interface CursorPart {
  test(text: string): boolean;
}

/** An integer in [min, max], both inclusive. */
function integer(min: bigint, max: bigint): CursorPart {
  return { test: (text) => /^-?\d{1,19}$/.test(text) && BigInt(text) >= min && BigInt(text) <= max };
}

/** 0001-01-01 and 9999-12-31T23:59:59.999 in epoch ms: bounds of windows and of our clocks. */
const TIME_MIN = -62_135_596_800_000n;
const TIME_MAX = 253_402_300_799_999n;

/** Epoch ms. */
export const CURSOR_TIME = integer(TIME_MIN, TIME_MAX);
/** Epoch µs. */
export const CURSOR_MICROS = integer(TIME_MIN * 1000n, TIME_MAX * 1000n + 999n);
/** A column of type integer that is never negative. */
export const CURSOR_INT4 = integer(0n, 2n ** 31n - 1n);
/** A column of type bigint that is never negative. */
export const CURSOR_INT8 = integer(0n, 2n ** 63n - 1n);
export const CURSOR_UUID: CursorPart = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The values of a cursor of `kind`, one for each part; undefined without a cursor.
 *
 * @throws HttpProblem about `cursor` if it differs from our encoding in any letter
 */
export function decodeCursor(
  kind: string,
  parts: readonly CursorPart[],
  cursor: string | undefined,
): readonly string[] | undefined {
  if (cursor === undefined) return undefined;
  const [found, ...given] = parse(cursor) ?? [];
  const values = given.map(String);
  const valid = found === kind && values.length === parts.length && parts.every((part, i) => part.test(values[i]!)) &&
    encodeCursor(kind, given as (string | number)[]) === cursor;
  if (!valid) throw badField("cursor", "is not one that this list gave out", ["next_cursor of the page before"]);
  return values;
}

function parse(cursor: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(decodeBase64Url(cursor)));
    return Array.isArray(value) ? value : undefined;
  } catch {
    // The caller refuses other encodings.
    return undefined;
  }
}

/** Splits `limit + 1` rows into a page and the cursor after it. */
export function pageOf<T>(rows: readonly T[], limit: number, cursorAfter: (last: T) => string) {
  const page = rows.slice(0, limit);
  return { page, next: rows.length > limit ? cursorAfter(page[page.length - 1]!) : null };
}
