// Goal: a program of the release before works beside this one on the newest schema: what it commits, merges, closes, rolls up and retires is
// counted once and found by the ledger. Method: the functions of ddl/0001 to 0004, as that program calls them, in turn with today's.
// That such a program is refused by name where it would read events by other rules is in postgres_store_test.ts.
import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testApp } from "../http/app_fixture.ts";
import { commit, DAY0, join, type KeyHits, MIN } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

const HOUR = 60 * MIN, DAY = 24 * HOUR, WINDOW = 5 * MIN;
type Version = 1 | 2;

/** What a program of a version does with all that is there to do; returns how many windows it closed. */
async function work(sql: Sql, version: Version): Promise<number> {
  for (let closed = 0;;) {
    const [row] = await sql.unsafe(`select tidemark_close_v${version}('v${version}', 1000000) as done`);
    if (row!.done.state === "closed") closed++;
    else if (row!.done.state === "day_missing") {
      await sql.unsafe(`select tidemark_ensure_day_v${version}('${row!.done.day}')`);
    } else return closed;
  }
}

async function rollUp(sql: Sql, version: Version): Promise<void> {
  for (;;) {
    const [row] = await sql.unsafe(`select tidemark_roll_up_v${version}() ->> 'state' as state`);
    if (row!.state === "nothing") return;
  }
}

Deno.test("commits, merges, closings, roll-ups and retention of the release before go on beside this one's", async () => {
  await using stream = await streamDatabase((sql) => join(sql, 1));
  const { sql } = stream;
  const expected = { hits: 0, bots: 0, late: 0, closed: { 1: 0, 2: 0 } };
  // Two days and one hour in steps of two hours: each version commits to a window that the other one has begun, and closes what both wrote.
  for (let n = 0; n <= 25; n++) {
    const window = DAY0 + n * 2 * HOUR, version = n % 2 === 0 ? 1 : 2;
    for (const by of [version, 3 - version] as Version[]) {
      const hits: KeyHits[] = Array.from({ length: 4 }, (_, i) => ({
        window,
        host: `h${i}.example`,
        referrer: i % 2 === 0 ? "" : `https://r${n % 3}.example/`,
        place: ["AU", "New South Wales", "Sydney"],
        hits: 1 + i,
        bots: i % 2,
      }));
      const late: KeyHits[] = n > 0 ? [{ window: window - 2 * HOUR, host: "late.example", hits: 2, late: true }] : [];
      await commit(
        sql,
        [{
          partition: 0,
          by: 13,
          counted: 10,
          late: n > 0 ? 2 : 0,
          dead: n > 0 ? 1 : 3,
          watermark: window,
          maxWindowEnd: window + WINDOW,
        }],
        [...hits, ...late],
        {
          counts: [{ partition: 0, reason: "bad_json", records: n > 0 ? 1 : 3 }],
          ranges: [],
          samples: [],
        },
        by,
      );
      expected.hits += 10;
      expected.bots += 2;
      expected.late += n > 0 ? 2 : 0;
    }
    await sql`select tidemark_compact_v1(2)`;
    expected.closed[version] += await work(sql, version);
    await rollUp(sql, n % 3 === 0 ? 1 : 2);
  }
  await commit(sql, [{ partition: 0, by: 0, watermark: DAY0 + 3 * DAY }], [], null, 1);
  expected.closed[1] += await work(sql, 1);
  await rollUp(sql, 1);
  assertEquals(expected.closed[1] + expected.closed[2], 26);

  const app = testApp({ database: stream.database });
  const get = async (path: string) => await (await app.request(path)).json();
  const ledger = await get("/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-03T00:00:00Z");
  assertEquals([ledger.balanced, ledger.imbalances], [true, []]);
  assertEquals(
    ledger.deep.windows_without_digest,
    expected.closed[1],
    "a closing of the release before makes no digest",
  );
  const [rows] = await sql`
    select sum(num_hits)::int as hits, sum(bot_hits)::int as bots, (select sum(num_hits)::int from late_web_traffic) as late
    from aggregated_web_traffic`;
  assertEquals({ ...rows }, { hits: expected.hits, bots: expected.bots, late: expected.late });
  const total = async (version: Version, late: "include" | "exclude") => {
    const name = version === 1 ? "contribution_report" : "contribution_report_v2";
    const [row] = await sql.unsafe(
      `select total_hits::int as total from ${name}('2026-01-31', '2026-02-02', p_late => '${late}') limit 1`,
    );
    return row!.total;
  };
  const totals = async () => [
    await total(1, "exclude"),
    await total(2, "exclude"),
    await total(1, "include"),
    await total(2, "include"),
  ];
  const all = [expected.hits, expected.hits, expected.hits + expected.late, expected.hits + expected.late];
  assertEquals(await totals(), all);

  // Its retention books the day and drops the table itself; this one's goes on with the next day.
  await sql`select tidemark_retire_v1('2026-02-01')`;
  await sql`alter table aggregated_web_traffic detach partition aggregated_web_traffic_20260131`;
  await sql`drop table aggregated_web_traffic_20260131`;
  assertEquals((await get("/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-03T00:00:00Z")).balanced, true);
  const [done] = await sql`select tidemark_retire_v2('2026-02-02') as done`;
  assertEquals(done!.done.state, "retired");
  assertEquals((await sql`select tidemark_drop_retired_v1() ->> 'state' as state`)[0]!.state, "dropped");
  assertEquals((await get("/v1/ledger")).balanced, true);
  assertEquals((await totals()).slice(0, 2), all.slice(0, 2), "sums by place outlive the rows");
});
