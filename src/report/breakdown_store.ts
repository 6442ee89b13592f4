// Reads the rankings of breakdowns from PostgreSQL, each dimension in one statement: all its numbers are of the same snapshot. Shell.
import type { Sql } from "postgres";
import { epochMs } from "../shared/units.ts";
import { type CountedTime, FOLDED, isReserved, partHits, RESERVED, STORED, type ValueHits } from "./breakdown.ts";
import { conditionsOf, needsRows } from "./filter.ts";
import { filterOf, hostsFragment, hostsOf } from "./report_filter.ts";
import type { BreakdownQuery } from "./report_query.ts";
import {
  bucketsOf,
  type CommonRow,
  hitsOf,
  type KeyHitsJson,
  keyHitsOf,
  knownTimeFragment,
  progressFragment,
  progressOf,
  seriesFragment,
} from "./report_sql.ts";
import type { LocalDate } from "./time_zone.ts";
import { byCount, shapeTop, type TopReport } from "./top.ts";

/** Epoch ms; null: unbounded. */
export interface CountedJson {
  readonly since: number | null;
  readonly missing: readonly (readonly [start: number | null, end: number | null])[];
  readonly counting: boolean;
}

interface BreakdownRow extends CommonRow {
  readonly total: number;
  readonly views: number;
  readonly total_rows: number;
  readonly keys: readonly KeyHitsJson[];
  readonly counted: CountedJson | null;
}

/** One dimension as it was read. */
interface Dimension {
  readonly row: BreakdownRow;
  readonly values: readonly ValueHits[];
}

/** Pages, campaigns, entry channels, browsers, systems or devices by hits. @throws as `contributions()` does */
export async function breakdown(sql: Sql, query: BreakdownQuery): Promise<TopReport> {
  return (await breakdowns(sql, [query]))[0]!;
}

/**
 * Several rankings over the same range and filters, in the order of `queries`, which differ in `by` and `limit` alone. Those of one stored
 * dimension are read together.
 *
 * @throws as `contributions()` does
 */
export async function breakdowns(sql: Sql, queries: readonly BreakdownQuery[]): Promise<TopReport[]> {
  const read = new Map<number, Dimension>();
  const reports: TopReport[] = [];
  for (const query of queries) {
    const { dimension } = STORED[query.by];
    let known = read.get(dimension);
    if (known === undefined) read.set(dimension, known = await readDimension(sql, query));
    reports.push(shaped(query, known));
  }
  return reports;
}

async function readDimension(sql: Sql, query: BreakdownQuery): Promise<Dimension> {
  const { from, to, tz, by } = query;
  const { dimension, part } = STORED[by];
  const filter = await filterOf(sql, query);
  const hosts = await hostsOf(sql, query);
  // Retention drops hosts; sums over all of them stay.
  const raw = needsRows(conditionsOf(query));
  // Clients are a closed list, and their parts are added up here: all of them are read.
  const limit = part === null ? query.limit : null;
  const [row] = await sql<BreakdownRow[]>`
    with hit as materialized (
      select d.value as key, sum(d.num_hits) as num_hits, sum(d.bot_hits) as bot_hits, sum(${
    hitsOf(sql, query)
  }) as counted,
             d.value = any(array(select r.value from jsonb_array_elements_text(${
    JSON.stringify([...RESERVED, FOLDED])
  }::text::jsonb) r(value))) as is_reserved
      from ${knownTimeFragment(sql, query, raw)} t
      cross join lateral tm.tidemark_breakdown_v1(${dimension}::integer::smallint, t.buckets, t.starts, t.ends, ${
    hostsFragment(sql, hosts)
  }, ${query.late === "include"}::boolean, null::integer) d
      group by d.value
    ), ranked as (
      select h.* from hit h where h.counted > 0 and not h.is_reserved order by h.counted desc, h.key collate "C" limit ${limit}::integer
    )
    select ${progressFragment(sql)} as progress, ${
    seriesFragment(sql, { from, to, tz, step: "day", filter, raw })
  } as buckets, ${countedFragment(sql, dimension, query)} as counted,
           (select coalesce(sum(h.counted), 0)::float8 from hit h) as total,
           (select coalesce(sum(h.counted) filter (where starts_with(h.key, '/')), 0)::float8 from hit h) as views,
           (select count(*)::integer from hit h where h.counted > 0 and not h.is_reserved) as total_rows,
           (select coalesce(jsonb_agg(jsonb_build_object('key', k.key, 'hits', k.num_hits, 'bot_hits', k.bot_hits)
              order by k.counted desc, k.key collate "C"), '[]')
            from (select * from ranked union all select * from hit h where h.counted > 0 and h.is_reserved) k) as keys`;
  return { row: row!, values: keyHitsOf(row!.keys) };
}

function shaped(query: BreakdownQuery, { row, values }: Dimension): TopReport {
  const progress = progressOf(row.progress);
  const isWhole = STORED[query.by].part === null;
  const keys = isWhole ? values : partHits(query.by, values).sort(byCount(query));
  return shapeTop(query, {
    keys,
    totalRows: isWhole ? row.total_rows : keys.filter(({ key }) => key !== FOLDED && !isReserved(key)).length,
    days: bucketsOf(row.buckets, progress),
    progress,
    breakdown: {
      total: row.total,
      views: query.by === "page" ? row.views : null,
      time: countedTimeOf(row.counted),
    },
  });
}

/** When a dimension was counted; times without it only within the range. */
export function countedFragment(
  sql: Sql,
  dimension: number,
  { from, to, tz }: { readonly from: LocalDate; readonly to: LocalDate; readonly tz: string },
) {
  return sql`(select jsonb_build_object('since', tm.tidemark_ms_v1(c.since),
      'counting', c.since is not null and coalesce(upper(c.missing) < (select s.closed_through from tm.stream s), true),
      'missing', (select coalesce(jsonb_agg(jsonb_build_array(tm.tidemark_ms_v1(lower(m)), tm.tidemark_ms_v1(upper(m))) order by m), '[]')
        from unnest(c.missing * tstzmultirange(tstzrange(tm.tidemark_day_start_v2(${from}::text::date, ${tz}::text),
          tm.tidemark_day_start_v2(${to}::text::date + 1, ${tz}::text)))) m))
    from tm.tidemark_breakdown_coverage_v1() c where c.dimension = ${dimension}::integer)`;
}

export function countedTimeOf(json: CountedJson | null): CountedTime {
  return {
    since: json === null || json.since === null ? null : epochMs(json.since),
    missing: (json?.missing ?? []).map(([start, end]) => ({
      start: epochMs(start ?? -Infinity),
      end: epochMs(end ?? Infinity),
    })),
    counting: json?.counting ?? false,
  };
}
