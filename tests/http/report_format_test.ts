import { assertEquals, assertThrows } from "@std/assert";
import { HttpProblem } from "../../src/http/server/problem.ts";
import { acceptedFormat } from "../../src/http/api/reports/report_format.ts";

Deno.test("acceptedFormat() takes the best of ours, JSON where anything goes", () => {
  for (
    const [accept, format] of [
      [undefined, "json"],
      ["", "json"],
      ["*/*", "json"],
      ["text/csv", "csv"],
      ["TEXT/CSV", "csv"],
      ["text/plain", "text"],
      ["text/*", "text"],
      ["application/x-ndjson", "ndjson"],
      ["application/*", "json"],
      ["text/csv;q=0.5, application/json;q=0.9", "json"],
      ["text/csv;q=0.9, application/json;q=0.5", "csv"],
      ["image/png, text/csv;q=0.1", "csv"],
      ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"],
    ] as const
  ) assertEquals(acceptedFormat(accept), format, accept);
});

Deno.test("acceptedFormat() refuses what names none of ours", () => {
  for (const accept of ["image/png", "text/csv;q=0", "nonsense", ";;;"]) {
    assertThrows(() => acceptedFormat(accept), HttpProblem);
  }
});
