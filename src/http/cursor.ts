// Page cursors: opaque to callers, checked on the way back. No I/O.
import { decodeBase64Url, encodeBase64Url } from "hono/utils/encode";
import { badField } from "./problem.ts";

/** A cursor that holds where a page of `kind` ended. Values are strings or integers. */
export function encodeCursor(kind: string, values: readonly (string | number)[]): string {
  return encodeBase64Url(new TextEncoder().encode(JSON.stringify([kind, ...values])).buffer as ArrayBuffer).replace(
    /=+$/,
    "",
  );
}

/**
 * The values of a cursor of `kind`, each matching its pattern; `undefined` where no cursor was given.
 *
 * @throws HttpProblem naming `cursor` where it is not one of ours
 */
export function decodeCursor(
  kind: string,
  patterns: readonly RegExp[],
  cursor: string | undefined,
): readonly string[] | undefined {
  if (cursor === undefined) return undefined;
  const parts = parse(cursor);
  const values = parts?.slice(1).map(String) ?? [];
  const valid = parts?.[0] === kind && values.length === patterns.length &&
    patterns.every((p, i) => p.test(values[i]!));
  if (!valid) throw badField("cursor", "is not one that this list gave out", ["next_cursor of the page before"]);
  return values;
}

function parse(cursor: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(decodeBase64Url(cursor)));
    return Array.isArray(value) ? value : undefined;
  } catch {
    // Anything that is not our own encoding is refused by the caller.
    return undefined;
  }
}

/** Patterns of cursor values. */
export const CURSOR_INTEGER = /^-?\d{1,18}$/;
export const CURSOR_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Splits `limit + 1` rows into a page and the cursor after it. */
export function pageOf<T>(rows: readonly T[], limit: number, cursorAfter: (last: T) => string) {
  const page = rows.slice(0, limit);
  return { page, next: rows.length > limit ? cursorAfter(page[page.length - 1]!) : null };
}
