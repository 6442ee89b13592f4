// Visitors in the database (ddl/0011_breakdown.sql): sketches and estimates equal those of tests/support/sketch.ts, and no salt outlives its day.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { updateOf } from "../../../src/breakdown/sketch.ts";
import { Sketch, sketchBytes } from "../../support/sketch.ts";
import type { VisitorUpdates } from "../../../src/store/port.ts";
import { randomBelow } from "../../fuzz/random.ts";
import { startPostgres } from "../../support/postgres.ts";
import { breakdownRig, chunkOf, DAY, DAY0, type Hit, HOUR, type Rig } from "./fixture.ts";

const day = (at: number) => new Date(at).toISOString().slice(0, 10);
const TODAY = day(DAY0), TOMORROW = day(DAY0 + DAY);

/** A record that a human made in the window at `window`, so that a day has a window. */
const hit = (window: number, host = "a"): Hit => ({ window, host, values: ["/", "c", "(none)", "direct"] });

/** Updates of random visitors: `[host, update]`. */
type Updates = readonly (readonly [host: string, update: number])[];

function updatesOf(updates: Updates, of: string, saltId: string): VisitorUpdates {
  const hosts = [...new Set(updates.map(([host]) => host))];
  return {
    day: of,
    saltId,
    hosts: hosts.map((host) => `${host}\x1f`).join(""),
    hostIx: updates.map(([host]) => hosts.indexOf(host) + 1).join(),
    updates: updates.map(([, update]) => update).join(),
  };
}

function someVisitors(random: (n: number) => number, count: number, hosts: readonly string[]): Updates {
  const word = () => random(2 ** 32) | 0;
  return Array.from({ length: count }, () => [hosts[random(hosts.length)]!, updateOf(word(), word())]);
}

function estimate(updates: Updates, hosts: readonly string[] | null): number {
  const sketch = new Sketch();
  for (const [host, update] of updates) if (hosts === null || hosts.includes(host)) sketch.add(update);
  return sketch.estimate();
}

async function visitors(rig: Rig, from: string, to: string, hosts: readonly string[] | null = null) {
  const rows = await rig.sql<{ day: string; visitors: number | null; state: string }[]>`
    select day::text, visitors, state from tidemark_visitors_v1(${from}::date, ${to}::date, ${hosts as
    | string[]
    | null}::text[])`;
  return rows.map(({ day, visitors, state }) => [day, visitors, state]);
}

async function saltOf(rig: Rig, of: string): Promise<string> {
  return (await rig.store.salts([of]))[0]!.id;
}

