// What maintenance leaves of dead letters' ranges: bounded, and no record less.
import { assertEquals } from "@std/assert";
import { DEAD_RANGES_KEPT, maintain } from "../../src/store/maintenance.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { streamDatabase } from "./http_fixture.ts";

Deno.test("maintain() merges older ranges of dead letters by hour, and keeps the newest and every record", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql, server } = stream;
  await using stack = new AsyncDisposableStack();
  const databases = Array.from({ length: 3 }, () =>
    new Database({
      address: { kind: "url", url: server.url },
      schema: "public",
      applicationName: "test",
      max: 1,
      statementTimeoutMs: 30_000,
    }));
  for (const database of databases) stack.defer(() => database.close());
  // A range every 3 s of three hours, of 2 records each with another reason's between them; and a reason that has few.
  await sql`
    insert into dead_letter_range (partition, reason, first_offset, last_offset, records, seen_at)
    select p, 'bad_json', n * 10, n * 10 + 2, 2, timestamptz '2999-01-01 00:00:00Z' + n * interval '3 seconds'
    from generate_series(0, 3599) n, generate_series(0, 1) p order by n, p`;
  await sql`
    insert into dead_letter_range (partition, reason, first_offset, last_offset, records, seen_at)
    select 0, 'bad_encoding', n, n, 1, timestamptz '2999-01-01 00:00:00Z' from generate_series(1, 50) n`;
  const ranges = async () =>
    await sql`
      select id::int, partition, reason, first_offset::int as first, last_offset::int as last, records::int, seen_at
      from dead_letter_range order by partition, reason, id`;
  const before = await ranges();
  const options = { clock: systemClock, log: silentLog, retentionDays: undefined };
  // Many instances run it at once.
  await Promise.all(databases.map((database) => maintain({ ...options, database })));
  const after = await ranges();
  for (const partition of [0, 1]) {
    const of = (rows: typeof before) => rows.filter((r) => r.partition === partition && r.reason === "bad_json");
    const [old, left] = [of(before), of(after)];
    assertEquals(left.slice(3), old.slice(-DEAD_RANGES_KEPT), "the newest stay as they are");
    assertEquals(left.slice(0, 3).map(({ first, last, records }) => [first, last, records]), [
      [0, 11_992, 2_400],
      [12_000, 23_992, 2_400],
      [24_000, 33_992, 2_000],
    ]);
    assertEquals(
      left.slice(0, 3).map(({ id }) => id),
      [1199, 2399, 3399].map((n) => old[n]!.id),
      "pages keep their order",
    );
  }
  assertEquals(
    after.filter(({ reason }) => reason === "bad_encoding"),
    before.filter(({ reason }) => reason === "bad_encoding"),
  );
  await maintain({ ...options, database: databases[0]! });
  assertEquals(await ranges(), after, "what was merged stays as it is");
  // The next range gets a number of its own.
  await sql`insert into dead_letter_range (partition, reason, first_offset, last_offset, records) values (5, 'bad_json', 1, 1, 1)`;
});
