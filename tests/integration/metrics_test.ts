// What a scrape of a real database says: the freshness objective, whole and violated, and everything that the alert rules read.
import { assert, assertEquals } from "@std/assert";
import { readFreshness } from "../../src/http/api/stream/freshness.ts";
import { Metrics } from "../../src/http/api/metrics/catalogue.ts";
import { Registry } from "../../src/shared/metrics.ts";
import { snapshot, testApp } from "../http/app_fixture.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { streamDatabase } from "./http_fixture.ts";

const options = { objectiveMs: 180_000, deadlineMs: 5_000 };

Deno.test("readFreshness() counts windows in time, too late and overdue, and leaves out history from before the first start", async () => {
  await using stream = await streamDatabase();
  const { sql, database } = stream;
  await sql`delete from web_traffic_window`;
  await sql`delete from open_delta`;
  await sql`update stream set created_at = now() - interval '2 hours'`;
  const close = (endedAgo: string, visibleAfter: string) =>
    sql`insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, closed_at, closed_by)
      select e - interval '5 minutes', e, 1, 1, 0, e + ${visibleAfter}::text::interval, 'test'
      from (select now() - ${endedAgo}::text::interval as e) t`;
  assertEquals(await readFreshness(database, options), { due: 0, fresh: 0 });

  await close("30 minutes", "180 seconds");
  await close("60 minutes", "181 seconds");
  await close("119 minutes", "61 seconds");
  await close("121 minutes", "1 second");
  assertEquals(await readFreshness(database, options), { due: 3, fresh: 2 }, "121 minutes ago there was no stream");

  const open = (endedAgo: string) =>
    sql`insert into open_delta (window_start, commit_id, hits, bot_hits, keys, hosts, referrers, places, host_ix, referrer_ix, place_ix, key_hits, key_bot_hits)
      select now() - ${endedAgo}::text::interval - interval '5 minutes', gen_random_uuid(), 1, 0, 1, E'a\x1f', E'\x1f', E'DE\x1e\x1e\x1f', '{1}', '{1}', '{1}', '{1}', '{0}'`;
  await open("179 seconds");
  assertEquals(await readFreshness(database, options), { due: 3, fresh: 2 }, "this one still has time");
  await open("200 seconds");
  assertEquals(await readFreshness(database, options), { due: 4, fresh: 2 }, "this one is overdue");
});

Deno.test("readFreshness() is null before the first start", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  assertEquals(await readFreshness(stream.database, options), null);
});

Deno.test("/metrics shows the objective, the share that met it, look-ups and every histogram of the catalogue", async () => {
  await using stream = await streamDatabase();
  await stream.sql`update stream set created_at = now() - interval '2 hours'`;
  await stream
    .sql`update web_traffic_window set window_start = now() - interval '30 minutes', window_end = now() - interval '25 minutes',
    closed_at = now() - interval '24 minutes' where window_start = (select min(window_start) from web_traffic_window)`;
  const registry = new Registry();
  const metrics = new Metrics(registry);
  metrics.histogram("tidemark_window_visible_seconds").observe(61.4);
  metrics.histogram("tidemark_commit_duration_seconds").observe(0.012);
  metrics.counter("tidemark_commit_keys_total").inc(25);
  const app = testApp({
    database: stream.database,
    clock: systemClock,
    snapshots: [snapshot()],
    deps: { metrics: registry, geoCounts: () => ({ located: 100, walked: 7, missed: 3 }) },
    settings: { access: { publicAccess: true } },
  });
  const lines = (await (await app.request("/metrics")).text()).split("\n");
  for (
    const line of [
      "tidemark_freshness_objective_seconds 180",
      "tidemark_windows_fresh_ratio 1",
      'tidemark_window_visible_seconds_bucket{le="60"} 0',
      'tidemark_window_visible_seconds_bucket{le="62"} 1',
      "tidemark_commit_duration_seconds_count 1",
      "tidemark_commit_keys_total 25",
      'tidemark_geo_lookups_total{result="cached"} 93',
      'tidemark_geo_lookups_total{result="walked"} 7',
      "tidemark_geo_misses_total 3",
      "tidemark_ready 0",
    ]
  ) {
    assert(
      lines.includes(line),
      `${line} is missing in:\n${lines.filter((l) => l.startsWith(line.slice(0, 20))).join("\n")}`,
    );
  }
});
