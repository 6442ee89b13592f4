// replay of a stream that met lateness, silence, an added partition and an accepted gap; then with a changed row and a shorter log.
import { assertEquals, assertMatch } from "@std/assert";
import { withAdmin } from "../support/kafka_topics.ts";
import { DAY, event, MINUTE, Rig, type StreamRig } from "../operate/rig.ts";

const bot = "Googlebot/2.1 (+http://www.google.com/bot.html)";
/** Events of these minutes, with keys and addresses that vary. */
const events = (...minutes: number[]) =>
  minutes.map((minute, i) =>
    event(minute * MINUTE + i, {
      host: `h${i % 3}.example`,
      ip: ["8.8.8.8", "203.0.113.7", "10.0.0.1", "nonsense"][i % 4],
      ...(i % 5 === 0 && { user_agent: bot }),
    })
  );
const span = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const time = (minute: number) => new Date(DAY + minute * MINUTE).toISOString();

async function replay(stream: StreamRig, from: number, to: number, ...more: string[]) {
  const exit = await stream.command(["replay", "--dry-run", "--from", time(from), "--to", time(to), "--json", ...more]);
  return { code: exit.code, stderr: exit.stderr, ...(exit.stdout === "" ? {} : JSON.parse(exit.stdout)) };
}

Deno.test("replay finds a stream as it was published, and what was changed", async (t) => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("replayed", 2);
  await stream.produce(0, events(...span(0, 30)));
  await stream.produce(1, events(...span(0, 22)));
  await stream.runOnce(); // silence raises partition 1 to minute 30
  await stream.produce(1, [...events(24, 31, 3), "no json", null]); // 24 and 3 are late by the silence alone
  await stream.runOnce();
  await withAdmin(
    rig.broker,
    (admin) => admin.createPartitions({ topicPartitions: [{ topic: "replayed", count: 3 }] }),
  );
  await stream.produce(2, events(20, 33, 36)); // 20 is late: the partition begins at what was closed
  await stream.produce(0, events(...span(32, 60)));
  await stream.produce(1, events(...span(32, 60)));
  await stream.runOnce();

  await t.step("replay is identical, over the whole and over parts", async () => {
    const late = await stream.sql`select sum(num_hits)::int as n from late_web_traffic`;
    // 24 and 3, 20 and 33, and 32 to 34 twice: each run ends in a silence that closes everything.
    assertEquals(late[0]!.n, 10);
    const tables = await stream
      .sql`select (select count(*) from aggregated_web_traffic)::int as rows, (select data_revision from stream) as revision`;
    for (const [from, to] of [[0, 55], [20, 35], [25, 30], [30, 35], [50, 55]] as const) {
      const { code, identical, shown, stderr } = await replay(stream, from, to);
      assertEquals([code, identical, shown], [0, true, []], `${from} to ${to} ${stderr}`);
    }
    assertEquals(
      await stream
        .sql`select (select count(*) from aggregated_web_traffic)::int as rows, (select data_revision from stream) as revision`,
      tables,
    );
    const { records, rows } = await replay(stream, 0, 55);
    assertEquals([records, rows.published === rows.replayed, rows.published > 20], [116, true, true]);
  });

  await t.step("replay without the recorded silences would differ: they are what decides", async () => {
    const kept = await stream.sql`delete from idle_advance returning *`;
    const { code, shown } = await replay(stream, 0, 55);
    assertEquals(code, 6);
    assertEquals(new Set(shown.map((d: { table: string }) => d.table)), new Set(["counted", "late"]));
    await stream.sql`insert into idle_advance ${stream.sql([...kept])}`;
    assertEquals((await replay(stream, 0, 55)).code, 0);
  });

  await t.step("replay names the row that was changed, and places that have moved", async () => {
    const at = `window_start = '2026-01-31T00:10:00Z' and host = 'h1.example'`;
    const [row] = await stream.sql.unsafe(
      `select country_code from aggregated_web_traffic where ${at} order by country_code limit 1`,
    );
    await stream.sql.unsafe(
      `update aggregated_web_traffic set num_hits = num_hits + 1 where ${at} and country_code = $1`,
      [row!.country_code],
    );
    const changed = await replay(stream, 0, 55);
    assertEquals([changed.code, changed.differences, changed.differences_in_place_alone], [6, 1, 0]);
    const { window_start, host, published, replayed } = changed.shown[0];
    assertEquals([window_start, host, published.hits - replayed.hits], ["2026-01-31T00:10:00.000Z", "h1.example", 1]);
    assertEquals((await replay(stream, 15, 55)).code, 0);
    await stream.sql.unsafe(
      `update aggregated_web_traffic set num_hits = num_hits - 1, country_code = 'XX' where ${at} and country_code = $1`,
      [row!.country_code],
    );
    const moved = await stream.command(["replay", "--from", time(0), "--to", time(55)]);
    assertEquals(moved.code, 6);
    assertMatch(moved.stdout, /2 rows differ only in their place/);
    await stream.sql.unsafe(`update aggregated_web_traffic set country_code = $1 where ${at} and country_code = 'XX'`, [
      row!.country_code,
    ]);
  });

  await t.step("replay refuses what is open, unaligned, or gone", async () => {
    assertMatch((await replay(stream, 0, 600)).stderr, /range_open/);
    assertMatch(
      (await replay(stream, 1, 10)).stderr,
      /--from must be the start of a window, such as 2026-01-31T00:00:00.000Z/,
    );
    assertMatch((await replay(stream, 10, 10)).stderr, /--to must be after --from/);
    await stream.deleteRecords(0, 20);
    const gone = await replay(stream, 0, 55);
    assertEquals(gone.code, 6);
    assertMatch(gone.stderr, /log_gone.*must be read from offset 0 .*starts at 20/s);
    // What came after the second commit needs nothing of before it.
    assertEquals((await replay(stream, 40, 55)).code, 0);
  });

  await t.step("replay goes on behind a gap that was accepted", async () => {
    await stream.produce(0, events(...span(60, 80)));
    await stream.deleteRecords(0, 58 + 10);
    await stream.runOnce(4);
    assertEquals((await stream.command(["resume", "--accept-gap", "--yes"])).code, 0);
    await stream.produce(1, events(...span(60, 80)));
    await stream.runOnce();
    const after = await replay(stream, 65, 75);
    assertEquals([after.code, after.identical], [0, true], after.stderr);
  });
});

