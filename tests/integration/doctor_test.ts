// doctor against real servers: healthy, each thing that can be wrong, and servers that are not there.
import { assertEquals, assertMatch } from "@std/assert";
import type { Finding } from "../../src/operate/finding.ts";
import { event, MINUTE, Rig, type StreamRig } from "../operate/rig.ts";

const recent = () => Date.now() - 20 * MINUTE;
const events = (count: number, over: Readonly<Record<string, unknown>> = {}) =>
  Array.from(
    { length: count },
    (_, i) => event(0, { event_time: new Date(recent() + i * 1000).toISOString(), ip: "8.8.8.8", ...over }),
  );

async function doctor(stream: StreamRig, env: Readonly<Record<string, string>> = {}) {
  const exit = await stream.command(["doctor", "--json"], env);
  const { healthy, findings } = JSON.parse(exit.stdout) as { healthy: boolean; findings: Finding[] };
  assertEquals(exit.code, healthy ? 0 : 6, exit.stderr);
  const of = (check: string) =>
    findings.find((finding) => finding.check === check) ?? { status: "none", detail: "", action: null };
  return { code: exit.code, of, findings };
}

Deno.test("doctor finds what is wrong, and only that", async (t) => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("doctor", 2, {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "604800000",
  });

  await t.step("doctor passes a stream that is well, before and after its first start", async () => {
    await stream.produce(0, events(50));
    const before = await doctor(stream);
    assertEquals(before.code, 0, JSON.stringify(before.findings));
    assertMatch(before.of("schema").detail, /does not exist yet/);
    await stream.runOnce();
    const after = await doctor(stream);
    assertEquals(after.code, 0, JSON.stringify(after.findings));
    const status = Object.fromEntries(after.findings.map((f) => [f.check, f.status]));
    for (
      const check of [
        "settings",
        "data_folder",
        "postgres",
        "postgres_version",
        "isolation",
        "clock_skew",
        "schema",
        "stream",
        "stream_settings",
        "ledger",
      ]
        .concat([
          "broker",
          "topic_id",
          "positions",
          "topic_sample",
          "geo_hits",
          "codecs",
          "timestamps",
          "retention",
          "group",
        ])
    ) assertEquals(status[check], "ok", `${check}: ${JSON.stringify(after.of(check))}`);
    assertMatch(after.of("topic_sample").detail, /^50 newest records: 100\.0 % valid/);
    assertMatch(after.of("ledger").detail, /balanced/);
  });

  await t.step("doctor reads and changes nothing", async () => {
    const rows = await stream.sql`select * from stream_partition order by 1`;
    await doctor(stream);
    assertEquals(await stream.sql`select * from stream_partition order by 1`, rows);
  });

  await t.step("doctor tells a wrong topic by its share of dead letters, by reason", async () => {
    await using wrong = await rig.stream("wrong");
    await wrong.produce(0, [
      ...Array.from({ length: 8 }, () => "no json"),
      event(0, { event_time: "2090-01-01T00:00:00Z" }),
      ...events(1, { ip: "10.0.0.1" }),
    ]);
    const { code, of } = await doctor(wrong);
    assertEquals([code, of("topic_sample").status, of("event_clock").status, of("geo_hits").status], [
      6,
      "fail",
      "warn",
      "warn",
    ]);
    assertMatch(of("topic_sample").detail, /10\.0 % valid.*bad_json 80\.0 %.*future_event_time 10\.0 %/);
    // The topic was made without settings: producers stamp its records.
    assertEquals(of("timestamps").status, "warn");
    assertMatch(of("timestamps").action ?? "", /LogAppendTime/);
  });

  await t.step("doctor names a gap before the stream meets it, and a stop after", async () => {
    await using gap = await rig.stream("gap", 1, { "message.timestamp.type": "LogAppendTime" });
    await gap.produce(0, events(5));
    await gap.runOnce();
    await gap.produce(0, events(5));
    await gap.deleteRecords(0, 8);
    assertEquals((await doctor(gap)).of("positions").status, "fail");
    await gap.runOnce(4);
    const { of } = await doctor(gap);
    assertMatch(of("stream").detail, /stopped by data_gap/);
    assertMatch(of("stream").action ?? "", /resume/);
  });

  await t.step("doctor finds a changed row, a missing migration, and rights that are missing", async () => {
    await stream.sql`update aggregated_web_traffic set num_hits = num_hits + 1`;
    assertMatch((await doctor(stream)).of("ledger").detail, /window .* was closed with/);
    await stream.sql`update aggregated_web_traffic set num_hits = num_hits - 1`;
    const [migration] = await stream.sql`delete from schema_migration where version = 4 returning *`;
    assertMatch((await doctor(stream)).of("schema").detail, /0004_operate missing/);
    await stream.sql`insert into schema_migration ${stream.sql(migration!)}`;
    await stream.sql`create role doctor_reader login`;
    await stream.sql`grant usage on schema doctor to doctor_reader`;
    await stream.sql`grant select on all tables in schema doctor to doctor_reader`;
    const url = new URL(rig.postgres.url);
    url.username = "doctor_reader";
    const rights = (await doctor(stream, { POSTGRES_URL: url.href })).of("postgres_rights");
    assertEquals([rights.status, rights.detail], ["fail", "doctor_reader may not write the stream's tables"]);
  });

  await t.step("doctor adds the newest windows of an old log again, not those of today", async () => {
    await using old = await rig.stream("old", 1, { "message.timestamp.type": "LogAppendTime" });
    await old.produce(0, Array.from({ length: 30 }, (_, i) => event(i * MINUTE)));
    await old.runOnce();
    const well = (await doctor(old)).of("ledger");
    assertEquals(well.status, "ok");
    assertMatch(well.detail, /rows of 6 windows since 2026-01-29T00:30:00/);
    await old.sql`update aggregated_web_traffic set num_hits = num_hits + 1 where window_start = '2026-01-31T00:10Z'`;
    const wrong = (await doctor(old)).of("ledger");
    assertEquals(wrong.status, "fail");
    assertMatch(wrong.detail, /window 2026-01-31T00:10:00.000Z was closed with/);
  });

  await t.step("doctor works in part while a server is away", async () => {
    const noDatabase = await doctor(stream, { POSTGRES_URL: "postgres://postgres@127.0.0.1:9/postgres" });
    assertEquals([
      noDatabase.of("postgres").status,
      noDatabase.of("broker").status,
      noDatabase.of("topic_sample").status,
    ], ["fail", "ok", "ok"]);
    const noBroker = await doctor(stream, { KAFKA_URL: "127.0.0.1:9" });
    assertEquals([noBroker.of("broker").status, noBroker.of("postgres").status], ["fail", "ok"]);
    const noTopic = await doctor(stream, { KAFKA_TOPIC: "nowhere" });
    assertMatch(noTopic.of("broker").detail, /does not exist/);
    assertEquals([noTopic.of("stream").status, noTopic.of("stream_settings").status], ["ok", "fail"]);
    assertMatch(noTopic.of("stream_settings").detail, /topic is 'doctor' in this schema, 'nowhere' in the settings/);
  });
});
