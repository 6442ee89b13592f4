// The database of the report benchmarks: 90 days of many rows, with breakdowns and visitors, rolled up by the product's own functions. It is
// made on the server of `BENCH_POSTGRES_URL` (a superuser's), and used again if it was kept; without that variable, on a server of its own.
// Shell: starts a server, writes to a database.
import postgres, { type Sql } from "postgres";
import { updateOf } from "../../src/breakdown/sketch.ts";
import { addDays } from "../../src/report/time_zone.ts";
import { silentLog } from "../../src/shared/log.ts";
import { migrate, MIGRATIONS } from "../../src/store/migrate.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { startPostgres } from "../../tests/support/postgres.ts";
import { Sketch } from "../../tests/support/sketch.ts";
import { seeded, write } from "../support.ts";

export const DAYS = 90;
export const FIRST_DAY = "2026-08-01";
export const LAST_DAY = addDays(FIRST_DAY, DAYS - 1);
const END = `${addDays(LAST_DAY, 1)}Z`;
const WINDOWS_A_DAY = 288;
const HOSTS = 40;
const VISITORS_A_DAY = 30_000;
const ALL_DIMENSIONS = 31;
/** Changes with what this file writes: a kept database of another version is made anew. */
const VERSION = 1;

interface ReportDatabase extends AsyncDisposable {
  readonly url: string;
}

/** A connection whose times are UTC. */
export const connect = (url: string) =>
  postgres(url, { max: 1, fetch_types: false, onnotice: () => {}, connection: { TimeZone: "UTC" } });

/** Makes the database, or takes the kept one. @param keep whether it stays on the given server */
export async function reportDatabase(rows: number, keep: boolean): Promise<ReportDatabase> {
  const given = Deno.env.get("BENCH_POSTGRES_URL");
  const own = given === undefined
    ? await startPostgres({ faults: true, settings: { shared_buffers: "2GB", max_wal_size: "8GB" } })
    : null;
  const server = given ?? own!.url;
  const name = `tidemark_report_bench_${rows}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const admin = postgres(server, { max: 1, onnotice: () => {} });
  try {
    if (await isKept(admin, name, url.href)) {
      write(`database ${name} is used again`);
    } else {
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.unsafe(`create database ${name} template template0 encoding 'UTF8'`);
      await make(url.href, Math.round(rows / DAYS / WINDOWS_A_DAY));
    }
  } catch (error) {
    await admin.end();
    await own?.stop();
    throw error;
  }
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      if (own === null && !keep) await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
      await own?.stop();
    },
  };
}

async function isKept(admin: Sql, name: string, url: string): Promise<boolean> {
  const found = await admin`select from pg_database where datname = ${name}`;
  if (found.length === 0) return false;
  const sql = connect(url);
  try {
    const [row] = await sql<{ made: string }[]>`select made from report_bench_made`;
    return row?.made === madeAs();
  } catch {
    return false;
  } finally {
    await sql.end();
  }
}

const madeAs = () => `${VERSION} ${MIGRATIONS.at(-1)}`;

async function make(url: string, rowsPerWindow: number): Promise<void> {
  const database = new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: "report bench",
    max: 1,
    statementTimeoutMs: 600_000,
  });
  await migrate(database, "public", silentLog);
  await database.close();
  const sql = connect(url);
  const rows = rowsPerWindow * DAYS * WINDOWS_A_DAY;
  try {
    await sql.unsafe(`select setseed(0.5)`);
    await timed("rows made", rows, () => makeRows(sql, rowsPerWindow));
    await sql.unsafe("vacuum analyze");
    await timed("rows rolled up", rows, () => rollUp(sql));
    await timed("breakdowns made and packed", rows, () => makeBreakdowns(sql));
    await makeVisitors(sql);
    await sql.unsafe("vacuum analyze");
    await sql.unsafe(`create table report_bench_made as select '${madeAs()}'::text as made`);
    const [size] = await sql<{ size: string }[]>`select pg_size_pretty(pg_database_size(current_database())) as size`;
    write(`database of ${rows.toLocaleString("en")} rows in ${DAYS} days: ${size!.size}`);
  } finally {
    await sql.end();
  }
}

async function timed(what: string, rows: number, work: () => Promise<void>): Promise<void> {
  const started = performance.now();
  await work();
  const took = performance.now() - started;
  write(`${what}: ${(took / 1000).toFixed(0)} s, ${(1000 * took / rows).toFixed(2)} µs a row`);
}

/** 5,000 places, 40 hosts and 300 referrers, all skewed, window by window as a stream would write them. */
async function makeRows(sql: Sql, rowsPerWindow: number): Promise<void> {
  await sql.unsafe(`
    insert into stream (source, topic, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, closed_through)
      values ('kafka', 'bench', 'bench', 300000, 'raw', 1024, true, '${FIRST_DAY}Z', '${END}');
    insert into stream_partition (partition, next_offset, first_offset, watermark, record_watermark, max_window_end, first_event_time)
      values (0, 1, 0, '${END}', '${END}', '${END}', '${FIRST_DAY}Z');
    create table place as select n, chr(65 + n % 26) || chr(65 + n / 26 % 9) as code, 'Region ' || n % 20 as region, 'City ' || n as city
      from generate_series(1, 5000) n`);
  for (let day = 0; day < DAYS; day++) {
    const start = addDays(FIRST_DAY, day);
    await sql.unsafe(`
      select tidemark_ensure_day_v1('${start}');
      insert into aggregated_web_traffic
        select w, w + interval '5 minutes', 'host' || (1 + floor(${HOSTS} * random() ^ 2))::int,
               case when random() < 0.4 then '' else 'https://ref' || (300 * random() ^ 3)::int || '.example/' end,
               p.code, p.region, p.city, x.hits, (x.hits * random() * 0.3)::int
        from generate_series(timestamptz '${start}Z', '${start}T23:55Z', interval '5 minutes') w
        cross join lateral (select 1 + (4999 * random() ^ 3)::int as place, 1 + (20 * random() ^ 4)::int as hits
                            from generate_series(1, ${rowsPerWindow}) where w is not null) x
        join place p on p.n = x.place
        order by w;
      insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, closed_by, mask)
        select window_start, window_end, count(*), sum(num_hits), sum(bot_hits), 'bench', ${ALL_DIMENSIONS} from aggregated_web_traffic
        where window_start >= '${start}Z' and window_start < '${addDays(start, 1)}Z' group by 1, 2`);
  }
}

async function rollUp(sql: Sql): Promise<void> {
  for (let state = ""; state !== "nothing";) {
    const [row] = await sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`;
    state = row!.state;
  }
}

