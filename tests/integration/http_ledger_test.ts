// /v1/ledger against rows that were changed by hand: whatever is wrong must be named.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Sql } from "postgres";
import { testApp } from "../http/app_fixture.ts";
import { commit, DAY0, fill, join, MIN } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

const DEEP = "/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z";

Deno.test("/v1/ledger is balanced for a stream that was not touched, shallow and deep", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  for (const path of ["/v1/ledger", DEEP]) {
    const body = await (await app.request(path)).json();
    assertEquals([body.balanced, body.imbalances], [true, []]);
    assertEquals([body.stream.counted, body.stream.closed, body.stream.open, body.stream.late], [18, 11, 7, 3]);
  }
  const body = await (await app.request(DEEP)).json();
  assertEquals([body.deep.windows_checked, body.deep.late_stored], [2, 2]);
});

interface Corruption {
  readonly name: string;
  readonly damage: (sql: Sql) => PromiseLike<unknown>;
  /** Whether only re-adding the rows can find it. */
  readonly deep: boolean;
  readonly kind: string;
  readonly partition?: number;
  readonly window?: string;
}

const CORRUPTIONS: readonly Corruption[] = [
  {
    name: "an offset that moved without its record",
    damage: (sql) => sql`update stream_partition set next_offset = next_offset + 1 where partition = 1`,
    deep: false,
    kind: "partition",
    partition: 1,
  },
  {
    name: "a dead letter without a reason",
    damage: (sql) => sql`update dead_letter_count set records = 0 where reason = 'bad_json'`,
    deep: false,
    kind: "partition",
    partition: 1,
  },
  {
    name: "an open delta that is gone",
    damage: (sql) => sql`delete from open_delta where id = (select max(id) from open_delta)`,
    deep: false,
    kind: "stream",
  },
  {
    name: "a closed window's book that is gone",
    damage: (sql) => sql`delete from web_traffic_window where window_start = ${new Date(DAY0)}`,
    deep: false,
    kind: "stream",
  },
  {
    name: "a window that is closed and open",
    damage: (sql) =>
      sql`update open_delta set window_start = ${new Date(DAY0)} where id = (select max(id) from open_delta)`,
    deep: false,
    kind: "window",
    window: "2026-01-31T00:00:00.000Z",
  },
  {
    name: "a row with one hit more",
    damage: (sql) => sql`update aggregated_web_traffic set num_hits = num_hits + 1 where host = 'a.example'`,
    deep: true,
    kind: "window",
    window: "2026-01-31T00:00:00.000Z",
  },
  {
    name: "a row whose bots changed",
    damage: (sql) => sql`update aggregated_web_traffic set bot_hits = bot_hits + 1 where host = 'b.example'`,
    deep: true,
    kind: "window",
    window: "2026-01-31T00:05:00.000Z",
  },
  {
    name: "a row that is gone",
    damage: (sql) => sql`delete from aggregated_web_traffic where host = 'b.example'`,
    deep: true,
    kind: "window",
    window: "2026-01-31T00:05:00.000Z",
  },
  {
    name: "rows of a window that was never closed",
    damage: (sql) =>
      sql`insert into aggregated_web_traffic select window_start + interval '1 hour', window_end + interval '1 hour', host, referrer,
          country_code, region, city, num_hits, bot_hits from aggregated_web_traffic where host = 'b.example'`,
    deep: true,
    kind: "window",
    window: "2026-01-31T01:05:00.000Z",
  },
  {
    name: "an open delta that lies about its sum",
    damage: (sql) =>
      sql`update open_delta set key_hits[1] = key_hits[1] + 1 where id = (select max(id) from open_delta)`,
    deep: true,
    kind: "window",
    window: "2026-01-31T00:15:00.000Z",
  },
  {
    name: "a late row that is gone",
    damage: (sql) => sql`delete from late_web_traffic`,
    deep: true,
    kind: "late",
  },
];

Deno.test("/v1/ledger names what was damaged", async (t) => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const app = testApp({ database: stream.database });
  for (const { name, damage, deep, kind, partition, window } of CORRUPTIONS) {
    await t.step(name, async () => {
      await empty(stream.sql);
      await fill(stream.sql);
      await damage(stream.sql);
      const shallow = await (await app.request("/v1/ledger")).json();
      assertEquals(shallow.balanced, deep, "what the sums alone show");
      const body = await (await app.request(DEEP)).json();
      assert(!body.balanced);
      const found = body.imbalances.find((i: { kind: string }) => i.kind === kind);
      assert(found, JSON.stringify(body.imbalances));
      assertEquals([found.partition, found.window_start], [partition ?? null, window ?? null]);
      assert(found.message.length > 20);
    });
  }
});

Deno.test("/v1/ledger counts retired days, and does not compare offsets that are bytes", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1, { source: "file", offsets_count_records: false });
    await commit(sql, [{ partition: 0, by: 5_000, counted: 3, watermark: DAY0 + MIN }], [
      { window: DAY0, host: "a.example", hits: 2 },
    ]);
    await sql`update stream set retired_hits = 1`;
  });
  const app = testApp({ database: stream.database });
  const body = await (await app.request("/v1/ledger")).json();
  assertEquals([body.balanced, body.offsets_count_records, body.stream.retired], [true, false, 1]);
});

Deno.test("/v1/ledger adds everything in one snapshot while commits run", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  let running = true;
  const writer = (async () => {
    for (let i = 0; running; i++) {
      await commit(stream.sql, [{ partition: 0, by: 2, counted: 1, dead: 1, watermark: DAY0 + 14 * MIN }], [
        { window: DAY0 + 30 * MIN, host: `h${i}`, hits: 1 },
      ], { counts: [{ partition: 0, reason: "bad_json", records: 1 }], ranges: [], samples: [] });
    }
  })();
  try {
    for (let i = 0; i < 100; i++) {
      const body = await (await app.request("/v1/ledger")).json();
      assertEquals(body.imbalances, [], `read ${i}`);
    }
  } finally {
    running = false;
    await writer;
  }
});

Deno.test("a deep ledger is bounded: both ends, in order, at most 31 days", async () => {
  const app = testApp();
  const cases: readonly (readonly [string, string, string])[] = [
    ["deep=true", "from", "required"],
    ["deep=true&from=2026-01-01T00:00:00Z", "to", "required"],
    ["deep=true&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to", "after from"],
    ["deep=true&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "to", "31 days"],
    ["from=2026-01-01T00:00:00Z", "deep", "must be true"],
  ];
  for (const [query, field, message] of cases) {
    const response = await app.request(`/v1/ledger?${query}`);
    const body = await response.json();
    assertEquals([response.status, body.errors[0].field], [400, field], query);
    assertStringIncludes(body.errors[0].message, message);
  }
});

async function empty(sql: Sql): Promise<void> {
  await sql`truncate stream, stream_partition, open_delta, aggregated_web_traffic, late_web_traffic, web_traffic_window,
    commit_history, dead_letter_count, dead_letter_range, dead_letter_sample`;
}
