// Breakdowns in the database (ddl/0011_breakdown.sql): from the commit through compaction, closing and roll-ups, each sum equals a naive recount.
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { codeOf } from "../../../src/shared/sql.ts";
import { rollUp } from "../../../src/store/maintenance.ts";
import { SIZE } from "../../contract/store_contract.ts";
import { randomBelow } from "../../fuzz/random.ts";
import { startPostgres } from "../../support/postgres.ts";
import {
  ALL,
  breakdownRig,
  byBytes,
  chunkOf,
  counted,
  type Counts,
  DAY,
  DAY0,
  folded,
  type Hit,
  HOSTILE,
  HOUR,
  MIN,
  ordered,
  type Rig,
} from "./fixture.ts";

const HOSTS = ["a.example", "b.example", "ünïcode.example"];
const CLIENTS = ["Chrome\x1eWindows\x1edesktop", "Safari\x1eiOS\x1emobile", "(bot)\x1e(bot)\x1e(bot)"];
const CAMPAIGNS = ["(none)", `news\x1email\x1e"spring, {2026}"`, "a\x1e\x1e"];
const CHANNELS = ["direct", "search", "internal"];
/** At the edges of days in UTC and in zones of half hours, and in between. */
const STARTS = [
  18 * HOUR + 25 * MIN,
  18 * HOUR + 30 * MIN,
  22 * HOUR,
  23 * HOUR + 55 * MIN,
  DAY,
  DAY + 30 * MIN,
  DAY + 18 * HOUR + 25 * MIN,
  DAY + 18 * HOUR + 30 * MIN,
  DAY + 23 * HOUR + 55 * MIN,
  2 * DAY,
  2 * DAY + 5 * HOUR + 35 * MIN,
].map((at) => DAY0 + at);

function someHits(random: (n: number) => number, window: number, count: number): Hit[] {
  const pick = <T>(list: readonly T[]) => list[random(list.length)]!;
  return Array.from({ length: count }, () => ({
    window,
    host: pick(HOSTS),
    values: [pick(HOSTILE), pick(CLIENTS), pick(CAMPAIGNS), pick(CHANNELS)],
    bot: random(4) === 0,
  }));
}

/** Intervals that the report cuts in every way: whole days, days of India, hours, windows, all. */
const INTERVALS: readonly (readonly [from: number, to: number])[] = [
  [DAY0, DAY0 + DAY],
  [DAY0 + DAY, DAY0 + 2 * DAY],
  [DAY0 + 18.5 * HOUR, DAY0 + 42.5 * HOUR],
  [DAY0 - 5.5 * HOUR, DAY0 + 18.5 * HOUR],
  [DAY0 + 42.5 * HOUR, DAY0 + 66.5 * HOUR],
  [DAY0 + 22 * HOUR, DAY0 + DAY + HOUR],
  [DAY0 + DAY, DAY0 + DAY + SIZE],
  [DAY0, DAY0 + 5 * DAY],
];

async function assertCounts(rig: Rig, hits: readonly Hit[], late: readonly Hit[], stage: string): Promise<void> {
  for (const [from, to] of INTERVALS) {
    const inside = ({ window }: Hit) => window >= from && window < to;
    for (const dimension of [1, 2, 3, 4]) {
      const name = `${stage}: dimension ${dimension} from ${new Date(from).toISOString()} to ${
        new Date(to).toISOString()
      }`;
      const own = hits.filter(inside), all = [...own, ...late.filter(inside)];
      assertEquals(await rig.report(dimension, from, to), counted(own, dimension), name);
      assertEquals(
        await rig.report(dimension, from, to, { late: true }),
        counted(all, dimension),
        `${name} with late ones`,
      );
      const hosts = HOSTS.slice(1);
      assertEquals(
        await rig.report(dimension, from, to, { hosts }),
        counted(own, dimension, hosts),
        `${name} of two hosts`,
      );
    }
  }
  assertEquals(await rig.faults(), [], stage);
}