/**
 * 40 hosts with 300 pages, 60 clients, 20 campaigns and 5 entry channels each, all skewed. Written hour by hour in place of window by window;
 * each dimension adds up to the hits of the hour. Packed by the product.
 */
async function makeBreakdowns(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table bench_key as
      select row_number() over () as n, d.dimension, h as host, v as value, case d.dimension
          when 1 then '/section-' || v % 12 || '/page-' || v
          when 2 then concat_ws(E'\\x1e', 'Browser ' || v % 12, 'System ' || v % 5, (array['desktop', 'mobile', 'tablet'])[1 + v % 3])
          when 3 then case v when 1 then '(none)' else concat_ws(E'\\x1e', 'source' || v % 7, 'medium' || v % 3, 'campaign-' || v) end
          else (array['direct', 'search', 'social', 'referral', 'internal'])[v] end as text
      from (values (1, 300), (2, 60), (3, 21), (4, 5)) d(dimension, size)
      cross join generate_series(1, ${HOSTS}) h cross join generate_series(1, d.size) v;
    create unique index on bench_key (dimension, host, value);
    insert into breakdown_key (key_id, dimension, host, value) overriding system value select n, dimension, 'host' || host, text from bench_key;
    analyze bench_key;
    update breakdown_coverage set since = '${FIRST_DAY}Z', missing = '{}'`);
  for (let day = 0; day < DAYS; day++) {
    const start = addDays(FIRST_DAY, day), end = `${addDays(start, 1)}Z`;
    await sql.unsafe(`
      insert into breakdown_hour (hour_start, dimension, key_id, num_hits, bot_hits)
        select h.hour, x.dimension, k.n, sum(h.hits / x.draws + case x.i when 1 then h.hits % x.draws else 0 end),
               sum(h.bot_hits / x.draws + case x.i when 1 then h.bot_hits % x.draws else 0 end)
        from (select date_bin('1 hour', window_start, 'epoch') as hour, sum(hits)::bigint as hits, sum(bot_hits)::bigint as bot_hits
              from web_traffic_window where window_start >= '${start}Z' and window_start < '${end}' group by 1) h
        cross join lateral (
          select d.dimension, d.draws, i, 1 + floor(${HOSTS} * random() ^ 2)::int as host, 1 + floor(d.size * random() ^ 3)::int as value
          from (values (1, 300, 600), (2, 60, 200), (3, 21, 40), (4, 5, 60)) d(dimension, size, draws)
          cross join generate_series(1, d.draws) i where h.hour is not null) x
        join bench_key k on k.dimension = x.dimension and k.host = x.host and k.value = x.value
        group by 1, 2, 3;
      update breakdown_progress set hours_through = '${end}'`);
    const [row] = await sql<{ state: string }[]>`select tidemark_roll_up_breakdown_v1() ->> 'state' as state`;
    if (row!.state !== "day") throw new Error(`breakdowns of ${start} were not packed: ${row!.state}`);
  }
}

/** 30,000 visitors a day on 40 hosts, skewed; the same sketches on all days. */
async function makeVisitors(sql: Sql): Promise<void> {
  const random = seeded(1), all = new Sketch();
  const word = () => Math.floor(2 ** 32 * random());
  for (let host = 1; host <= HOSTS; host++) {
    const own = new Sketch();
    const visitors = VISITORS_A_DAY * (Math.sqrt(host / HOSTS) - Math.sqrt((host - 1) / HOSTS));
    for (let i = 0; i < visitors; i++) own.add(updateOf(word(), word()));
    all.merge(own);
    await store(`host${host}`, own);
  }
  await store("", all);

  async function store(host: string, sketch: Sketch): Promise<void> {
    await sql`insert into visitor_sketch (day, host, registers, visitors)
      select ${FIRST_DAY}::text::date + n, ${host}::text, decode(${sketch.bytes().toHex()}::text, 'hex'), ${sketch.estimate()}::float8
      from generate_series(0, ${DAYS - 1}::integer) n`;
  }
}
