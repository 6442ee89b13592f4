// The worked example of docs/concepts.md ("One commit, step by step") on a real PostgreSQL: every number that the page gives.
import { assertEquals } from "@std/assert";
import { closeAll, commit, join, migrated, MIN } from "../http/stream_fixture.ts";
import { startPostgres } from "../support/postgres.ts";

const NOON = Date.UTC(2026, 0, 31, 12);
const SHOP = { host: "shop.example" };

Deno.test("the worked example of the concepts gives the numbers of its page", async () => {
  await using server = await startPostgres();
  const sql = await migrated(server.url);
  try {
    const partition = async () =>
      (await sql`
        select next_offset::int, to_char(watermark at time zone 'UTC', 'HH24:MI') as watermark, counted::int, late::int, dead::int,
          null_records::int from stream_partition`)[0];
    const open = async () =>
      (await sql`select to_char(window_start at time zone 'UTC', 'HH24:MI') as w, hits::int from open_delta order by id`)
        .map(({ w, hits }) => `${w} ${hits}`);

    await join(sql, 1, { anchor: NOON });
    const hits = (window: number, hits: number, late = false) => ({ ...SHOP, window, hits, late });
    await commit(
      sql,
      [{ partition: 0, by: 41, counted: 41, watermark: NOON + 3 * MIN, maxWindowEnd: NOON + 5 * MIN }],
      [
        hits(NOON, 41),
      ],
    );
    assertEquals({ ...await partition() }, {
      next_offset: 41,
      watermark: "12:03",
      counted: 41,
      late: 0,
      dead: 0,
      null_records: 0,
    });
    assertEquals(await open(), ["12:00 41"]);

    await commit(
      sql,
      [{
        partition: 0,
        by: 16,
        counted: 13,
        late: 1,
        dead: 1,
        nulls: 1,
        watermark: NOON + 6 * MIN,
        maxWindowEnd: NOON + 10 * MIN,
      }],
      [hits(NOON, 9), hits(NOON + 5 * MIN, 4), hits(NOON - 5 * MIN, 1, true)],
      {
        counts: [{ partition: 0, reason: "bad_json", records: 1 }],
        ranges: [{ partition: 0, reason: "bad_json", first_offset: 52, last_offset: 52, records: 1 }],
        samples: [],
      },
    );
    assertEquals({ ...await partition() }, {
      next_offset: 57,
      watermark: "12:06",
      counted: 54,
      late: 1,
      dead: 1,
      null_records: 1,
    });
    assertEquals(await open(), ["12:00 41", "12:00 9", "12:05 4"]);

    assertEquals(await closeAll(sql), 1);
    assertEquals((await sql`select num_hits::int from aggregated_web_traffic`).map((row) => row["num_hits"]), [50]);
    assertEquals(await open(), ["12:05 4"]);
    assertEquals((await sql`select num_hits::int from late_web_traffic`).map((row) => row["num_hits"]), [1]);
  } finally {
    await sql.end();
  }
});
