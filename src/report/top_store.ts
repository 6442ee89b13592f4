// Reads the rankings from PostgreSQL, in one statement: all numbers of one are of the same snapshot. Shell.
import type { Sql } from "postgres";
import { isBreakdown } from "./breakdown.ts";
import { breakdown } from "./breakdown_store.ts";
import { conditionsOf, needsRows } from "./filter.ts";
import { filterOf, hostName, ownHosts } from "./report_filter.ts";
import type { TopQuery } from "./report_query.ts";
import {
  bucketsOf,
  type CommonRow,
  filterFragment,
  hitsOf,
  type KeyHitsJson,
  keyHitsOf,
  knownTimeFragment,
  progressFragment,
  progressOf,
  seriesFragment,
} from "./report_sql.ts";
import { originHits, shapeTop, type TopReport } from "./top.ts";

/** Most referrers with a channel or source, by hits; the others are `(other)`. Limits the memory of an answer. */
const ORIGIN_REFERRERS_MAX = 20_000;

/** The ranking of hosts, referrers, sources, channels, countries, regions, cities, or of a breakdown. @throws as `contributions()` does */
export async function top(sql: Sql, query: TopQuery): Promise<TopReport> {
  const { from, to, tz, by } = query;
  if (isBreakdown(by)) return await breakdown(sql, { ...query, by });
  const filter = await filterOf(sql, query);
  const dimension = {
    host: "host",
    referrer: "referrer",
    source: "referrer",
    channel: "referrer",
    country: "country",
    region: "place",
    city: "place",
  }[by];
  const byOrigin = by === "channel" || by === "source";
  // Retention drops hosts and referrers.
  const raw = needsRows(conditionsOf(query)) || dimension === "host" || dimension === "referrer";
  const key = by === "region"
    ? sql`split_part(d.key, E'\x1e', 1) || E'\x1e' || split_part(d.key, E'\x1e', 2)`
    : sql`d.key`;
  const [row] = await sql<
    (CommonRow & { keys: readonly KeyHitsJson[]; total_rows: number; hosts: readonly string[] })[]
  >`
    with hit as materialized (
      select ${key} as key, sum(d.num_hits) as num_hits, sum(d.bot_hits) as bot_hits, sum(${
    hitsOf(sql, query)
  }) as counted
      from ${knownTimeFragment(sql, query, raw)} t
      cross join lateral tm.tidemark_hits_v2(${dimension}::text, t.buckets, t.starts, t.ends, null, ${
    filterFragment(sql, filter)
  }, ${query.late === "include"}::boolean) d
      group by 1
    )
    select ${progressFragment(sql)} as progress, ${
    seriesFragment(sql, { from, to, tz, step: "day", filter, raw })
  } as buckets,
           (select count(*)::integer from hit where counted > 0) as total_rows,
           (select coalesce(jsonb_agg(jsonb_build_object('key', h.key, 'hits', h.num_hits, 'bot_hits', h.bot_hits)
              order by h.counted desc, h.key collate "C"), '[]')
            from (select * from hit where counted > 0 order by counted desc, key collate "C"
                  limit ${byOrigin ? ORIGIN_REFERRERS_MAX : query.limit + 1}::integer) h) as keys,
           (select coalesce(jsonb_agg(o.host), '[]') from (${ownHosts(sql)}) o where ${byOrigin}::boolean) as hosts`;
  const listed = keyHitsOf(row!.keys);
  const keys = byOrigin
    ? originHits(listed, new Set(row!.hosts.map(hostName)), { by, traffic: query.traffic })
    : listed;
  const progress = progressOf(row!.progress);
  return shapeTop(query, {
    keys,
    totalRows: byOrigin ? keys.length : row!.total_rows,
    days: bucketsOf(row!.buckets, progress),
    progress,
  });
}
