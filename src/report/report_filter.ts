// Reads the filter of a report for the database, and our own hosts. The referrers of a channel or source are read first. Shell.
import type { Sql } from "postgres";
import { conditionsOf, databaseFilter, type Filtered, needsOrigins } from "./filter.ts";
import { referrerOrigin } from "./referrer_channel.ts";
import type { Filter } from "./report_sql.ts";

/** Most referrers for a filter by channel or source; the newest ones are used. */
const FILTER_REFERRERS_MAX = 100_000;

/**
 * The filter for the database. The referrers of a channel or source are read in a statement of their own: a referrer that is new between the two
 * statements is counted from the next report on.
 */
export async function filterOf(sql: Sql, query: Filtered): Promise<Filter> {
  const conditions = conditionsOf(query);
  if (!needsOrigins(conditions)) return databaseFilter(conditions);
  const [row] = await sql<{ hosts: readonly string[]; referrers: readonly string[] }[]>`
    select (select coalesce(jsonb_agg(o.host), '[]') from (${ownHosts(sql)}) o) as hosts,
           (select coalesce(jsonb_agg(r.referrer), '[]') from (${knownReferrers(sql)}) r) as referrers`;
  const own = new Set(row!.hosts.map(hostName));
  return databaseFilter(conditions, row!.referrers.map((referrer) => [referrer, referrerOrigin(referrer, own)]));
}

const knownReferrers = (sql: Sql) =>
  sql`
    (select k.key as referrer from tm.web_traffic_key k where k.dimension = 'referrer' order by k.key_id desc limit ${FILTER_REFERRERS_MAX}::integer)
    union
    select a.referrer from tm.aggregated_web_traffic a
      where a.window_start >= (select coalesce(max(p.hours_through), '-infinity') from tm.rollup_progress p)
    union
    select l.referrer from tm.late_web_traffic l
    union
    select r.value from tm.open_delta d cross join lateral tm.tidemark_texts_v1(d.referrers) r`;

/** Our own hosts: of the roll-ups, and of windows and late records that no roll-up has yet. */
export const ownHosts = (sql: Sql) =>
  sql`
    select k.key as host from tm.web_traffic_key k where k.dimension = 'host'
    union
    select a.host from tm.aggregated_web_traffic a
      where a.window_start >= (select coalesce(max(p.hours_through), '-infinity') from tm.rollup_progress p)
    union
    select l.host from tm.late_web_traffic l
    union
    select h.value from tm.open_delta d cross join lateral tm.tidemark_texts_v1(d.hosts) h where h.value <> ''`;

export const hostName = (host: string) => host.replace(/:\d+$/, "");
