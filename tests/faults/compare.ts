// Compares what PostgreSQL holds with what the oracle expects, by SQL full outer joins, and checks the ledger's identities. Shell.
import postgres from "postgres";
import { type BreakdownComparison, type BreakdownOptions, compareBreakdowns } from "./compare_breakdown.ts";
import { type Hits, Oracle, type OracleRules, type RecordedAdvance, rowParts } from "./oracle.ts";

/** What was compared, and everything that differs (a few examples of each kind). */
export interface Comparison {
  readonly events: number;
  readonly rows: number;
  readonly late: number;
  readonly dead: number;
  readonly windows: number;
  readonly commits: number;
  readonly idleAdvances: number;
  readonly breakdown: BreakdownComparison;
  readonly differences: readonly string[];
}

/** What else decides what the table should hold. */
export interface JudgeOptions {
  /** Watermark with which a partition was created, where it was added to a running stream. */
  readonly startingAt?: ReadonlyMap<number, number>;
  /** MAX_KEYS_PER_WINDOW, where windows have more keys than that. */
  readonly keysPerWindowMax?: number;
  readonly breakdown?: Partial<BreakdownOptions>;
}

/** BREAKDOWN_VALUES_MAX where it is not set. */
const VALUES_MAX = 1_000;

const EXAMPLES = 5;
/** Keys that the oracle holds in memory: beyond it they go to the database, so that hours of load fit. */
const KEYS_IN_MEMORY_MAX = 300_000;

/**
 * Fills an oracle with `feed` under the idle advances that the database recorded, then compares. `feed` awaits `spill` now and then.
 */
export async function compareWithOracle(
  url: string,
  rules: OracleRules,
  feed: (oracle: Oracle, spill: () => Promise<void>) => Promise<void> | void,
  options: JudgeOptions = {},
): Promise<Comparison> {
  // One connection that is never replaced by a new one: temporary tables live in it.
  const connection = { application_name: "oracle" };
  const sql = postgres(url, { max: 1, max_lifetime: null, onnotice: () => {}, connection });
  try {
    const oracle = new Oracle(rules, await recordedAdvances(sql), options.startingAt);
    await sql`create temp table expected_part (kind text, start_ms bigint, host text, referrer text, country text, hits bigint, bots bigint)`;
    await sql`create temp table expected_value_part (kind text, start_ms bigint, dimension text, host text, value text, hits bigint, bots bigint)`;
    const spill = async (most: number) => {
      for (
        const [table, kind, rows] of [
          ["expected_part", "counted", oracle.counted],
          ["expected_part", "late", oracle.late],
          ["expected_value_part", "counted", oracle.countedValues],
          ["expected_value_part", "late", oracle.lateValues],
        ] as const
      ) {
        if (rows.size <= most) continue;
        await copyRows(sql, table, kind, rows);
        rows.clear();
      }
    };
    await feed(oracle, () => spill(KEYS_IN_MEMORY_MAX));
    await spill(0);
    return await compare(sql, oracle, options);
  } finally {
    await sql.end();
  }
}

async function recordedAdvances(sql: postgres.Sql): Promise<RecordedAdvance[]> {
  const rows = await sql`
    select partition, at_offset::text, (extract(epoch from watermark) * 1000)::bigint::text as watermark from idle_advance`;
  return rows.map((row) => ({
    partition: row.partition,
    atOffset: Number(row.at_offset),
    watermark: Number(row.watermark),
  }));
}

