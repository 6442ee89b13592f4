// Compares the breakdowns and visitors that PostgreSQL holds with what the oracle expects. Shell.
import type postgres from "postgres";
import { DIMENSIONS } from "./oracle_breakdown.ts";
import { raise, type Ranks, type Sketches, sketchKey, storedRanks } from "./visitors.ts";

/** What was compared. */
export interface BreakdownComparison {
  /** Pairs of host and value of closed windows, all dimensions together. */
  readonly pairs: number;
  /** Pairs that closings have folded into others. */
  readonly folded: number;
  readonly latePairs: number;
  /** Sketches of visitors, by host and for all hosts. */
  readonly sketches: number;
}

export interface BreakdownOptions {
  /** BREAKDOWN_VALUES_MAX. A host may have at most ten times as many values: beyond that, merged chunks fold before the closing. */
  readonly valuesMax: number;
  /** Whether a program took part that counts no breakdowns: only what its windows leave is compared. */
  readonly hasOlderProgram: boolean;
}

/** How a query's rows become a difference. */
type ExpectEmpty = (what: string, query: postgres.PendingQuery<postgres.Row[]>) => Promise<void>;

/** The oracle's values must be in the temporary table `expected_value_part`. */
export async function compareBreakdowns(
  sql: postgres.Sql,
  sketches: Sketches,
  { valuesMax, hasOlderProgram }: BreakdownOptions,
  expectEmpty: ExpectEmpty,
): Promise<BreakdownComparison> {
  await fold(sql, valuesMax);
  await sql`
    create temp table uncounted as
    select w.start_ms, d.dimension
    from (
      select (extract(epoch from window_start) * 1000)::bigint as start_ms, coalesce(mask, 0) as mask from web_traffic_window
      union all
      select (extract(epoch from window_start) * 1000)::bigint, bit_and(coalesce(mask, 0)) from open_delta group by window_start
    ) w
    cross join unnest(${[...DIMENSIONS, "visitors"]}::text[]) with ordinality as d(dimension, n)
    where w.mask >> (d.n - 1)::integer & 1 = 0`;
  if (!hasOlderProgram) {
    await expectEmpty("windows that do not count all dimensions", sql`select start_ms::text, dimension from uncounted`);
  }
  await expectEmpty(
    "breakdowns of closed and open windows",
    sql`
    with actual as (
      select start_ms, dimension, host, value, sum(hits) as hits, sum(bots) as bots
      from (
        select (extract(epoch from window_start) * 1000)::bigint as start_ms, dimension, host, value, num_hits as hits, bot_hits as bots
        from web_breakdown_row
        union all
        select (extract(epoch from d.window_start) * 1000)::bigint, (${[
      ...DIMENSIONS,
    ]}::text[])[k.dimension], k.host, k.value, k.num_hits, k.bot_hits
        from open_delta d
        cross join lateral tidemark_chunk_pairs_v1(d.mask, d.hosts, d.value_texts, d.dimension_ends, d.value_host_ix, d.value_ix,
          d.value_hits::bigint[], d.value_bot_hits::bigint[]) k
      ) r group by 1, 2, 3, 4),
    expected as (select * from expected_value where kind = 'counted')
    select start_ms::text, dimension, host, value, e.hits::text as expected, a.hits::text as actual, e.bots::text as expected_bots, a.bots::text as actual_bots
    from actual a full outer join expected e using (start_ms, dimension, host, value)
    where (a.hits is distinct from e.hits or a.bots is distinct from e.bots) and (start_ms, dimension) not in (select u.start_ms, u.dimension from uncounted u)`,
  );
  await expectEmpty(
    "faults of breakdowns, by the ledger",
    sql`select what, window_start, dimension, expected::text, found::text from tidemark_breakdown_faults_v1('2000-01-01', '2100-01-01')`,
  );
  if (!hasOlderProgram) {
    await expectEmpty(
      "breakdowns of late records",
      sql`
      with actual as (
        select (extract(epoch from window_start) * 1000)::bigint as start_ms, (${[
        ...DIMENSIONS,
      ]}::text[])[dimension] as dimension, host, value,
               sum(num_hits) as hits, sum(bot_hits) as bots
        from late_breakdown group by 1, 2, 3, 4),
      expected as (select * from expected_value where kind = 'late')
      select start_ms::text, dimension, host, value, e.hits::text as expected, a.hits::text as actual
      from actual a full outer join expected e using (start_ms, dimension, host, value)
      where a.hits is distinct from e.hits or a.bots is distinct from e.bots`,
    );
    const wrong = sketchDifferences(await storedSketches(sql), sketches);
    await expectEmpty("sketches of visitors", sql`select u as difference from unnest(${wrong}::text[]) u`);
  }
  const [totals] = await sql<BreakdownComparison[]>`
    select coalesce(sum(keys), 0)::int as pairs, coalesce(sum(folded), 0)::int as folded, (select count(*)::int from late_breakdown) as "latePairs",
           ${hasOlderProgram ? 0 : sketches.size}::int as sketches
    from web_breakdown`;
  return { ...totals! };
}

