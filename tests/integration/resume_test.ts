// A stream that stopped by a named error goes on only as an operator says, and its books balance before and after.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withAdmin } from "../support/kafka_topics.ts";
import { event, MINUTE, Rig } from "../operate/rig.ts";
import { until } from "../support/wait.ts";

const events = (from: number, count: number) => Array.from({ length: count }, (_, i) => event((from + i) * MINUTE));

Deno.test("resume after a gap, a truncation, a recreated topic and partitions that go and come", async (t) => {
  await using rig = await Rig.start();

  await t.step("resume books a gap only when it is accepted, once, and the ledger balances", async () => {
    await using stream = await rig.stream("gap", 2);
    await stream.produce(0, events(0, 20));
    await stream.produce(1, events(0, 20));
    await stream.runOnce();
    await stream.produce(0, events(20, 10));
    await stream.deleteRecords(0, 25);
    assertMatch((await stream.runOnce(4)).stderr, /data_gap/);

    const refused = await stream.command(["resume"]);
    assertEquals(refused.code, 4, refused.stderr);
    assertMatch(refused.stderr, /data_gap.*5 offsets are gone/s);
    const unasked = await stream.command(["resume", "--accept-gap"]);
    assertEquals(unasked.code, 2, unasked.stderr);
    assertStringIncludes(unasked.stderr, "not_confirmed");
    assertStringIncludes(unasked.stdout, "gap[0]: 5 offsets (20 to 24) are lost; goes on at 25");
    assertEquals((await stream.command(["resume", "--accept-gap", "--dry-run"])).code, 0);
    assertEquals((await stream.sql`select from data_gap`).length, 0);
    const foreign = await stream.command(["resume", "--accept-gap", "--yes"], { KAFKA_GROUP: "another" });
    assertEquals([foreign.code, /stream_settings_differ/.test(foreign.stderr)], [2, true], foreign.stderr);

    const before = await stream.sql`select partition, commit_id from stream_partition order by 1`;
    const accepted = await stream.command(["resume", "--accept-gap", "--yes"]);
    assertEquals(accepted.code, 0, accepted.stderr);
    assertEquals((await stream.command(["resume", "--accept-gap", "--yes"])).stdout, "Nothing is stopped.\n");
    const gaps = await stream.sql`select partition, from_offset, to_offset, from_time, to_time, reason from data_gap`;
    // The watermark stood at 00:18 (minute 19 less the delay); the first event behind the gap is of minute 25, the delay added.
    assertEquals(gaps.map((g) => ({ ...g })), [{
      partition: 0,
      from_offset: "20",
      to_offset: "25",
      from_time: new Date("2026-01-31T00:15:00Z"),
      to_time: new Date("2026-01-31T00:26:00Z"),
      reason: "data_gap",
    }]);
    const rows = await stream.sql`select partition, commit_id, next_offset, skipped from stream_partition order by 1`;
    assertEquals(rows.map((r) => [r.next_offset, r.skipped]), [["25", "5"], ["20", "0"]]);
    // A commit that is still under way for either row expects an id that is gone.
    assert(rows.every((r, i) => r.commit_id !== before[i]!.commit_id));
    assertEquals(await stream.imbalances(), []);
    await stream.runOnce();
    assertEquals((await stream.sql`select sum(counted)::int as n from stream_partition`)[0]!.n, 45);
    assertEquals(await stream.imbalances(), []);
  });

  await t.step("resume without --accept-gap clears a stop that nothing justifies any more", async () => {
    await using stream = await rig.stream("cleared");
    await stream.produce(0, events(0, 3));
    await stream.runOnce();
    await stream.sql`update stream set stopped_code = 'data_gap', stopped_message = 'by hand', stopped_at = now()`;
    await stream.runOnce(4);
    const exit = await stream.command(["resume"]);
    assertEquals([exit.code, exit.stdout.split("\n").at(-2)], [0, "Resumed."], exit.stderr);
    assertEquals((await stream.sql`select from data_gap`).length, 0);
    await stream.runOnce();
  });

  await t.step(
    "resume starts a recreated topic, retires its missing partition, and a running process goes on",
    async () => {
      await using stream = await rig.stream("again", 2);
      await stream.produce(0, events(0, 20));
      await stream.produce(1, events(0, 10));
      await using running = stream.start(["run", "--no-http"]);
      const seen = async (n: number) => {
        await until(() => `${n} records are counted\n${running.lines.join("\n")}`, async () => {
          const rows = await stream.sql`select coalesce(sum(counted + late), 0)::int as n from stream_partition`.catch(
            () => [],
          );
          return rows[0]?.n === n;
        });
      };
      const stopped = () =>
        until(
          () => `the stop is stored\n${running.lines.join("\n")}`,
          async () => (await stream.sql`select from stream where stopped_code is not null`).length > 0,
        );
      await seen(30);
      await rig.stream("again", 1).then((again) => again[Symbol.asyncDispose]());
      await stream.produce(0, events(30, 5));
      await running.waitForLine(/topic_recreated/);
      await stopped();

      const exit = await stream.command(["resume", "--accept-gap", "--yes"]);
      assertEquals(exit.code, 0, exit.stderr);
      assertStringIncludes(exit.stdout, "again[0]: is another log of the same name; goes on at its start 0");
      assertStringIncludes(exit.stdout, "again[1]: no longer exists");
      assertEquals(await stream.imbalances(), []);
      await seen(35);
      assertEquals(await stream.imbalances(), []);
      const rows = await stream
        .sql`select first_offset, next_offset, counted + late as n, skipped, retired from stream_partition order by partition`;
      assertEquals(rows.map((r) => [r.first_offset, r.next_offset, r.n, r.skipped, r.retired]), [
        ["0", "5", "25", "-20", false],
        ["0", "0", "10", "-10", true],
      ]);

      // The partition that was retired comes back: it must not be left unread without a word.
      await withAdmin(
        rig.broker,
        (admin) => admin.createPartitions({ topicPartitions: [{ topic: "again", count: 2 }] }),
      );
      await running.waitForLine(/partition_returned/);
      await stream.produce(1, events(40, 4));
      await stopped();
      assertEquals((await stream.command(["resume", "--accept-gap", "--yes"])).code, 0);
      await seen(39);
      assertEquals(await stream.imbalances(), []);
      running.signal("SIGTERM");
      assertEquals((await running.exit()).code, 0);
    },
  );

  await t.step("resume goes back to the end of a log that was truncated", async () => {
    await using stream = await rig.stream("short");
    await stream.produce(0, events(0, 10));
    await stream.runOnce();
    // What an unclean election leaves: a log that ends before what was read of it.
    await stream.sql`update stream_partition set next_offset = 14, counted = counted + 4`;
    await stream
      .sql`update web_traffic_window set hits = hits + 4, mask = null where window_start = '2026-01-31T00:00Z'`;
    await stream.sql`delete from web_breakdown where window_start = '2026-01-31T00:00Z'`;
    await stream
      .sql`update aggregated_web_traffic set num_hits = num_hits + 4 where window_start = '2026-01-31T00:00Z'`;
    await stream.sql`
      update web_traffic_window w set digest = f.digest
      from tidemark_found_windows_v1('2026-01-31T00:00Z', '2026-01-31T00:05Z') f where w.window_start = f.window_start`;
    assertEquals(await stream.imbalances(), []);
    assertMatch((await stream.runOnce(4)).stderr, /position_beyond_end/);
    const exit = await stream.command(["resume", "--accept-gap", "--yes"]);
    assertEquals(exit.code, 0, exit.stderr);
    assertEquals(await stream.imbalances(), []);
    const [row] = await stream.sql`select next_offset, skipped from stream_partition`;
    assertEquals([row!.next_offset, row!.skipped], ["10", "-4"]);
    await stream.produce(0, events(10, 2));
    await stream.runOnce();
    assertEquals(await stream.imbalances(), []);
  });
});

Deno.test("tidemark_resume_v1() refuses a plan that is not of this moment", async () => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("plan");
  await stream.produce(0, events(0, 3));
  await stream.runOnce();
  const call = (code: string, moves: unknown) =>
    stream.sql`select tidemark_resume_v1(${code}, null, ${stream.sql.json(moves as never)})`.then(
      () => "done",
      (e) => e.code,
    );
  const [row] = await stream.sql`select partition, commit_id as old_commit_id, next_offset::int as old_next_offset,
    next_offset::int as next_offset, retired, null as gap from stream_partition`;
  assertEquals(await call("data_gap", [row]), "TM006");
  await stream.sql`update stream set stopped_code = 'data_gap'`;
  assertEquals(await call("topic_recreated", [row]), "TM007");
  assertEquals(await call("data_gap", []), "TM007");
  assertEquals(await call("data_gap", [{ ...row, old_next_offset: 2 }]), "TM007");
  assertEquals(await call("data_gap", [{ ...row, old_commit_id: crypto.randomUUID() }]), "TM007");
  assertEquals(await call("data_gap", [row]), "done");
});
