// The numbers of a report of one day, as far as messages use them.
import type { ReportFacts } from "../../src/notify/message.ts";
import type { Traffic } from "../../src/report/report_types.ts";

/** 1,000 hits on a day, 800 of them of humans; 700 and 640 a week before. */
export function reportFacts(traffic: Traffic): ReportFacts {
  const ranking = { query: { traffic }, rows: [{ label: "Germany", count: 800, percentage: 100 }] };
  const series = {
    query: { tz: "UTC" },
    points: [{ coverage: "full" }],
    total: { human: 800, bot: 200, total: 1_000 },
    comparison: { human: 640, bot: 60, total: 700, change: { human: 160, bot: 140, total: 300 } },
    comparison_period: { from: "2026-11-19", to: "2026-11-19", no_change_reason: null },
  };
  return { series, countries: ranking, hosts: ranking, sources: ranking } as unknown as ReportFacts;
}
