// Fills a database with one small stream through the ddl's own functions, so that the API is tested on rows that the pipeline could have written.
import postgres, { type Sql } from "postgres";
import { STAMP_SQL } from "../../src/store/postgres/stamp.ts";

export const MIN = 60_000;
/** 2026-01-31T00:00:00Z */
export const DAY0 = Date.UTC(2026, 0, 31);
export const WINDOW = 5 * MIN;

export interface KeyHits {
  readonly window: number;
  readonly host: string;
  readonly hits: number;
  readonly bots?: number;
  readonly referrer?: string;
  readonly place?: readonly [country: string, region: string, city: string];
  readonly late?: boolean;
}

export interface PartitionMove {
  readonly partition: number;
  /** How many offsets the commit moves it by. */
  readonly by: number;
  /** Epoch ms. */
  readonly watermark?: number;
  readonly recordWatermark?: number;
  readonly maxWindowEnd?: number;
  readonly quietSince?: number;
  readonly firstEventTime?: number;
  readonly newestEventTime?: number;
  readonly counted?: number;
  readonly late?: number;
  readonly lateDropped?: number;
  readonly dead?: number;
  readonly nulls?: number;
  readonly skipped?: number;
}

/** The `p_dead` argument of the commit function. */
export interface DeadLetters {
  readonly counts: readonly { partition: number; reason: string; records: number }[];
  readonly ranges: readonly {
    partition: number;
    reason: string;
    first_offset: number;
    last_offset: number;
    records: number;
    positions?: string;
  }[];
  readonly samples: readonly {
    partition: number;
    record_offset: number;
    reason: string;
    payload_bytes: number;
    payload: string;
  }[];
}

/** A client whose database has the schema of `ddl/`. */
export async function migrated(url: string): Promise<Sql> {
  const sql = postgres(url, { max: 4, onnotice: () => {}, connection: { timezone: "UTC" } });
  const folder = new URL("../../ddl/", import.meta.url);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
  const files = names.filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  for (const file of files) await sql.unsafe(await Deno.readTextFile(new URL(file, folder))).simple();
  await sql.unsafe(STAMP_SQL).simple();
  return sql;
}

/** First start of a stream with `partitions` partitions from offset 0. */
export async function join(sql: Sql, partitions: number, settings: Record<string, unknown> = {}): Promise<void> {
  const all = {
    source: "kafka",
    topic: "web_traffic_topic",
    topic_id: "00112233445566778899aabbccddeeff",
    consumer_group: "web_traffic_group",
    window_size_ms: WINDOW,
    referrer_granularity: "raw",
    key_bytes_max: 1024,
    offsets_count_records: true,
    anchor: DAY0,
    ...settings,
  };
  const rows = Array.from({ length: partitions }, (_, partition) => ({ partition, start_offset: 0, log_start: 0 }));
  await sql`select tidemark_join_v1(${sql.json(all as never)}, ${sql.json(rows)})`;
}

/** One commit by the ddl's function of a version; moves and hits are the caller's business to keep consistent. */
export async function commit(
  sql: Sql,
  moves: readonly PartitionMove[],
  hits: readonly KeyHits[] = [],
  dead: DeadLetters | null = null,
  version: 1 | 2 = 2,
): Promise<string> {
  const rows = await sql<{ partition: number; commit_id: string; next_offset: number }[]>`
    select partition, commit_id, next_offset::float8 as next_offset from stream_partition`;
  const id = crypto.randomUUID();
  const partitions = moves.map((m) => {
    const row = rows.find((r) => r.partition === m.partition)!;
    return {
      partition: m.partition,
      old_commit_id: row.commit_id,
      old_next_offset: row.next_offset,
      next_offset: row.next_offset + m.by,
      watermark: m.watermark ?? null,
      record_watermark: m.recordWatermark ?? m.watermark ?? null,
      max_window_end: m.maxWindowEnd ?? null,
      raised_at: Date.now(),
      quiet_since: m.quietSince ?? null,
      first_event_time: m.firstEventTime ?? null,
      newest_event_time: m.newestEventTime ?? null,
      counted: m.counted ?? 0,
      late: m.late ?? 0,
      late_dropped: m.lateDropped ?? 0,
      dead: m.dead ?? 0,
      null_records: m.nulls ?? 0,
      skipped: m.skipped ?? 0,
    };
  });
  const chunks = chunksOf(hits);
  const column = (pick: (c: Chunk) => string) => chunks.map(pick);
  await sql`select ${sql.unsafe(`tidemark_commit_v${version}`)}(${id}::uuid, 'test', 'interval', ${
    sql.json(partitions)
  },
    ${sql.json(chunks.map((c) => c.head))},
    ${column((c) => c.hosts)}::text[], ${column((c) => c.referrers)}::text[], ${column((c) => c.places)}::text[],
    ${column((c) => c.ix)}::text[], ${column((c) => c.ix)}::text[], ${column((c) => c.ix)}::text[],
    ${column((c) => c.hits)}::text[], ${column((c) => c.bots)}::text[],
    ${dead === null ? null : sql.json(dead as never)})`;
  return id;
}