Deno.test("breakdowns in the database", async (t) => {
  await using server = await startPostgres();

  await t.step("every stage gives the counts of the hits: open, compacted, closed, rolled up, packed", async () => {
    await using rig = await breakdownRig(server);
    const random = randomBelow(18);
    const hits: Hit[] = [], late: Hit[] = [];
    // Three commits a window, in the order of windows; the watermark stays before all of them.
    for (let round = 0; round < 3; round++) {
      for (const start of STARTS) {
        const more = someHits(random, start, 30 + random(30));
        hits.push(...more);
        assertEquals(await rig.commit([chunkOf(more)], { watermark: DAY0 }), { kind: "committed" });
      }
    }
    await assertCounts(rig, hits, late, "open");
    for (let state = ""; state !== "nothing";) {
      const [row] = await rig.sql<{ state: string }[]>`select tidemark_compact_v2(2) ->> 'state' as state`;
      state = row!.state;
    }
    assertEquals((await rig.sql`select count(*)::int as n from open_delta`)[0]!.n, STARTS.length);
    await assertCounts(rig, hits, late, "compacted");
    await rig.commit([], { watermark: STARTS.at(-1)! });
    assertEquals(await rig.close(), STARTS.length - 1);
    for (const start of [STARTS[1]!, STARTS[4]!]) {
      const more = someHits(random, start, 20);
      late.push(...more);
      assertEquals(await rig.commit([chunkOf(more, ALL, true)]), { kind: "committed" });
    }
    await assertCounts(rig, hits, late, "closed");
    await rollUp(rig.database, () => false);
    await assertCounts(rig, hits, late, "rolled up");
    await rig.commit([], { watermark: DAY0 + 5 * DAY });
    assertEquals(await rig.close(), 1);
    await rollUp(rig.database, () => false);
    await assertCounts(rig, hits, late, "all closed");
    assertGreater((await rig.sql`select count(*)::int as n from breakdown_day`)[0]!.n, 0);
    assertEquals(
      (await rig.sql`select count(*)::int as n from breakdown_hour where hour_start < ${new Date(DAY0 + 2 * DAY)}`)[0]!
        .n,
      0,
    );
    // The view unpacks the same.
    const [view] = await rig
      .sql`select sum(num_hits)::int as hits, count(distinct dimension)::int as dimensions from web_breakdown_row`;
    assertEquals(view, { hits: 4 * hits.length, dimensions: 4 });
  });

  await t.step("roll-ups one at a time: hours of a day that is not over, then its last ones", async () => {
    await using rig = await breakdownRig(server);
    const random = randomBelow(7);
    const hits: Hit[] = [];
    for (const start of STARTS) {
      const more = someHits(random, start, 25);
      hits.push(...more);
      await rig.commit([chunkOf(more)], { watermark: start });
      await rig.close();
      let calls = 0;
      await rollUp(rig.database, () => calls++ >= 3);
      await assertCounts(rig, hits, [], `after ${new Date(start).toISOString()}`);
    }
  });

  await t.step("values beyond the cap fold into (other), exactly and again at the roll-up", async () => {
    await using rig = await breakdownRig(server, 3);
    const random = randomBelow(3);
    const windows = [DAY0, DAY0 + SIZE].map((start) => someHits(random, start, 80));
    for (const hits of windows) await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    let foldedValues = 0;
    for (const _ of windows) {
      const outcome = await rig.store.close();
      assert(outcome.kind === "closed");
      foldedValues += outcome.foldedValues;
    }
    assertEquals(foldedValues, (await rig.sql`select sum(folded)::int as n from web_breakdown`)[0]!.n);
    const foldedHost = (hits: readonly Hit[], host: string) => folded(counted(hits, 1, [host]), 3);
    for (const [i, hits] of windows.entries()) {
      const start = DAY0 + i * SIZE;
      for (const host of HOSTS) {
        assertEquals(await rig.report(1, start, start + SIZE, { hosts: [host] }), foldedHost(hits, host), host);
      }
      // Three clients are as many as the cap: all are kept.
      assertEquals(await rig.report(2, start, start + SIZE), counted(hits, 2));
      const [row] = await rig
        .sql`select folded::int, keys from web_breakdown where dimension = 1 and window_start = ${new Date(start)}`;
      const pairs = HOSTS.map((host) => counted(hits, 1, [host]).length);
      assertEquals(row, { folded: pairs.reduce((all, n) => all + n - 2, 0), keys: 9 });
      // Equal counts have one form, so that their digests are equal: texts are in order of their bytes, pairs in that of host and value.
      const [stored] = await rig.sql`
        select hosts, value_texts, (select array_agg(h * 1000 + v) from unnest(host_ix, value_ix) as k(h, v)) as pairs
        from web_breakdown where dimension = 1 and window_start = ${new Date(start)}`;
      for (const list of [stored!.hosts, stored!.value_texts] as string[]) {
        const texts = list.split("\x1f").slice(0, -1);
        assertEquals(texts, texts.toSorted());
      }
      assertEquals(stored!.pairs, (stored!.pairs as number[]).toSorted((a, b) => a - b));
    }
    await rollUp(rig.database, () => false, 3);
    assertGreater((await rig.sql`select count(*)::int as n from breakdown_hour`)[0]!.n, 0);
    for (const host of HOSTS) {
      // The hour folds what the windows have left: a value is in one window and folded in the other.
      const left = Map.groupBy(windows.flatMap((hits) => [...foldedHost(hits, host)]), ([value]) => value);
      const sum = (list: Counts, at: 1 | 2) => list.reduce((all, count) => all + count[at], 0);
      const hour = [...left].map(([value, list]) => [value, sum(list, 1), sum(list, 2)] as const);
      assertEquals(await rig.report(1, DAY0, DAY0 + HOUR, { hosts: [host] }), folded(ordered(hour), 3), host);
    }
    assertEquals(await rig.faults(), []);
  });

  await t.step("pairs beyond the keys of a window fold into (other) of the host (other)", async () => {
    await using rig = await breakdownRig(server);
    const hits = someHits(randomBelow(11), DAY0, 200);
    await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    await rig.sql`select tidemark_ensure_day_v2('2026-03-01')`;
    await rig.sql`select tidemark_close_v3('a', 5)`;
    for (const dimension of [1, 2, 3, 4]) {
      const rows = await rig.sql<{ host: string; value: string; hits: number }[]>`
        select k.host, k.value, k.num_hits::int as hits from web_breakdown_row k
        where dimension = ${["page", "client", "campaign", "entry_channel"][dimension - 1]!} order by 3 desc`;
      assertEquals(rows.length, 5);
      assertEquals(rows.reduce((sum, row) => sum + row.hits, 0), hits.length);
      assert(rows.some(({ host, value }) => host === "(other)" && value === "(other)"));
    }
  });

  await t.step("an open window keeps many times the cap; what is beyond folds when its chunks are merged", async () => {
    await using rig = await breakdownRig(server);
    const random = randomBelow(12);
    const chunks = [1, 2, 3].map(() => someHits(random, DAY0, 60));
    for (const hits of chunks) await rig.commit([chunkOf(hits)], { watermark: DAY0 });
    await rig.sql`select tidemark_compact_v2(2, 5)`;
    const all = chunks.flat();
    const perHost = async (stage: string) => {
      for (const host of HOSTS) {
        assertEquals(
          await rig.report(1, DAY0, DAY0 + DAY, { hosts: [host] }),
          folded(counted(all, 1, [host]), 5),
          stage,
        );
      }
      assertEquals(await rig.report(2, DAY0, DAY0 + DAY), counted(all, 2), stage);
      assertEquals(await rig.faults(), [], stage);
    };
    assertEquals((await rig.sql`select count(*)::int as n from open_delta`)[0]!.n, 1);
    await perHost("compacted");
    await rig.commit([], { watermark: DAY0 + HOUR });
    assertEquals(await rig.close(), 1);
    await perHost("closed");
  });

  await t.step("a window with more pairs than a closing may merge is compacted first", async () => {
    await using rig = await breakdownRig(server, 1_000, 10);
    const random = randomBelow(13);
    const chunks = [1, 2, 3, 4, 5].map(() => someHits(random, DAY0, 40));
    for (const hits of chunks) await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    await rig.sql`select tidemark_ensure_day_v2('2026-03-01')`;
    const [row] = await rig.sql`select tidemark_close_v3('x', 1000, p_pairs_max => 10) as done`;
    assertEquals(row!.done, { state: "crowded", window_start: DAY0 });
    const outcome = await rig.store.close();
    assertEquals(outcome.kind === "closed" && [outcome.chunks, outcome.hits], [1, 200]);
    for (const dimension of [1, 2, 3, 4]) {
      assertEquals(await rig.report(dimension, DAY0, DAY0 + DAY), counted(chunks.flat(), dimension));
    }
  });

  await t.step("p_limit keeps the largest values of each bucket and adds up the rest", async () => {
    await using rig = await breakdownRig(server);
    const hits = someHits(randomBelow(5), DAY0, 150);
    await rig.commit([chunkOf(hits)]);
    const all = counted(hits, 1);
    const limited = await rig.report(1, DAY0, DAY0 + DAY, { limit: 4 });
    assertEquals(limited, folded(all, 5));
  });

  await t.step("breakdown_report() splits clients, ranks, and counts what it is asked for", async () => {
    await using rig = await breakdownRig(server);
    const hits = someHits(randomBelow(8), DAY0 + HOUR, 120);
    const late = someHits(randomBelow(9), DAY0, 10);
    await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    await rig.commit([chunkOf(late, ALL, true)]);
    const report = async (more: string) =>
      (await rig.sql.unsafe(`
        select value, num_hits::int as hits, total_hits::int as total from breakdown_report('2026-03-01', '2026-03-01', ${more}) order by rank`))
        .map(({ value, hits, total }) => [value, hits, total]);
    for (const [i, by] of ["browser", "os", "device"].entries()) {
      const parts = hits.map((hit) => ({ ...hit, values: ["", hit.values[1].split("\x1e")[i]!, "", ""] as const }));
      const ranked = [...counted(parts, 2)].sort((a, b) => b[1] - a[1] || byBytes(a[0], b[0]));
      assertEquals(await report(`p_by => '${by}'`), ranked.map(([value, n]) => [value, n, hits.length]), by);
    }
    const bots = hits.filter(({ bot, host }) => bot && host !== HOSTS[0]);
    const asked = `p_by => 'entry_channel', p_traffic => 'bot', p_hosts => '{${HOSTS.slice(1).join()}}'`;
    assertEquals(ordered((await report(asked)).map(([value, n]) => [value, n, n] as never)), counted(bots, 4));
    assertEquals((await report("p_late => 'include', p_limit => 2")).map(([, , total]) => total), [130, 130]);
    const [known] = await rig
      .sql`select counted_since, is_final from breakdown_report('2026-03-01', '2026-03-01') limit 1`;
    assertEquals(known, { counted_since: new Date(DAY0 + HOUR), is_final: false });
    assertEquals(codeOf(await assertRejects(() => report("p_by => 'host'"))), "22023");
  });

  await t.step("a window with a chunk of an older program has no breakdown, and is named as missing", async () => {
    await using rig = await breakdownRig(server);
    const random = randomBelow(2);
    const [first, second, third, fourth] = [0, 1, 2, 3].map((n) => someHits(random, DAY0 + n * SIZE, 20));
    await rig.commit([chunkOf(first!), chunkOf(second!), chunkOf(third!, 3), chunkOf(fourth!)]);
    await rig.commit([chunkOf(second!, 0)]);
    const coverage = async () =>
      (await rig.sql<{ line: string }[]>`
        select concat_ws(' ', dimension, to_char(since, 'HH24:MI'),
          (select string_agg(to_char(lower(r), 'HH24:MI') || '-' || to_char(upper(r), 'HH24:MI'), ',') from unnest(missing) r)) as line
        from tidemark_breakdown_coverage_v1()`).map(({ line }) => line);
    // A version without breakdowns closes the last one.
    const close = async (version: number) => {
      const [row] = await rig.sql`select ${
        rig.sql.unsafe(`tidemark_close_v${version}`)
      }('x', 1000) ->> 'state' as state`;
      assertEquals(row!.state, "closed");
    };
    await rig.sql`select tidemark_ensure_day_v2('2026-03-01')`;
    await rig.commit([], { watermark: DAY0 + HOUR });
    const open = [
      "1 00:00 00:05-00:10",
      "2 00:00 00:05-00:10",
      "3 00:00 00:05-00:15",
      "4 00:00 00:05-00:15",
      "5 00:00 00:05-00:15",
    ];
    assertEquals(await coverage(), open);
    assertEquals(await rig.report(1, DAY0, DAY0 + DAY), counted([...first!, ...third!, ...fourth!], 1));
    for (let n = 0; n < 3; n++) await close(3);
    assertEquals(await coverage(), open);
    await close(2);
    const closed = [
      "1 00:00 00:05-00:10,00:15-00:20",
      "2 00:00 00:05-00:10,00:15-00:20",
      ...[3, 4, 5].map((dimension) => `${dimension} 00:00 00:05-00:20`),
    ];
    assertEquals(await coverage(), closed);
    assertEquals(await rig.report(1, DAY0, DAY0 + DAY), counted([...first!, ...third!], 1));
    assertEquals(await rig.report(4, DAY0, DAY0 + DAY), counted(first!, 4));
    await rollUp(rig.database, () => false);
    assertEquals(
      (await rig.sql`select hours_through from breakdown_progress`)[0]!.hours_through,
      new Date(DAY0 + HOUR),
    );
    assertEquals(await coverage(), closed);
    assertEquals(await rig.report(1, DAY0, DAY0 + DAY), counted([...first!, ...third!], 1));
    assertEquals(await rig.faults(), []);
  });

  await t.step(
    "an older program's compaction leaves out breakdowns, the newer one keeps what all chunks count",
    async () => {
      await using rig = await breakdownRig(server);
      const hits = someHits(randomBelow(4), DAY0, 40);
      for (const mask of [ALL, 3, 7]) await rig.commit([chunkOf(hits, mask)]);
      await rig.sql`select tidemark_compact_v2(2)`;
      const masks = async () => (await rig.sql`select mask from open_delta order by id`).map(({ mask }) => mask);
      assertEquals(await masks(), [3]);
      assertEquals(await rig.report(2, DAY0, DAY0 + DAY), counted([...hits, ...hits, ...hits], 2));
      assertEquals(await rig.report(3, DAY0, DAY0 + DAY), []);
      await rig.commit([chunkOf(hits)]);
      await rig.sql`select tidemark_compact_v1(2)`;
      assertEquals(await masks(), [null]);
      assertEquals(await rig.faults(), []);
    },
  );

  await t.step("a commit whose breakdown does not add up is refused, and stores nothing", async () => {
    await using rig = await breakdownRig(server);
    const hits = someHits(randomBelow(9), DAY0, 10);
    for (const late of [false, true]) {
      const good = chunkOf(hits, ALL, late);
      const wrong = [
        { hits: good.breakdown!.hits.replace(/^\d+/, (n) => String(Number(n) + 1)) },
        { botHits: good.breakdown!.botHits.replace(/\d+$/, (n) => String(Number(n) + 1)) },
        { hostIx: good.breakdown!.hostIx.replace(/,\d+$/, "") },
        { mask: 7 },
        { ends: good.breakdown!.ends.replace(/^\d+,/, "") },
      ];
      for (const change of wrong) {
        const outcome = await rig.commit([{ ...good, breakdown: { ...good.breakdown!, ...change } }]);
        assertEquals(outcome.kind, "unknown");
        assertEquals(codeOf((outcome as { cause: unknown }).cause), "TM004", JSON.stringify(change));
      }
    }
    for (const table of ["open_delta", "late_web_traffic", "late_breakdown", "commit_history"]) {
      assertEquals((await rig.sql.unsafe(`select count(*)::int as n from ${table}`))[0]!.n, 0, table);
    }
    assertEquals((await rig.store.read())!.rows[0]!.nextOffset, 0);
  });

  await t.step("a closing or roll-up that would not add up changes nothing", async () => {
    await using rig = await breakdownRig(server);
    const hits = someHits(randomBelow(6), DAY0, 30);
    await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    await rig.sql`update open_delta set value_hits[1] = value_hits[1] + 1`;
    assertEquals(await rig.faults(), ["chunk 01 00:00 30"]);
    assertEquals(codeOf(await assertRejects(() => rig.store.close())), "TM004");
    assertEquals((await rig.sql`select count(*)::int as n from web_breakdown`)[0]!.n, 0);
    await rig.sql`update open_delta set value_hits[1] = value_hits[1] - 1`;
    assertEquals(await rig.close(), 1);
    await rig.sql`update web_breakdown set hits = hits + 1 where dimension = 2`;
    const error = await assertRejects(() => rollUp(rig.database, () => false));
    assertEquals(codeOf(error), "TM004");
    assertEquals((await rig.sql`select count(*)::int as n from breakdown_hour`)[0]!.n, 0);
    await rig.sql`update web_breakdown set hits = hits - 1 where dimension = 2`;
    await rollUp(rig.database, () => false);
    assertEquals(await rig.report(2, DAY0, DAY0 + DAY), counted(hits, 2));
  });

  await t.step("deep checks of the ledger name what was changed by hand", async () => {
    await using rig = await breakdownRig(server);
    const hits: Hit[] = [
      { window: DAY0, host: "a", values: ["/1", "c", "k", "direct"] },
      { window: DAY0, host: "a", values: ["/1", "c", "k", "direct"] },
      { window: DAY0, host: "b", values: ["/2", "c", "k", "search"] },
    ];
    await rig.commit([chunkOf(hits)], { watermark: DAY0 + HOUR });
    await rig.close();
    assertEquals(await rig.faults(), []);
    const changed = async (statement: string, ...expected: string[]) => {
      const before = await rig.sql`select * from web_breakdown`;
      await rig.sql.unsafe(statement);
      assertEquals(await rig.faults(), expected, statement);
      await rig.sql`delete from web_breakdown`;
      for (const row of before) await rig.sql`insert into web_breakdown ${rig.sql(row)}`;
      assertEquals(await rig.faults(), []);
    };
    await changed("delete from web_breakdown where dimension = 3", "window 3 01 00:00 3");
    await changed(
      "update web_breakdown set key_hits[1] = 3 where dimension = 1",
      "digest 1 01 00:00 3 4",
      "host 1 01 00:00 2 3",
      "window 1 01 00:00 3 4",
    );
    // The sums stay, so that only the digest shows it.
    await changed(
      `update web_breakdown set value_texts = replace(value_texts, '/2', '/3') where dimension = 1`,
      "digest 1 01 00:00 3 3",
    );
    await changed(
      "update web_breakdown set key_hits = array[1, 2] where dimension = 1",
      "digest 1 01 00:00 3 3",
      "host 1 01 00:00 3 3",
    );
    await rig.sql`insert into late_breakdown values (${new Date(DAY0)}, 1, 'a', '/', 1, 0)`;
    assertEquals(await rig.faults(), ["late 1 0 1"]);
  });
});
