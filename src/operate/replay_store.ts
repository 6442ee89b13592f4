// Reads for a replay the positions with their anchors and the published rows. Shell; writes nothing.
import type { Database } from "../store/postgres/client.ts";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../shared/units.ts";
import type { ReplayPartition } from "./replay_plan.ts";
import { DIMENSION_NAMES, type DimensionName, foldedKey, pairKey, type Published } from "./replay_breakdowns.ts";
import { type Hits, keyOf, type Tables } from "./replay_tables.ts";

/** The statement reads a week of commits. */
const TIMEOUT_MS = 60_000;

/** All from one snapshot, except closed rows, which never change. */
export interface ReplayState {
  readonly topicId: string | null;
  readonly anchor: EpochMs;
  readonly closedThrough: EpochMs;
  /** Retention may have dropped windows before this time; NEVER without retention. */
  readonly retiredThrough: EpochMs;
  readonly partitions: readonly ReplayPartition[];
  readonly published: Tables;
  /** Starts of windows that have a folded row. */
  readonly folded: ReadonlySet<number>;
  readonly breakdowns: Published;
}

interface ReplayedPartition {
  readonly partition: PartitionId;
  readonly first_offset: Offset;
  readonly next_offset: Offset;
  readonly watermark: EpochMs | null;
  readonly committed: { readonly offset: Offset; readonly watermark: EpochMs | null } | null;
  readonly advances: readonly (readonly [atOffset: Offset, watermark: EpochMs])[];
  readonly skips: readonly (readonly [from: Offset, to: Offset])[];
  readonly rewound: boolean;
}

interface ReplayRow {
  readonly topic_id: string | null;
  readonly anchor: EpochMs;
  readonly closed_through: EpochMs | null;
  readonly retired_through: EpochMs | null;
  readonly partitions: string;
  readonly late: string;
}

type RowJson = readonly [
  window: number,
  host: string,
  referrer: string,
  country: string,
  region: string,
  city: string,
  hits: number,
  bots: number,
];

/**
 * Reads the state for the windows in `[from, to)`; null if no stream was started.
 *
 * @param bound see `anchorBound`
 */
export async function readReplayState(
  database: Database,
  { from, to, bound }: { readonly from: EpochMs; readonly to: EpochMs; readonly bound: EpochMs },
): Promise<ReplayState | null> {
  // Commits before a rewind belong to an earlier log. One statement, so that late rows and positions are from one snapshot.
  const [state] = await database.query((sql) =>
    sql<ReplayRow[]>`
      with rewind as (
        select partition, max(accepted_at) as at from tm.data_gap where reason <> 'data_gap' group by partition
      ), committed as (
        select distinct on (x.partition) x.partition, x."to" as next_offset, x.watermark
        from tm.commit_history h
        cross join lateral jsonb_to_recordset(h.partitions) as x(partition integer, "to" bigint, watermark bigint)
        left join rewind r on r.partition = x.partition
        where coalesce(x.watermark, -9223372036854775808) < ${bound}::text::bigint and (r.at is null or h.committed_at > r.at)
        order by x.partition, x."to" desc, x.watermark desc nulls last
      )
      select s.topic_id, tm.tidemark_ms_v1(s.anchor)::float8 as anchor, tm.tidemark_ms_v1(s.closed_through)::float8 as closed_through,
        tm.tidemark_ms_v1(s.retired_through)::float8 as retired_through,
        (select coalesce(jsonb_agg(jsonb_build_object(
           'partition', p.partition, 'first_offset', p.first_offset, 'next_offset', p.next_offset, 'watermark', tm.tidemark_ms_v1(p.watermark),
           'committed', (select jsonb_build_object('offset', c.next_offset, 'watermark', c.watermark) from committed c where c.partition = p.partition),
           'advances', (select coalesce(jsonb_agg(jsonb_build_array(a.at_offset, tm.tidemark_ms_v1(a.watermark)) order by a.at_offset, a.watermark), '[]')
             from tm.idle_advance a where a.partition = p.partition),
           'skips', (select coalesce(jsonb_agg(jsonb_build_array(g.from_offset, g.to_offset)), '[]') from tm.data_gap g
             left join rewind r on r.partition = g.partition
             where g.partition = p.partition and g.reason = 'data_gap' and (r.at is null or g.accepted_at > r.at)),
           'rewound', exists (select from rewind r where r.partition = p.partition)) order by p.partition), '[]')
         from tm.stream_partition p)::text as partitions,
        (select coalesce(jsonb_agg(jsonb_build_array(tm.tidemark_ms_v1(l.window_start), l.host, l.referrer, l.country_code, l.region, l.city, l.hits, l.bots)), '[]')
         from (select window_start, host, referrer, country_code, region, city, sum(num_hits) as hits, sum(bot_hits) as bots
               from tm.late_web_traffic where window_start >= tm.tidemark_time_v1(${from}::text::bigint) and window_start < tm.tidemark_time_v1(${to}::text::bigint)
               group by 1, 2, 3, 4, 5, 6) l)::text as late
      from tm.stream s`, TIMEOUT_MS);
  if (state === undefined) return null;
  const rows = await database.query(
    (sql) =>
      sql<{ row: string }[]>`
      select jsonb_build_array(tm.tidemark_ms_v1(window_start), host, referrer, country_code, region, city, num_hits, bot_hits)::text as row
      from tm.aggregated_web_traffic
      where window_start >= tm.tidemark_time_v1(${from}::text::bigint) and window_start < tm.tidemark_time_v1(${to}::text::bigint)`,
    TIMEOUT_MS,
  );
  const folded = await database.query(
    (sql) =>
      sql<{ start: number }[]>`
      select tm.tidemark_ms_v1(window_start)::float8 as start from tm.web_traffic_window
      where folded_keys > 0 and window_start >= tm.tidemark_time_v1(${from}::text::bigint) and window_start < tm.tidemark_time_v1(${to}::text::bigint)`,
    TIMEOUT_MS,
  );
  const late = hitsOf(JSON.parse(state.late) as RowJson[]);
  return {
    topicId: state.topic_id,
    anchor: state.anchor,
    closedThrough: state.closed_through ?? NEVER,
    retiredThrough: state.retired_through ?? NEVER,
    partitions: (JSON.parse(state.partitions) as ReplayedPartition[]).map(replayPartition),
    published: {
      counted: hitsOf(rows.map(({ row }) => JSON.parse(row) as RowJson)),
      late,
      records: 0,
    },
    folded: new Set(folded.map(({ start }) => start)),
    breakdowns: await readBreakdowns(database, { from, to }, late),
  };
}

