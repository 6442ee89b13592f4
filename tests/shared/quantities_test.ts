// Counts, sizes and lengths of time in words, at the edges of their units.
import { assertEquals } from "@std/assert";
import { bytesText, durationText, numberText } from "../../src/shared/quantities.ts";

Deno.test("durationText() and bytesText() choose a unit", () => {
  assertEquals([850, 12_400, 180_000, 9_000_000, 400_000_000].map(durationText), [
    "850 ms",
    "12 s",
    "3 min",
    "2.5 h",
    "4.6 days",
  ]);
  assertEquals([500, 2_048, 3 * 1_048_576].map(bytesText), ["500 B", "2 KiB", "3 MiB"]);
});

Deno.test("numberText() and bytesText() are short and exact where it matters", () => {
  assertEquals([0, 0.00123456, 12, 999.96, 1234.5, 1e9].map(numberText), [
    "0",
    "0.00123",
    "12",
    "1,000",
    "1,235",
    "1,000,000,000",
  ]);
  assertEquals([0, 1, 1023, 1024, 2 ** 40].map(bytesText), ["0 B", "1 B", "1,023 B", "1 KiB", "1 TiB"]);
});
