// Visitors of UTC days: which have a number, their sum, and whether it can still change.
import { assert, assertEquals } from "@std/assert";
import { visitorsQuery } from "../../src/report/report_query.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { shapeVisitors, type VisitorFacts } from "../../src/report/visitors.ts";
import { DAY, epochMs } from "../../src/shared/units.ts";

const START = Date.parse("2026-01-05T00:00:00Z");
const PROGRESS: Progress = {
  closedThrough: epochMs(START + 4.5 * DAY),
  finalThrough: epochMs(START + 4.5 * DAY),
  watermark: epochMs(START + 4.5 * DAY),
  quietSince: null,
  dataRevision: 7,
  windowSizeMs: 300_000,
  stoppedCode: null,
  firstEventTime: null,
  newestEventTime: null,
  retiredThrough: epochMs(-Infinity),
};
const bucket = (day: number, more: Partial<Bucket> = {}): Bucket => ({
  start: epochMs(START + day * DAY),
  end: epochMs(START + (day + 1) * DAY),
  hits: 100,
  botHits: 20,
  lateHits: 1,
  lateBotHits: 0,
  windowsExpected: 288,
  windowsClosed: 288,
  coverage: "full",
  unknown: false,
  ...more,
});
const facts = (day: number, state: VisitorFacts["state"], visitors: number | null = null): VisitorFacts => ({
  day: new Date(START + day * DAY).toISOString().slice(0, 10),
  visitors,
  state,
});

function report(buckets: readonly Bucket[], given: readonly VisitorFacts[]) {
  const result = visitorsQuery({ from: "2026-01-05", to: "2026-01-09" }, epochMs(START));
  assert(result.ok);
  const time = { since: epochMs(START), counting: true };
  return shapeVisitors(result.query, { buckets, facts: given, time, progress: PROGRESS });
}

Deno.test("shapeVisitors() adds up the days that have a number, and says why the others have none", () => {
  const { visitors, days, completeness, data_revision } = report(
    [bucket(0, { coverage: "gap", unknown: true }), bucket(1), bucket(2), bucket(3), bucket(4)],
    // In any order; the gap's day has a sketch that nothing can be said of.
    [facts(4, "open", 9.6), facts(0, "closed", 50), facts(2, "closed", 40.4), facts(3, "gap")],
  );
  assertEquals(days.map(({ day, visitors, status, coverage }) => [day.slice(8), visitors, status, coverage]), [
    ["05", null, "unknown", "gap"],
    ["06", null, "unknown", "not_counted"],
    ["07", 40, "final", "full"],
    ["08", null, "unknown", "gap"],
    ["09", 10, "provisional", "full"],
  ]);
  assertEquals([visitors, completeness.status, data_revision], [50, "provisional", 7]);
  assertEquals(completeness.coverage, ["full", "gap", "not_counted"]);
});

Deno.test("shapeVisitors() has null, not zero, as the sum where all days are unknown", () => {
  const { visitors, completeness } = report([bucket(0), bucket(1)], [facts(0, "not_counted")]);
  assertEquals([visitors, completeness.status, completeness.coverage], [null, "unknown", ["not_counted"]]);
  assertEquals(report([], []).visitors, null);
});

Deno.test("shapeVisitors() says that retention has dropped the hosts of a day", () => {
  const { days, counted_since } = report([bucket(0)], [facts(0, "retired")]);
  assertEquals(days.map(({ visitors, coverage }) => [visitors, coverage]), [[null, "not_kept"]]);
  assertEquals(counted_since, "2026-01-05T00:00:00.000Z");
});

Deno.test("shapeVisitors() knows that a day without hits by humans had no visitors", () => {
  const { visitors, days } = report([bucket(0, { hits: 20 }), bucket(1, { hits: 0, botHits: 0 })], []);
  assertEquals([visitors, days.map(({ visitors }) => visitors)], [0, [0, 0]]);
});

Deno.test("shapeVisitors() keeps a number provisional that silence has closed", () => {
  const { days } = report([bucket(4, { windowsClosed: 288 })], [facts(4, "closed", 3)]);
  assertEquals(days.map(({ visitors, status }) => [visitors, status]), [[3, "provisional"]]);
});
