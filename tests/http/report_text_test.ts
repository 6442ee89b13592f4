// The heads of text reports say how many hits came late, and whether they are counted.
import { assert } from "@std/assert";
import { BOTS } from "../../src/http/api/reports/report_answers.ts";

Deno.test("a text report says how many hits came late, and nothing where none did", () => {
  const head = (late_count: number, late: "include" | "exclude") =>
    BOTS.title(
      {
        query: { from: "2026-03-01", to: "2026-03-02", tz: "UTC", late },
        bot: 5,
        completeness: { status: "final", coverage: ["full"], degraded: [], late_count },
      } as unknown as Parameters<typeof BOTS.title>[0],
    );
  assert(head(0, "exclude").includes("5 hits, final;"), head(0, "exclude"));
  assert(head(3, "exclude").includes("5 hits, final, without 3 late ones (late=include counts them)"));
  assert(head(3, "include").includes("5 hits, final, 3 of them late"));
});