Deno.test("replay reads files and the generator as it reads Kafka", async () => {
  const folder = await Deno.makeTempDir();
  await using rig = await Rig.start();
  try {
    await using stream = await rig.stream("files");
    const lines = [...span(0, 40), 3, 41].map((minute) => event(minute * MINUTE));
    await Deno.writeTextFile(`${folder}/a.ndjson`, lines.join("\n") + "\n");
    const env = { SOURCE: "file", FILE_PATH: `${folder}/a.ndjson` };
    const run = await stream.command(["run", "--once"], env);
    assertEquals(run.code, 0, run.stderr);
    const same = await stream.command(["replay", "--from", time(0), "--to", time(40)], env);
    assertEquals(same.code, 0, same.stderr + same.stdout);
    assertMatch(same.stdout, /42 records read[\s\S]*published {2}40 hits.* 1 late[\s\S]*Identical\./);

    await using demo = await rig.stream("demo");
    const settings = { SOURCE: "demo", DEMO_HISTORY_DAYS: "1", DEMO_RATE: "0.2" };
    assertEquals((await demo.command(["run", "--once"], settings)).code, 0);
    const [stored] = await demo.sql`select anchor from stream`;
    const from = new Date(stored!.anchor.getTime() + 2 * 3_600_000).toISOString();
    const to = new Date(stored!.anchor.getTime() + 6 * 3_600_000).toISOString();
    const replayed = await demo.command(["replay", "--from", from, "--to", to], settings);
    assertEquals(replayed.code, 0, replayed.stderr + replayed.stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
