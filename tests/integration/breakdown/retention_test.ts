// Retention of breakdowns and visitors (ddl/0011_breakdown.sql): sums stay, and what names hosts, pages, campaigns or visitors of a day goes with it.
import { assertEquals } from "@std/assert";
import { epochMs } from "../../../src/shared/units.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { StepBoard, UPKEEP_STEPS } from "../../../src/shared/steps.ts";
import { keepUp, retain, rollUp } from "../../../src/store/maintenance.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { ALL, breakdownRig, chunkOf, counted, DAY, DAY0, type Hit, HOUR, MIN, type Rig } from "./fixture.ts";

const TODAY = "2026-03-01";
/** Retention wants the first day gone, and keeps the second. */
const clock = {
  now: () => epochMs(DAY0 + 3 * DAY + HOUR),
  steady: () => performance.now(),
  sleep: () => Promise.resolve(),
};
const options = { clock, log: silentLog, steps: new StepBoard(UPKEEP_STEPS, clock), retentionDays: 2 };

const hitsAt = (window: number, page = "/secret/1", campaign = "spring"): Hit[] => [
  { window, host: "a", values: [page, "Chrome", campaign, "direct"] },
  { window, host: "a", values: ["/2", "Safari", "(none)", "search"], bot: true },
  { window, host: "b", values: ["/2", "Chrome", "(none)", "direct"] },
];
const FIRST = [0, 5 * HOUR, 18 * HOUR + 30 * MIN, 23 * HOUR + 55 * MIN].flatMap((at) => hitsAt(DAY0 + at));
const SECOND = [DAY, DAY + 5 * HOUR].flatMap((at) => hitsAt(DAY0 + at, "/kept", "autumn"));
const LATE = hitsAt(DAY0 + 5 * HOUR);

/** Two days and an hour, all closed, with late records of the first day and three visitors a host. */
async function threeDays(server: TestPostgres): Promise<Rig> {
  const rig = await breakdownRig(server);
  const [salt] = await rig.store.salts([TODAY]);
  const chunks = [...Map.groupBy([...FIRST, ...SECOND], ({ window }) => window).values()].map((hits) => chunkOf(hits));
  await rig.commit(chunks, {
    visitors: [{ day: TODAY, saltId: salt!.id, hosts: "a\x1fb\x1f", hostIx: "1,1,2", updates: "65,129,193" }],
    watermark: DAY0 + 2 * DAY + HOUR,
  });
  await rig.close();
  await rig.commit([chunkOf(LATE, ALL, true)]);
  return rig;
}

/** What a day's hits look like once it is retired. */
const retired = (hits: readonly Hit[]): Hit[] =>
  hits.map(({ values, ...hit }) => ({
    ...hit,
    host: "(retired)",
    values: ["(retired)", values[1], "(retired)", values[3]],
  }));

async function assertRetired(rig: Rig): Promise<void> {
  const intervals = [[0, DAY], [5 * HOUR, 6 * HOUR], [-5 * HOUR, 19 * HOUR], [0, 3 * DAY], [DAY, 2 * DAY]] as const;
  for (const [from, to] of intervals) {
    const inside = (hits: readonly Hit[]) => hits.filter(({ window }) => window >= DAY0 + from && window < DAY0 + to);
    const hits = [...retired(inside(FIRST)), ...inside(SECOND)];
    for (const dimension of [1, 2, 3, 4]) {
      assertEquals(
        await rig.report(dimension, DAY0 + from, DAY0 + to),
        counted(hits, dimension),
        `${dimension} ${from}`,
      );
      assertEquals(
        await rig.report(dimension, DAY0 + from, DAY0 + to, { late: true }),
        counted([...hits, ...retired(inside(LATE))], dimension),
        `${dimension} ${from} with late ones`,
      );
    }
  }
  // Nothing of the day names a host, a page, a campaign or a register.
  const [left] = await rig.sql`
    select (select count(*)::int from web_breakdown where window_start < ${new Date(DAY0 + DAY)}) as windows,
           (select count(*)::int from late_breakdown where host <> '(retired)') as late,
           (select count(*)::int from breakdown_key where value in ('/secret/1', 'spring')) as named,
           (select count(*)::int from visitor_sketch where day = ${TODAY}::date and (host <> '' or registers is not null)) as sketches,
           (select count(*)::int from open_visitor) as open`;
  assertEquals(left, { windows: 0, late: 0, named: 0, sketches: 0, open: 0 });
  const visitors = await rig.sql<{ state: string; n: number | null }[]>`
    select state, round(visitors)::int as n from tidemark_visitors_v1(${TODAY}::date, ${TODAY}::date, null)
    union all select state, round(visitors)::int from tidemark_visitors_v1(${TODAY}::date, ${TODAY}::date, '{a}')`;
  assertEquals(visitors.map(({ state, n }) => [state, n]), [["closed", 3], ["retired", null]]);
  assertEquals(await rig.faults(), []);
}

Deno.test("retention of breakdowns", async (t) => {
  await using server = await startPostgres();

  await t.step("a day waits for the roll-up of its breakdowns, then its sums stay and its names go", async () => {
    await using rig = await threeDays(server);
    const waits = async (reason: string) => {
      const [row] = await rig.sql`select tidemark_retire_v3('2026-03-02') as done`;
      assertEquals(row!.done, { state: "waiting", day: TODAY, reason });
    };
    await waits("not_rolled_up");
    for (let state = ""; state !== "nothing";) {
      state = (await rig.sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`)[0]!.state;
    }
    await waits("not_rolled_up");
    // All hours, but not yet the day.
    for (let call = 0; call < 3; call++) {
      await rig.sql`select tidemark_roll_up_breakdown_v1()`;
      await waits("not_rolled_up");
    }
    await rollUp(rig.database, () => false);
    assertEquals(await retain({ ...options, database: rig.database }), true);
    // Between the two, hosts are still known by day.
    await rollUp(rig.database, () => false);
    await assertRetired(rig);
    await retain({ ...options, database: rig.database });
    await rollUp(rig.database, () => false);
    await assertRetired(rig);
  });

  await t.step("what an older program has retired without its breakdowns is dropped by upkeep", async () => {
    await using rig = await threeDays(server);
    await rollUp(rig.database, () => false);
    const [row] = await rig.sql`select tidemark_retire_v2('2026-03-02') ->> 'state' as state`;
    assertEquals(row!.state, "retired");
    assertEquals(
      (await rig.sql`select count(*)::int as n from web_breakdown where window_start < ${new Date(DAY0 + DAY)}`)[0]!.n,
      16,
    );
    assertEquals(await rig.faults(), []);
    await keepUp({ ...options, database: rig.database });
    await rollUp(rig.database, () => false);
    await assertRetired(rig);
  });

  await t.step("breakdowns that are not rolled up outlive a retirement by an older program", async () => {
    await using rig = await threeDays(server);
    for (let state = ""; state !== "nothing";) {
      state = (await rig.sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`)[0]!.state;
    }
    await rig.sql`select tidemark_retire_v2('2026-03-02')`;
    await keepUp({ ...options, database: rig.database });
    assertEquals(await rig.report(2, DAY0, DAY0 + DAY), counted(FIRST, 2));
    await rollUp(rig.database, () => false);
    await keepUp({ ...options, database: rig.database });
    await rollUp(rig.database, () => false);
    assertEquals(await rig.report(2, DAY0, DAY0 + DAY), counted(FIRST, 2));
    const [left] = await rig.sql`select count(*)::int as n from web_breakdown where window_start < ${new Date(
      DAY0 + DAY,
    )}`;
    assertEquals(left!.n, 0);
  });
});
