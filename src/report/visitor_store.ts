// Reads the visitors of UTC days from PostgreSQL, in one statement: all numbers are of the same snapshot. Shell.
import type { Sql } from "postgres";
import { countedFragment, type CountedJson, countedTimeOf } from "./breakdown_store.ts";
import { filterOf, hostsFragment, hostsOf } from "./report_filter.ts";
import type { VisitorsQuery } from "./report_query.ts";
import { bucketsOf, type CommonRow, progressFragment, progressOf, seriesFragment } from "./report_sql.ts";
import { shapeVisitors, type VisitorFacts, type VisitorsReport } from "./visitors.ts";

/** The dimension of visitors in `tidemark_breakdown_coverage_v1`. */
const VISITORS = 5;

/** Visitors of each UTC day and their sum. Several hosts are one: who visits two of them counts once. @throws as `contributions()` does */
export async function visitors(sql: Sql, query: VisitorsQuery): Promise<VisitorsReport> {
  const { from, to, tz } = query;
  const filter = await filterOf(sql, query);
  const hosts = await hostsOf(sql, query);
  const [row] = await sql<
    (CommonRow & { readonly facts: readonly VisitorFacts[]; readonly counted: CountedJson | null })[]
  >`
    select ${progressFragment(sql)} as progress, ${
    seriesFragment(sql, { from, to, tz, step: "day", filter })
  } as buckets,
           ${countedFragment(sql, VISITORS, query)} as counted,
           (select coalesce(jsonb_agg(jsonb_build_object('day', v.day, 'visitors', v.visitors, 'state', v.state)), '[]')
            from tm.tidemark_visitors_v1(${from}::text::date, ${to}::text::date, ${
    hostsFragment(sql, hosts)
  }) v) as facts`;
  const progress = progressOf(row!.progress);
  return shapeVisitors(query, {
    buckets: bucketsOf(row!.buckets, progress),
    facts: row!.facts,
    time: countedTimeOf(row!.counted),
    progress,
  });
}