interface Chunk {
  readonly head: { n: number; late: boolean; window_start: number; hits: number; bot_hits: number; keys: number };
  readonly hosts: string;
  readonly referrers: string;
  readonly places: string;
  readonly ix: string;
  readonly hits: string;
  readonly bots: string;
}

function chunksOf(hits: readonly KeyHits[]): Chunk[] {
  const groups = Map.groupBy(hits, (h) => `${h.window} ${h.late === true}`);
  return [...groups.values()].map((keys, i) => {
    const list = (texts: readonly string[]) => texts.map((t) => t + "\x1f").join("");
    const array = (numbers: readonly number[]) => `{${numbers.join(",")}}`;
    return {
      head: {
        n: i + 1,
        late: keys[0]!.late === true,
        window_start: keys[0]!.window,
        hits: keys.reduce((sum, k) => sum + k.hits, 0),
        bot_hits: keys.reduce((sum, k) => sum + (k.bots ?? 0), 0),
        keys: keys.length,
      },
      hosts: list(keys.map((k) => k.host)),
      referrers: list(keys.map((k) => k.referrer ?? "")),
      places: list(keys.map((k) => (k.place ?? ["unknown", "", ""]).join("\x1e"))),
      ix: array(keys.map((_, n) => n + 1)),
      hits: array(keys.map((k) => k.hits)),
      bots: array(keys.map((k) => k.bots ?? 0)),
    };
  });
}

/** Closes every window that can be closed, as the pipeline's ticks do; returns how many. */
export async function closeAll(sql: Sql): Promise<number> {
  for (let closed = 0;;) {
    const [row] = await sql<
      { done: { state: string; day?: string } }[]
    >`select tidemark_close_v2('test', 1000000) as done`;
    const done = row!.done;
    if (done.state === "day_missing") await sql`select tidemark_ensure_day_v2(${done.day!}::date)`;
    else if (done.state === "closed") closed++;
    else return closed;
  }
}

/**
 * The stream that most tests read: two partitions, two closed windows at DAY0, one open, late records, dead letters, tombstones.
 * Partition 1 is 20 minutes into the day, partition 0 at 14: the window from 10 to 15 is held open by partition 0.
 */
export async function fill(sql: Sql): Promise<void> {
  await join(sql, 2);
  await commit(sql, [
    { partition: 0, by: 6, counted: 6, watermark: DAY0 + 4 * MIN, maxWindowEnd: DAY0 + WINDOW },
    {
      partition: 1,
      by: 10,
      counted: 8,
      dead: 1,
      nulls: 1,
      watermark: DAY0 + 12 * MIN,
      maxWindowEnd: DAY0 + 3 * WINDOW,
    },
  ], [
    { window: DAY0, host: "a.example", hits: 6, bots: 2, place: ["AU", "New South Wales", "Sydney"] },
    { window: DAY0 + WINDOW, host: "b.example", hits: 5, referrer: "https://r.example/" },
    { window: DAY0 + 2 * WINDOW, host: "b.example", hits: 3 },
  ], {
    counts: [{ partition: 1, reason: "bad_json", records: 1 }],
    ranges: [{ partition: 1, reason: "bad_json", first_offset: 3, last_offset: 3, records: 1 }],
    samples: [{ partition: 1, record_offset: 3, reason: "bad_json", payload_bytes: 9, payload: "{oops" }],
  });
  await commit(sql, [
    { partition: 0, by: 4, counted: 3, skipped: 1, watermark: DAY0 + 14 * MIN, maxWindowEnd: DAY0 + 3 * WINDOW },
    {
      partition: 1,
      by: 5,
      counted: 1,
      late: 3,
      lateDropped: 1,
      dead: 1,
      watermark: DAY0 + 20 * MIN,
      maxWindowEnd: DAY0 + 4 * WINDOW,
    },
  ], [
    { window: DAY0 + 2 * WINDOW, host: "a.example", hits: 3, bots: 1 },
    { window: DAY0 + 3 * WINDOW, host: "a.example", hits: 1 },
    { window: DAY0, host: "late.example", hits: 2, late: true },
  ], {
    counts: [{ partition: 1, reason: "missing_host", records: 1 }],
    ranges: [{ partition: 1, reason: "missing_host", first_offset: 12, last_offset: 12, records: 1 }],
    samples: [{
      partition: 1,
      record_offset: 12,
      reason: "missing_host",
      payload_bytes: 300,
      payload: "<script>alert(1)</script>",
    }],
  });
  await closeAll(sql);
}
