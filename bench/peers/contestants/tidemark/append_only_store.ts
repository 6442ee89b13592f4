// A Store without the guarantee: positions live in memory, a commit only appends, a closing only merges. What exactly-once costs is the
// difference between this and the real one in the same run. Shell. Loses and repeats records at a crash: never use it.
import type { CommitPayload, PartitionRow, Store, StoredState, StreamSettings } from "../../../../src/store/port.ts";
import type { Database } from "../../../../src/store/postgres/client.ts";
import { type EpochMs, NEVER } from "../../../../src/shared/units.ts";
import { rulesJson } from "../../../../src/event/stream_rules.ts";

const DEADLINE_MS = 60_000;
const NO_COMMIT = "00000000-0000-0000-0000-000000000000";

/** Makes the store over a migrated schema. One instance, one life. */
export function appendOnlyStore(database: Database): Store {
  const rows = new Map<number, PartitionRow>();
  const open = new Set<number>();
  let joined: StreamSettings | null = null;
  const state = (settings: StreamSettings): StoredState => ({
    topicId: settings.topicId,
    rules: rulesJson(settings.rules),
    anchor: settings.anchor,
    closedThrough: NEVER,
    stopped: null,
    rows: [...rows.values()],
    serverNow: Date.now() as EpochMs,
  });

  return {
    join(settings, partitions) {
      joined = settings;
      for (const { partition, startOffset } of partitions) {
        if (rows.has(partition)) continue;
        rows.set(partition, {
          partition,
          commitId: NO_COMMIT,
          nextOffset: startOffset,
          firstOffset: startOffset,
          watermark: NEVER,
          recordWatermark: NEVER,
          maxWindowEnd: NEVER,
          raisedAt: Date.now() as EpochMs,
          quietSince: null,
          retired: false,
        });
      }
      return Promise.resolve();
    },

    read: () => Promise.resolve(joined && state(joined)),

    async commit(payload) {
      const chunks = payload.chunks.filter((chunk) => !chunk.late);
      if (chunks.length > 0) await append(database, payload.commitId, chunks);
      for (const chunk of chunks) open.add(chunk.windowStart);
      for (const move of payload.moves) {
        rows.set(move.partition, { ...rows.get(move.partition)!, ...move, commitId: payload.commitId });
      }
      return { kind: "committed" };
    },

    async close() {
      const watermark = Math.min(...[...rows.values()].map((row) => row.watermark));
      const start = Math.min(...open);
      if (joined === null || !(start + joined.windowSizeMs <= watermark)) return { kind: "nothing" };
      const day = new Date(start).toISOString().slice(0, 10);
      await database.query((sql) => sql`select tidemark_ensure_day_v1(${day}::text::date)`, DEADLINE_MS);
      const [closed] = await database.query((sql) =>
        sql<{ rows: string; chunks: string }[]>`
          with appended as (
            insert into aggregated_web_traffic (window_start, window_end, host, referrer, country_code, region, city, num_hits, bot_hits)
            select w.start, w.start + ${joined!.windowSizeMs}::text::bigint * interval '1 millisecond', o.*
            from (select tidemark_time_v1(${start}::text::bigint) as start) w cross join lateral tidemark_open_rows_v1(w.start) o
            returning 1),
          gone as (delete from open_delta where window_start = tidemark_time_v1(${start}::text::bigint) returning 1)
          select (select count(*) from appended) as rows, (select count(*) from gone) as chunks`, DEADLINE_MS);
      open.delete(start);
      return {
        kind: "closed",
        windowStart: start as EpochMs,
        rows: Number(closed!.rows),
        hits: 0,
        foldedKeys: 0,
        foldedValues: 0,
        chunks: Number(closed!.chunks),
      };
    },

    // It stores no visitors: its runs count the rows alone.
    salts: () => Promise.resolve([]),

    stop: () => Promise.resolve(),
  };
}

/** The same bytes in the same encoding as a real commit's, without the rest of it. */
async function append(database: Database, commitId: string, chunks: CommitPayload["chunks"]): Promise<void> {
  for (const c of chunks) {
    const numbers = (list: string) => `{${list}}`;
    await database.query(
      (sql) =>
        sql`insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix,
          key_hits, key_bot_hits)
        values (tidemark_time_v1(${c.windowStart}::text::bigint), ${commitId}::uuid, ${c.hits}::text::bigint, ${c.botHits}::text::bigint,
          ${c.keys}::text::integer, ${c.hosts}, ${c.referrers}, ${c.places}, ${numbers(c.hostIx)}::text::integer[],
          ${numbers(c.referrerIx)}::text::integer[], ${numbers(c.placeIx)}::text::integer[], ${
          numbers(c.keyHits)
        }::text::integer[],
          ${numbers(c.keyBotHits)}::text::integer[])`,
      DEADLINE_MS,
    );
  }
}