/** Values beyond the cap, by hits and then by their bytes, become one value `(other)` of their host in a closed window. */
async function fold(sql: postgres.Sql, most: number): Promise<void> {
  await sql`
    create temp table expected_value as
    select kind, start_ms, dimension, host, case when folds then '(other)' else value end as value, sum(hits)::bigint as hits, sum(bots)::bigint as bots
    from (
      select e.*, kind = 'counted' and start_ms + s.window_size_ms <= extract(epoch from s.closed_through) * 1000
                  and count(*) over (partition by kind, start_ms, dimension, host) > ${most}
                  and row_number() over (partition by kind, start_ms, dimension, host order by hits desc, value collate "C") >= ${most} as folds
      from (
        select kind, start_ms, dimension, host, value, sum(hits) as hits, sum(bots) as bots from expected_value_part group by 1, 2, 3, 4, 5
      ) e cross join stream s
    ) r
    group by 1, 2, 3, 4, 5`;
  await sql`analyze expected_value`;
}

/** Sketches with the updates that are not merged yet. */
async function storedSketches(sql: postgres.Sql): Promise<Sketches> {
  const stored = new Map<string, Map<number, number>>();
  const merged = await sql<{ day: string; host: string; registers: Uint8Array }[]>`
    select day::text, host, registers from visitor_sketch where registers is not null`;
  for (const { day, host, registers } of merged) {
    stored.set(sketchKey(day, host), storedRanks(registers));
  }
  const open = await sql<{ day: string; hosts: string; host_ix: number[]; updates: number[] }[]>`
    select day::text, hosts, host_ix, updates from open_visitor`;
  for (const { day, hosts, host_ix, updates } of open) {
    const names = hosts.split("\x1f");
    for (const [i, update] of updates.entries()) {
      for (const host of [names[host_ix[i]! - 1]!, ""]) {
        raise(stored, sketchKey(day, host), Math.floor(update / 64), update % 64);
      }
    }
  }
  return stored;
}

const NONE: Ranks = new Map();

/** In words: which sketches differ, and in how many registers. */
function sketchDifferences(stored: Sketches, expected: Sketches): string[] {
  const differences: string[] = [];
  for (const key of new Set([...stored.keys(), ...expected.keys()])) {
    const has = stored.get(key) ?? NONE, wants = expected.get(key) ?? NONE;
    const registers = new Set([...has.keys(), ...wants.keys()]);
    const wrong = [...registers].filter((register) => has.get(register) !== wants.get(register)).length;
    if (wrong > 0) differences.push(`${key.replace("\u0001", " ")}: ${wrong} of ${registers.size} registers differ`);
  }
  return differences;
}
