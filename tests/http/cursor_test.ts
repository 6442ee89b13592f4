import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CURSOR_INTEGER, decodeCursor, encodeCursor, pageOf } from "../../src/http/cursor.ts";
import { HttpProblem } from "../../src/http/problem.ts";

Deno.test("decodeCursor() gives back what encodeCursor() was given, for its own list only", () => {
  fc.assert(fc.property(fc.integer(), (value) => {
    const cursor = encodeCursor("windows", [value]);
    assertEquals(decodeCursor("windows", [CURSOR_INTEGER], cursor), [String(value)]);
    assertThrows(() => decodeCursor("late", [CURSOR_INTEGER], cursor), HttpProblem);
    assertThrows(() => decodeCursor("windows", [CURSOR_INTEGER, CURSOR_INTEGER], cursor), HttpProblem);
  }));
});

Deno.test("decodeCursor() refuses any other text as a problem, never as a bug", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    assertThrows(() => decodeCursor("windows", [CURSOR_INTEGER], text), HttpProblem);
  }));
  for (const value of ["1; drop table stream", "1.5", "", "9".repeat(40), null, {}, []]) {
    const cursor = encodeCursor("windows", [value as string]);
    assertThrows(() => decodeCursor("windows", [CURSOR_INTEGER], cursor), HttpProblem);
  }
});

Deno.test("pageOf() has a cursor only where a row is left", () => {
  const last = (n: number) => `after ${n}`;
  assertEquals(pageOf([1, 2, 3], 2, last), { page: [1, 2], next: "after 2" });
  assertEquals(pageOf([1, 2], 2, last), { page: [1, 2], next: null });
  assertEquals(pageOf([], 2, last), { page: [], next: null });
});