async function compare(
  sql: postgres.Sql,
  oracle: Oracle,
  { keysPerWindowMax, breakdown: options }: JudgeOptions,
): Promise<Comparison> {
  await sql`
    create temp table expected_row as
    select kind, start_ms, host, referrer, country, sum(hits)::bigint as hits, sum(bots)::bigint as bots from expected_part group by 1, 2, 3, 4, 5`;
  if (keysPerWindowMax !== undefined) await foldExpected(sql, keysPerWindowMax);
  await sql`create temp table expected_dead (partition integer, reason text, records bigint)`;
  await sql`create temp table expected_partition (partition integer, counted bigint, late bigint, dead bigint, nulls bigint, next bigint)`;
  for (const [key, records] of oracle.dead) {
    const [partition, reason] = key.split(" ");
    await sql`insert into expected_dead values (${partition!}, ${reason!}, ${records})`;
  }
  for (const [partition, t] of oracle.partitions) {
    await sql`insert into expected_partition values (${partition}, ${t.counted}, ${t.late}, ${t.dead}, ${t.nulls}, ${t.next})`;
  }
  await sql`analyze expected_row`;
  const differences: string[] = [];
  const expectEmpty = async (what: string, query: postgres.PendingQuery<postgres.Row[]>) => {
    const rows = await query;
    if (rows.length === 0) return;
    const examples = rows.slice(0, EXAMPLES).map((row) => JSON.stringify(row)).join(" ");
    differences.push(`${what}: ${rows.length} differences, such as ${examples}`);
  };
  await expectEmpty(
    "closed windows",
    sql`
    with actual as (
      select (extract(epoch from window_start) * 1000)::bigint as start_ms, host, referrer, country_code as country, sum(num_hits) as hits, sum(bot_hits) as bots
      from aggregated_web_traffic group by 1, 2, 3, 4),
    expected as (
      select e.* from expected_row e, stream s
      where kind = 'counted' and e.start_ms + s.window_size_ms <= (extract(epoch from s.closed_through) * 1000))
    select coalesce(a.start_ms, e.start_ms)::text as start_ms, coalesce(a.host, e.host) as host, coalesce(a.referrer, e.referrer) as referrer,
           coalesce(a.country, e.country) as country, e.hits::text as expected, a.hits::text as actual, e.bots::text as expected_bots, a.bots::text as actual_bots
    from actual a full outer join expected e using (start_ms, host, referrer, country)
    where a.hits is distinct from e.hits or a.bots is distinct from e.bots`,
  );
  await expectEmpty(
    "closed and open windows",
    sql`
    with actual as (
      select (extract(epoch from window_start) * 1000)::bigint as start_ms, host, referrer, country_code as country, sum(num_hits) as hits, sum(bot_hits) as bots
      from web_traffic_live group by 1, 2, 3, 4),
    expected as (select * from expected_row where kind = 'counted')
    select coalesce(a.start_ms, e.start_ms)::text as start_ms, coalesce(a.host, e.host) as host, coalesce(a.referrer, e.referrer) as referrer,
           e.hits::text as expected, a.hits::text as actual
    from actual a full outer join expected e using (start_ms, host, referrer, country)
    where a.hits is distinct from e.hits or a.bots is distinct from e.bots`,
  );
  await expectEmpty(
    "late records",
    sql`
    with actual as (
      select (extract(epoch from window_start) * 1000)::bigint as start_ms, host, referrer, country_code as country, sum(num_hits) as hits, sum(bot_hits) as bots
      from late_web_traffic group by 1, 2, 3, 4),
    expected as (select * from expected_row where kind = 'late')
    select coalesce(a.start_ms, e.start_ms)::text as start_ms, coalesce(a.host, e.host) as host, coalesce(a.referrer, e.referrer) as referrer,
           e.hits::text as expected, a.hits::text as actual
    from actual a full outer join expected e using (start_ms, host, referrer, country)
    where a.hits is distinct from e.hits or a.bots is distinct from e.bots`,
  );
  await expectEmpty(
    "dead letters",
    sql`
    select partition, reason, e.records::text as expected, a.records::text as actual
    from dead_letter_count a full outer join expected_dead e using (partition, reason) where a.records is distinct from e.records`,
  );
  await expectEmpty(
    "partition totals",
    sql`
    select partition, to_jsonb(e) as expected, to_jsonb(a) as actual
    from stream_partition a full outer join expected_partition e using (partition)
    where (a.counted, a.late, a.dead, a.null_records) is distinct from (e.counted, e.late, e.dead, e.nulls)
      and (e.partition is not null or a.next_offset > a.first_offset)`,
  );
  await expectEmpty(
    "ledger of a partition",
    sql`
    select partition, next_offset - first_offset as offsets, counted + late + dead + null_records + skipped as booked
    from stream_partition, stream
    where offsets_count_records and next_offset - first_offset <> counted + late + dead + null_records + skipped`,
  );
  await expectEmpty(
    "ledger of the stream",
    sql`
    select * from (select
      (select sum(counted) from stream_partition) as counted,
      (select coalesce(sum(hits), 0) from web_traffic_window) + (select coalesce(sum(hits), 0) from open_delta) + (select retired_hits from stream) as booked,
      (select sum(late - late_dropped) from stream_partition) as late,
      (select coalesce(sum(num_hits), 0) from late_web_traffic) as late_rows,
      (select coalesce(sum(num_hits), 0) from aggregated_web_traffic) as table_hits,
      (select coalesce(sum(hits), 0) from web_traffic_window) as window_hits) l
    where counted <> booked or late <> late_rows or table_hits <> window_hits`,
  );
  await expectEmpty(
    "windows that were closed too early or not at all",
    sql`
    select w.window_start, w.window_end from web_traffic_window w, stream s where w.window_end > s.closed_through
    union all select d.window_start, null from open_delta d, stream s
    where d.window_start + s.window_size_ms * interval '1 millisecond' <= s.closed_through`,
  );
  const breakdown = await compareBreakdowns(
    sql,
    oracle.visitors.sketches,
    { valuesMax: VALUES_MAX, hasOlderProgram: false, ...options },
    expectEmpty,
  );
  const [totals] = await sql`select
    (select count(*)::int from aggregated_web_traffic) as rows, (select count(*)::int from web_traffic_window) as windows,
    (select count(*)::int from commit_history) as commits, (select count(*)::int from idle_advance) as idle_advances`;
  const sum = (pick: "late" | "dead") => [...oracle.partitions.values()].reduce((total, t) => total + t[pick], 0);
  const events = [...oracle.partitions.values()].reduce((n, t) => n + t.counted + t.late + t.dead + t.nulls, 0);
  return {
    events,
    rows: totals!.rows,
    late: sum("late"),
    dead: sum("dead"),
    windows: totals!.windows,
    commits: totals!.commits,
    idleAdvances: totals!.idle_advances,
    breakdown,
    differences,
  };
}