Deno.test("visitors in the database", async (t) => {
  await using server = await startPostgres();

  await t.step("sketches and estimates in SQL equal those of the program, bit by bit", async () => {
    await using rig = await breakdownRig(server);
    const random = randomBelow(1);
    const cases: number[][] = [[], [1], [16383 * 64 + 51], Array.from({ length: 16_384 }, (_, r) => r * 64 + 51)];
    for (const count of [1, 2, 3, 10, 100, 1_000, 5_000, 5_461, 5_462, 9_000, 20_000, 100_000]) {
      cases.push(someVisitors(random, count, ["a"]).map(([, update]) => update));
      // Ranks that no hash gives as often.
      cases.push(Array.from({ length: count }, () => random(16_384) * 64 + 1 + random(51)));
    }
    while (cases.length < 200) cases.push(someVisitors(random, 1 + random(400), ["a"]).map(([, update]) => update));
    for (const updates of cases) {
      const sketch = new Sketch();
      for (const update of updates) sketch.add(update);
      const [row] = await rig.sql`
        select encode(b, 'hex') as bytes, tidemark_estimate_v1(b) as estimate, tidemark_sketch_ok_v1(b) as ok,
               array(select item from tidemark_sketch_updates_v1(b) order by 1) as updates
        from (select tidemark_sketch_bytes_v1(${`{${sketch.updates().join()}}`}::text::integer[]) as b) x`;
      assertEquals(row!.bytes, sketchBytes(updates).toHex());
      assertEquals(row!.estimate, sketch.estimate());
      assertEquals(row!.updates, sketch.updates());
      assert(row!.ok);
    }
    for (
      const bytes of ["", "00", "01000040", "010000", "0100004100", "01000081000041", "01100001", "02", "03000041"]
    ) {
      const [row] = await rig.sql`select tidemark_sketch_ok_v1(decode(${bytes}, 'hex')) as ok`;
      assertEquals(row!.ok, false, bytes);
    }
  });

  await t.step("all instances get the same salt of a day, and each day its own", async () => {
    await using rig = await breakdownRig(server);
    const calls = await Promise.all(Array.from({ length: 8 }, () => rig.store.salts([TOMORROW, TODAY])));
    assertEquals(calls[0]!.map((salt) => salt.day), [TODAY, TOMORROW]);
    assertEquals(calls[0]!.map(({ salt }) => salt.length), [16, 16]);
    assertNotEquals(calls[0]![0]!.salt, calls[0]![1]!.salt);
    for (const call of calls) assertEquals(call, calls[0]);
  });

  await t.step(
    "days are estimated while they are open, and stored when they are closed, by host and for all",
    async () => {
      await using rig = await breakdownRig(server);
      const random = randomBelow(2), hosts = ["a", "b", "c"];
      const first = someVisitors(random, 4_000, hosts), second = someVisitors(random, 9_000, hosts);
      const other = someVisitors(random, 300, ["a"]);
      const salt = await saltOf(rig, TODAY), next = await saltOf(rig, TOMORROW);
      await rig.commit([chunkOf([hit(DAY0)])], { visitors: [updatesOf(first, TODAY, salt)], watermark: DAY0 });
      const asked = async (all: Updates, state: string) => {
        for (const  of of[null, ["a"], ["b", "c"], ["nowhere"]]) {
          assertEquals(await visitors(rig, TODAY, TODAY, of), [[TODAY, estimate(all, of), state]]);
        }
      };
      await asked(first, "open");
      // Half of them come again: what was merged already changes nothing.
      await rig.sql`select tidemark_merge_visitors_v1(${TODAY}::date)`;
      await asked(first, "open");
      const both = [...first, ...second];
      await rig.commit([chunkOf([hit(DAY0 + HOUR)]), chunkOf([hit(DAY0 + DAY)])], {
        visitors: [updatesOf([...first.slice(0, 2_000), ...second], TODAY, salt), updatesOf(other, TOMORROW, next)],
      });
      await asked(both, "open");
      assertEquals(await rig.faults(), []);
      await rig.commit([], { watermark: DAY0 + DAY });
      assertEquals((await rig.sql`select count(*)::int as n from visitor_salt`)[0]!.n, 2);
      // The first closing behind its end ends the day, although a window of it is still open.
      assertEquals((await rig.store.close()).kind, "closed");
      await asked(both, "closed");
      assertEquals(await visitors(rig, TODAY, TOMORROW, ["a"]), [
        [TODAY, estimate(both, ["a"]), "closed"],
        [TOMORROW, estimate(other, ["a"]), "open"],
      ]);
      // The day's salt is gone, and no new one is made for it.
      assertEquals((await rig.sql<{ day: string }[]>`select day::text from visitor_salt`).map(({ day }) => day), [
        TOMORROW,
      ]);
      assertEquals((await rig.store.salts([TODAY, TOMORROW])).map(({ day, id }) => [day, id]), [[TOMORROW, next]]);
      assertEquals((await rig.sql`select count(*)::int as n from visitor_salt`)[0]!.n, 1);
      await rig.close();
      assertEquals((await rig.sql`select count(*)::int as n from open_visitor where day = ${TODAY}::date`)[0]!.n, 0);
      const stored = await rig.sql<{ host: string; bytes: string }[]>`
      select host, encode(registers, 'hex') as bytes from visitor_sketch where day = ${TODAY}::date order by host`;
      const expected = ["", "a", "b", "c"].map((host) => ({
        host,
        bytes: sketchBytes(both.filter(([of]) => host === "" || of === host).map(([, update]) => update)).toHex(),
      }));
      assertEquals([...stored], expected);
      assertEquals(await rig.faults(), []);
    },
  );

  await t.step("silence ends a day too: its salt goes without a window to close", async () => {
    await using rig = await breakdownRig(server);
    const some = someVisitors(randomBelow(3), 50, ["a"]);
    await rig.commit([chunkOf([hit(DAY0)])], {
      visitors: [updatesOf(some, TODAY, await saltOf(rig, TODAY))],
      watermark: DAY0 + HOUR,
    });
    await rig.close();
    assertEquals(await visitors(rig, TODAY, TODAY), [[TODAY, estimate(some, null), "open"]]);
    await rig.commit([], { watermark: DAY0 + DAY });
    assertEquals(await rig.close(), 0);
    assertEquals(await visitors(rig, TODAY, TODAY), [[TODAY, estimate(some, null), "closed"]]);
    assertEquals((await rig.sql`select count(*)::int as n from visitor_salt`)[0]!.n, 0);
  });

  await t.step("many updates are merged before the day ends", async () => {
    await using rig = await breakdownRig(server);
    const salt = await saltOf(rig, TODAY);
    const all = someVisitors(randomBelow(4), 200_000, ["a"]);
    await rig.commit([chunkOf([hit(DAY0)])], { visitors: [updatesOf(all, TODAY, salt)], watermark: DAY0 });
    await rig.close();
    assertEquals((await rig.sql`select count(*)::int as n from open_visitor`)[0]!.n, 0);
    assertEquals(await visitors(rig, TODAY, TODAY), [[TODAY, estimate(all, null), "open"]]);
  });

  await t.step("a commit by another salt, or by none, is refused and stores nothing", async () => {
    await using rig = await breakdownRig(server);
    const some = someVisitors(randomBelow(5), 5, ["a"]);
    const send = (saltId: string, of = TODAY) =>
      rig.commit([chunkOf([hit(DAY0)])], { visitors: [updatesOf(some, of, saltId)] });
    assertEquals(await send(crypto.randomUUID()), { kind: "salt_differs" });
    // A database that was set back has lost the row, and another instance has made it anew.
    const old = await saltOf(rig, TODAY);
    await rig.sql`delete from visitor_salt`;
    assertNotEquals(await saltOf(rig, TODAY), old);
    assertEquals(await send(old), { kind: "salt_differs" });
    for (const table of ["open_delta", "open_visitor", "commit_history"]) {
      assertEquals((await rig.sql.unsafe(`select count(*)::int as n from ${table}`))[0]!.n, 0, table);
    }
    assertEquals(await send(await saltOf(rig, TODAY)), { kind: "committed" });
    for (const update of [0, 16_384 * 64, -1]) {
      const outcome = await rig.commit([chunkOf([hit(DAY0)])], {
        visitors: [updatesOf([["a", update]], TODAY, await saltOf(rig, TODAY))],
      });
      assertEquals(outcome.kind, "unknown", String(update));
    }
    assertEquals((await rig.sql`select count(*)::int as n from open_visitor`)[0]!.n, 1);
  });

  await t.step("a fenced commit is fenced, whatever its salt", async () => {
    await using rig = await breakdownRig(server);
    const some = someVisitors(randomBelow(6), 5, ["a"]);
    await rig.sql`update stream_partition set commit_id = gen_random_uuid()`;
    const row = (await rig.store.read())!.rows[0]!;
    await rig.sql`update stream_partition set commit_id = gen_random_uuid()`;
    const outcome = await rig.commit([chunkOf([hit(DAY0)])], {
      visitors: [updatesOf(some, TODAY, crypto.randomUUID())],
      moves: [{
        partition: row.partition,
        oldCommitId: row.commitId,
        oldNextOffset: row.nextOffset,
        nextOffset: row.nextOffset,
        watermark: row.watermark,
        recordWatermark: row.recordWatermark,
        maxWindowEnd: row.maxWindowEnd,
        raisedAt: row.raisedAt,
        quietSince: null,
        firstEventTime: null,
        newestEventTime: null,
        counted: 0,
        late: 0,
        lateDropped: 0,
        dead: 0,
        nulls: 0,
        skipped: 0,
        idleAdvances: [],
      }],
    });
    assertEquals(outcome, { kind: "fenced" });
  });

  await t.step("a day with a window that does not count visitors has no number, nor has one with a gap", async () => {
    await using rig = await breakdownRig(server);
    const some = someVisitors(randomBelow(7), 20, ["a"]);
    await rig.commit([chunkOf([hit(DAY0)])], { visitors: [updatesOf(some, TODAY, await saltOf(rig, TODAY))] });
    assertEquals((await visitors(rig, day(DAY0 - DAY), TODAY)).map(([, , state]) => state), ["not_counted", "open"]);
    await rig.commit([chunkOf([hit(DAY0 + HOUR)], 15)]);
    assertEquals(await visitors(rig, TODAY, TODAY), [[TODAY, null, "not_counted"]]);
    await rig.sql`insert into data_gap (partition, from_offset, to_offset, from_time, to_time, reason)
      values (0, 0, 1, ${new Date(DAY0 + DAY)}, ${new Date(DAY0 + DAY + HOUR)}, 'data_gap')`;
    assertEquals(await visitors(rig, TOMORROW, day(DAY0 + 2 * DAY)), [
      [TOMORROW, null, "gap"],
      [day(DAY0 + 2 * DAY), 0, "open"],
    ]);
  });
});
