import { assertEquals, assertThrows } from "@std/assert";
import {
  CURSOR_INT4,
  CURSOR_INT8,
  CURSOR_MICROS,
  CURSOR_TIME,
  CURSOR_UUID,
  type CursorPart,
  decodeCursor,
  encodeCursor,
  pageOf,
} from "../../src/http/server/cursor.ts";
import { HttpProblem } from "../../src/http/server/problem.ts";

Deno.test("decodeCursor() gives back what encodeCursor() was given, for its own list only", () => {
  const cursor = encodeCursor("samples", ["1780310130123456", 3, 2 ** 53 - 1]);
  const parts = [CURSOR_MICROS, CURSOR_INT4, CURSOR_INT8];
  assertEquals(decodeCursor("samples", parts, cursor), ["1780310130123456", "3", "9007199254740991"]);
  assertThrows(() => decodeCursor("late", parts, cursor), HttpProblem);
  assertThrows(() => decodeCursor("samples", parts.slice(1), cursor), HttpProblem);
  assertEquals(decodeCursor("samples", parts, undefined), undefined);
});

Deno.test("decodeCursor() refuses values that PostgreSQL could not take", () => {
  const refused: readonly (readonly [part: CursorPart, value: string | number])[] = [
    [CURSOR_TIME, 253_402_300_800_000],
    [CURSOR_TIME, -62_135_596_800_001],
    [CURSOR_MICROS, "253402300800000000"],
    [CURSOR_INT4, 2 ** 31],
    [CURSOR_INT4, -1],
    [CURSOR_INT8, "9223372036854775808"],
    [CURSOR_TIME, "1; drop table stream"],
    [CURSOR_TIME, "1.5"],
    [CURSOR_TIME, ""],
    [CURSOR_UUID, "x"],
  ];
  for (const [part, value] of refused) {
    assertThrows(() => decodeCursor("x", [part], encodeCursor("x", [value])), HttpProblem);
  }
});

Deno.test("pageOf() has a cursor only where a row is left", () => {
  const last = (n: number) => `after ${n}`;
  assertEquals(pageOf([1, 2, 3], 2, last), { page: [1, 2], next: "after 2" });
  assertEquals(pageOf([1, 2], 2, last), { page: [1, 2], next: null });
  assertEquals(pageOf([], 2, last), { page: [], next: null });
});
