// Reads the filter of a report for the database, and our own hosts. The referrers of a channel or source are read first. Shell.
import type { Sql } from "postgres";
import { FOLDED } from "./breakdown.ts";
import { conditionsOf, databaseFilter, type Filtered, matchingHosts, needsOrigins } from "./filter.ts";
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

/** Hosts that are not names: folded ones, and those of days whose names are deleted. A condition that excludes a host does not exclude them. */
const UNNAMED_HOSTS = [FOLDED, "(retired)"];

/**
 * The hosts of a filter that has conditions on hosts alone; null without one. Where the conditions are not `is`, they are looked for among the
 * known hosts, which are read in a statement of their own.
 */
export async function hostsOf(sql: Sql, query: Filtered): Promise<readonly string[] | null> {
  const conditions = conditionsOf(query);
  if (conditions.length === 0) return null;
  const named = conditions.filter(({ op }) => op === "is").map(({ value }) => value);
  if (named.length > 0) return matchingHosts(conditions, named);
  const known = await sql<{ host: string }[]>`select o.host from (${ownHosts(sql)}) o`;
  return matchingHosts(conditions, [...new Set([...known.map(({ host }) => host), ...UNNAMED_HOSTS])]);
}

/** Hosts as a parameter of our functions; null: all. */
export const hostsFragment = (sql: Sql, hosts: readonly string[] | null) =>
  hosts === null
    ? sql`null::text[]`
    : sql`array(select h.host from jsonb_array_elements_text(${JSON.stringify(hosts)}::text::jsonb) h(host))`;

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