/** The breakdowns of windows in `[from, to)`. Late ones are added in time; rows that came since the late rows were read make them differ. */
async function readBreakdowns(
  database: Database,
  { from, to }: { readonly from: EpochMs; readonly to: EpochMs },
  lateRows: ReadonlyMap<string, Hits>,
): Promise<Published> {
  const windows = await database.query(
    (sql) =>
      sql<{ start: number; mask: number; folded: string }[]>`
      select tm.tidemark_ms_v1(w.window_start)::float8 as start, coalesce(w.mask, 0) as mask,
        (select coalesce(jsonb_agg(b.dimension), '[]') from tm.web_breakdown b where b.window_start = w.window_start and b.folded > 0)::text as folded
      from tm.web_traffic_window w
      where w.window_start >= tm.tidemark_time_v1(${from}::text::bigint) and w.window_start < tm.tidemark_time_v1(${to}::text::bigint)`,
    TIMEOUT_MS,
  );
  const pairs = await database.query((sql) =>
    sql<{ pair: string }[]>`
      select jsonb_build_array('counted', tm.tidemark_ms_v1(b.window_start), b.dimension, b.host, b.value, b.num_hits, b.bot_hits)::text as pair
      from tm.web_breakdown_row b
      where b.window_start >= tm.tidemark_time_v1(${from}::text::bigint) and b.window_start < tm.tidemark_time_v1(${to}::text::bigint)
      union all
      select jsonb_build_array('late', tm.tidemark_ms_v1(l.window_start), (array['page', 'client', 'campaign', 'entry_channel'])[l.dimension], l.host, l.value,
        sum(l.num_hits), sum(l.bot_hits))::text
      from tm.late_breakdown l
      where l.window_start >= tm.tidemark_time_v1(${from}::text::bigint) and l.window_start < tm.tidemark_time_v1(${to}::text::bigint)
      group by l.window_start, l.dimension, l.host, l.value`, TIMEOUT_MS);
  const late = new Map<number, number>();
  for (const [key, { hits }] of lateRows) {
    const [window] = JSON.parse(key) as [number];
    late.set(window, (late.get(window) ?? 0) + hits);
  }
  return {
    pairs: new Map(pairs.map(({ pair }) => {
      const [table, window, dimension, host, value, hits, bots] = JSON.parse(pair) as PairJson;
      return [pairKey({ table, window, dimension, host, value }), { hits, bots }];
    })),
    masks: new Map(windows.map(({ start, mask }) => [start, mask])),
    folded: new Set(
      windows.flatMap(({ start, folded }) =>
        (JSON.parse(folded) as number[]).map((number) => foldedKey(start, DIMENSION_NAMES[number - 1]!))
      ),
    ),
    late,
  };
}

type PairJson = readonly [
  table: "counted" | "late",
  window: number,
  dimension: DimensionName,
  host: string,
  value: string,
  hits: number,
  bots: number,
];

function replayPartition(p: ReplayedPartition): ReplayPartition {
  return {
    partition: p.partition,
    firstOffset: p.first_offset,
    nextOffset: p.next_offset,
    watermark: p.watermark ?? NEVER,
    committed: p.committed && { offset: p.committed.offset, watermark: p.committed.watermark ?? NEVER },
    advances: p.advances.map(([atOffset, watermark]) => ({ atOffset, watermark })),
    skips: p.skips.map(([from, to]) => ({ from, to })),
    rewound: p.rewound,
  };
}

function hitsOf(rows: readonly RowJson[]): Map<string, Hits> {
  return new Map(
    rows.map(([window, host, referrer, countryCode, region, city, hits, bots]) => [
      keyOf({ window, host, referrer, countryCode, region, city }),
      { hits, bots },
    ]),
  );
}