/** Keys of closed windows beyond the cap, by hits and then by name, become one row `(other)`. */
async function foldExpected(sql: postgres.Sql, most: number): Promise<void> {
  await sql`
    create temp table folded_row as
    select kind, start_ms, case when folds then '(other)' else host end as host, case when folds then '(other)' else referrer end as referrer,
           case when folds then 'unknown' else country end as country, sum(hits)::bigint as hits, sum(bots)::bigint as bots
    from (
      select e.*, kind = 'counted' and start_ms + s.window_size_ms <= extract(epoch from s.closed_through) * 1000
                  and count(*) over (partition by kind, start_ms) > ${most}
                  and row_number() over (partition by kind, start_ms order by hits desc, host, referrer, country) >= ${most} as folds
      from expected_row e cross join stream s) r
    group by 1, 2, 3, 4, 5`;
  await sql`drop table expected_row`;
  await sql`alter table folded_row rename to expected_row`;
}

async function copyRows(
  sql: postgres.Sql,
  table: "expected_part" | "expected_value_part",
  kind: string,
  rows: ReadonlyMap<string, Hits>,
): Promise<void> {
  const stream = await sql`copy ${sql(table)} from stdin`.writable();
  const ended = new Promise((resolve, reject) => stream.on("finish", resolve).on("error", reject));
  let text = "";
  for (const [key, [hits, bots]] of rows) {
    const fields = rowParts(key).map((part) => part.replace(/[\\\t\n\r]/g, (c) => COPY_ESCAPES[c]!));
    text += `${kind}\t${fields.join("\t")}\t${hits}\t${bots}\n`;
    if (text.length < 65_536) continue;
    if (!stream.write(text)) await new Promise((resolve) => stream.once("drain", resolve));
    text = "";
  }
  stream.end(text);
  await ended;
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
