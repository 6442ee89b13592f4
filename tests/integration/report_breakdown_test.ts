// Rankings of breakdowns and visitors from PostgreSQL: values over windows and hosts, what was not counted, and late records.
import { assert, assertEquals } from "@std/assert";
import { BREAKDOWNS } from "../../src/report/breakdown.ts";
import { breakdowns } from "../../src/report/breakdown_store.ts";
import { type BreakdownQuery, topQuery, visitorsQuery } from "../../src/report/report_query.ts";
import { top } from "../../src/report/top_store.ts";
import { visitors } from "../../src/report/visitor_store.ts";
import { epochMs } from "../../src/shared/units.ts";
import { reportDatabase } from "./report_fixture.ts";

const NOW = epochMs(Date.parse("2026-03-01T00:15:00Z"));
const DAY = { from: "2026-03-01", to: "2026-03-01" };

/** Three closed windows of 00:00, 00:05 and 00:10; an older program has closed the first. Hosts a and b, and a late record. */
const FILL = `
insert into stream (source, topic, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, closed_through)
  values ('kafka', 'web_traffic_topic', 'web_traffic_group', 300000, 'raw', 1024, true, '2026-03-01Z', '2026-03-01 00:15Z');
insert into stream_partition (partition, next_offset, first_offset, watermark, record_watermark, max_window_end)
  values (0, 100, 0, '2026-03-01 00:15Z', '2026-03-01 00:15Z', '2026-03-01 00:15Z');
select tidemark_ensure_day_v1('2026-03-01');
insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, closed_by, mask) values
  ('2026-03-01 00:00Z', '2026-03-01 00:05Z', 1, 50, 0, 'test', null),
  ('2026-03-01 00:05Z', '2026-03-01 00:10Z', 2, 10, 2, 'test', 31),
  ('2026-03-01 00:10Z', '2026-03-01 00:15Z', 1, 6, 0, 'test', 31);
insert into web_breakdown
  (window_start, dimension, hits, bot_hits, keys, folded, hosts, value_texts, host_ix, value_ix, key_hits, key_bot_hits, digest) values
  ('2026-03-01 00:05Z', 1, 10, 2, 3, 0, E'a\\x1fb\\x1f', E'(asset)\\x1f/\\x1f', '{1,1,2}', '{1,2,2}', '{3,5,2}', '{0,2,0}', '\\x'),
  ('2026-03-01 00:05Z', 2, 10, 2, 2, 0, E'a\\x1fb\\x1f', E'(bot)\\x1e(bot)\\x1e(bot)\\x1fChrome\\x1eLinux\\x1edesktop\\x1f',
    '{1,2}', '{1,2}', '{2,8}', '{2,0}', '\\x'),
  ('2026-03-01 00:10Z', 1, 6, 0, 1, 0, E'a\\x1f', E'/x\\x1f', '{1}', '{1}', '{6}', '{0}', '\\x'),
  ('2026-03-01 00:10Z', 2, 6, 0, 1, 0, E'a\\x1f', E'Chrome\\x1eAndroid\\x1emobile\\x1f', '{1}', '{1}', '{6}', '{0}', '\\x');
insert into late_breakdown (window_start, dimension, host, value, num_hits, bot_hits) values ('2026-03-01 00:05Z', 1, 'a', '/x', 4, 0);
`;

function asked(given: Record<string, string>) {
  const result = topQuery({ ...DAY, ...given }, NOW);
  assert(result.ok, JSON.stringify(result));
  return result.query;
}

Deno.test("top() ranks pages over windows and hosts, and says which windows were not counted", async () => {
  await using database = await reportDatabase({ empty: true });
  const { sql } = database;
  await sql.unsafe(FILL);
  const ranked = async (given: Record<string, string>) => {
    const { rows, reserved, total_count, breakdown } = await top(sql, asked({ by: "page", ...given }));
    const counts = [...rows, ...reserved].map(({ key, count }) => [key, count]);
    return [counts, total_count, breakdown?.views];
  };
  assertEquals(await ranked({}), [[["/", 7], ["/x", 6], ["(asset)", 3]], 16, 13]);
  assertEquals(await ranked({ late: "include" }), [[["/x", 10], ["/", 7], ["(asset)", 3]], 20, 17]);
  assertEquals(await ranked({ traffic: "human" }), [[["/x", 6], ["/", 5], ["(asset)", 3]], 14, 11]);
  assertEquals(await ranked({ traffic: "bot" }), [[["/", 2]], 2, 2]);
  assertEquals(await ranked({ host: "a" }), [[["/x", 6], ["/", 5], ["(asset)", 3]], 14, 11]);
  assertEquals(await ranked({ filter: "host:is:b;host:is:c" }), [[["/", 2]], 2, 2]);
  assertEquals(await ranked({ filter: "host:is:b;host:starts:x" }), [[], 0, 0]);
  const { breakdown, completeness } = await top(sql, asked({ by: "page" }));
  assertEquals(breakdown?.counted_since, "2026-03-01T00:05:00.000Z");
  assertEquals(breakdown?.not_counted, [{ start: "2026-03-01T00:00:00.000Z", end: "2026-03-01T00:05:00.000Z" }]);
  assertEquals([breakdown?.counting, completeness.coverage.includes("not_counted")], [true, true]);
});

Deno.test("breakdowns() gives each part of a client the same sum, and null to what was never counted", async () => {
  await using database = await reportDatabase({ empty: true });
  const { sql } = database;
  await sql.unsafe(FILL);
  // Entry channels were left out.
  await sql.unsafe("update web_traffic_window set mask = 7 where mask is not null");
  const reports = await breakdowns(sql, BREAKDOWNS.map((by) => asked({ by }) as BreakdownQuery));
  const found = Object.fromEntries(reports.map((report) => [report.query.by, report]));
  const rows = (by: string) => found[by]!.rows.map(({ key, count }) => [key, count]);
  assertEquals(rows("browser"), [["Chrome", 14]]);
  assertEquals(rows("os"), [["Linux", 8], ["Android", 6]]);
  assertEquals(rows("device"), [["desktop", 8], ["mobile", 6]]);
  for (const by of ["browser", "os", "device"]) {
    assertEquals(found[by]!.reserved.map(({ label, count }) => [label, count]), [["bots", 2]]);
    assertEquals(found[by]!.total_count, 16);
  }
  const entries = found.entry_channel!;
  assertEquals([entries.total_count, entries.rows, entries.completeness.status], [null, [], "unknown"]);
  assertEquals([entries.breakdown?.counted_since, entries.breakdown?.counting], [null, false]);
});

Deno.test("visitors() has no number for a day of which a window was not counted", async () => {
  await using database = await reportDatabase({ empty: true });
  const { sql } = database;
  await sql.unsafe(FILL);
  const result = visitorsQuery(DAY, NOW);
  assert(result.ok);
  const first = await visitors(sql, result.query);
  assertEquals(first.days.map(({ visitors, coverage }) => [visitors, coverage]), [[null, "not_counted"]]);
  await sql.unsafe("delete from web_traffic_window where mask is null");
  const report = await visitors(sql, result.query);
  // Counted, and the sketches are empty.
  assertEquals(report.days.map(({ visitors, status }) => [visitors, status]), [[0, "provisional"]]);
  assertEquals([report.visitors, report.counting], [0, true]);
});
