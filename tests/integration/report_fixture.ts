// A generated autumn: two months of traffic with a change of clocks, same-named cities, a data gap, late records and a day that is not over.
// The table `truth` holds every hit once, apart from our own tables: what the reports are held against.
import type { Sql } from "postgres";
import postgres from "postgres";
import { MIGRATIONS } from "../../src/store/migrate.ts";
import { Qualifier } from "../../src/store/postgres/qualify.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** First UTC day of the data; windows before `CLOSED` are closed, later ones open. */
export const FIRST_DAY = "2026-09-01";
export const CLOSED = "2026-11-03T13:05:00Z";
/** A day in Berlin and in UTC of which records are missing for good. */
export const GAP_DAY = "2026-10-14";
/** A UTC day without any traffic. */
export const EMPTY_DAY = "2026-10-20";

export { MIGRATIONS };

export interface ReportDatabase extends AsyncDisposable {
  readonly sql: Sql;
  readonly url: string;
}

/** A database with our schema and, unless `empty`, the generated data, nothing rolled up yet. */
export async function reportDatabase(options: { readonly empty?: boolean } = {}): Promise<ReportDatabase> {
  const server: TestPostgres = await startPostgres();
  const plain = postgres(server.url, {
    max: 2,
    fetch_types: false,
    onnotice: () => {},
    connection: { TimeZone: "UTC" },
  });
  // The statements of src name their schema `tm.`.
  const sql = new Qualifier("public").tag(plain, () => {});
  for (const name of MIGRATIONS) {
    await sql.unsafe(await Deno.readTextFile(new URL(`../../ddl/${name}.sql`, import.meta.url)));
  }
  if (!options.empty) await sql.unsafe(GENERATE);
  return {
    sql,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await server.stop();
    },
  };
}

/** Rolls up at most `steps` hours or days; returns what the last call did. */
export async function rollUp(sql: Sql, steps = Infinity): Promise<string> {
  for (let step = 0; step < steps; step++) {
    const [row] = await sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`;
    if (row!.state === "nothing") return row!.state;
  }
  return "more";
}

// Windows lie at the edges of days in several zones and in between. Numbers come from a hash, so that every run makes the same.
const GENERATE = `
create table truth (
  window_start timestamptz, host text, referrer text, country_code text, region text, city text, num_hits bigint, bot_hits bigint, is_late boolean
);
create table place (number int, country_code text, region text, city text);
insert into place values
  (0, 'US', 'Illinois', 'Springfield'), (1, 'US', 'Massachusetts', 'Springfield'), (2, 'FR', 'Île-de-France', 'Paris'), (3, 'US', 'Texas', 'Paris'),
  (4, 'DE', 'Berlin', 'Berlin'), (5, 'JP', 'Tokyo', '東京'), (6, 'AU', 'New South Wales', 'Sydney'), (7, 'AU', '', ''),
  (8, 'unknown', '', ''), (9, 'private', '', ''), (10, 'IN', 'Delhi', 'Delhi'), (11, 'DE', 'Berlin', ''), (12, 'GB', 'England', '=HYPERLINK("x")');
insert into truth
select w, 'www' || abs(hashint4(s.n * 7 + k)) % 3 || '.example.com',
       (array['', 'https://www.google.com/', 'https://t.co/x', 'https://blog.example.org/a,b"c', 'https://www0.example.com/', '+cmd'])[1 + abs(hashint4(s.n * 11 + k)) % 6],
       p.country_code, p.region, p.city, hits, abs(hashint4(s.n * 17 + k)) % (hits + 1), abs(hashint4(s.n * 19 + k)) % 40 = 0
from (
  select row_number() over (order by w)::int as n, w
  from generate_series(timestamptz '${FIRST_DAY}Z', timestamptz '2026-11-03 13:10Z', interval '5 minutes') w
  where extract(hour from w) in (0, 4, 13, 18, 22, 23) or extract(minute from w) = 20
) s
cross join generate_series(1, 4) k
cross join lateral (select 1 + abs(hashint4(s.n * 13 + k)) % (5 + extract(dow from w)::int * 4) as hits) h
join place p on p.number = abs(hashint4(s.n * 23 + k)) % 13
where (w at time zone 'UTC')::date <> '${EMPTY_DAY}';
-- What is open cannot be late.
update truth set is_late = false where window_start >= '${CLOSED}';
-- One row a key and window.
create table merged as
  select window_start, host, referrer, country_code, region, city, sum(num_hits)::bigint as num_hits, sum(bot_hits)::bigint as bot_hits, is_late
  from truth group by window_start, host, referrer, country_code, region, city, is_late;
insert into stream (source, topic, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, closed_through)
  values ('kafka', 'web_traffic_topic', 'web_traffic_group', 300000, 'raw', 1024, true, '${FIRST_DAY}Z', '${CLOSED}');
insert into stream_partition (partition, next_offset, first_offset, watermark, record_watermark, max_window_end)
  values (0, 100, 0, '${CLOSED}', '${CLOSED}', '2026-11-03 13:15Z');
select tidemark_ensure_day_v1('${FIRST_DAY}'::date + n) from generate_series(0, 70) n;
insert into aggregated_web_traffic
  select window_start, window_start + interval '5 minutes', host, referrer, country_code, region, city, num_hits, bot_hits
  from merged where window_start < '${CLOSED}' and not is_late order by window_start;
insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, closed_by)
  select window_start, window_end, count(*), sum(num_hits), sum(bot_hits), 'test' from aggregated_web_traffic group by 1, 2;
insert into late_web_traffic
  select window_start, window_start + interval '5 minutes', host, referrer, country_code, region, city, num_hits, bot_hits
  from merged where window_start < '${CLOSED}' and is_late;
-- Two chunks a window: the odd and the even keys.
insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits)
  select window_start, gen_random_uuid(), sum(num_hits), sum(bot_hits), count(*), string_agg(host || E'\\x1f', '' order by n),
         string_agg(referrer || E'\\x1f', '' order by n), string_agg(country_code || E'\\x1e' || region || E'\\x1e' || city || E'\\x1f', '' order by n),
         array_agg(n order by n), array_agg(n order by n), array_agg(n order by n), array_agg(num_hits::int order by n), array_agg(bot_hits::int order by n)
  from (
    select m.*, row_number() over (partition by window_start, half order by host, referrer, country_code, region, city)::int as n
    from (select *, hashtext(host || referrer || city) & 1 as half from merged where window_start >= '${CLOSED}') m
  ) numbered
  group by window_start, half;
insert into data_gap (partition, from_offset, to_offset, from_time, to_time, reason)
  values (0, 10, 20, '${GAP_DAY} 10:02Z', '${GAP_DAY} 10:20Z', 'data_gap');
analyze;
`;
