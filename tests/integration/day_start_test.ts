// Local days begin at the same instant in SQL and in TypeScript: compared around every transition of every zone.
import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { addDays, dayStart } from "../../src/report/time_zone.ts";
import { MIGRATIONS } from "../../src/store/migrate.ts";
import { startPostgres } from "../support/postgres.ts";

/** Between them the zone files of a server and of this runtime agree, whatever their ages. */
const FROM = Temporal.Instant.from("1975-01-01T00:00Z"), TO = Temporal.Instant.from("2023-01-01T00:00Z");

/** The dates around each change of a zone's clock. */
function datesOf(zone: string): string[] {
  const dates = new Set<string>();
  let at: Temporal.ZonedDateTime | null = FROM.toZonedDateTimeISO(zone);
  while ((at = at.getTimeZoneTransition("next")) !== null && at.epochMilliseconds < TO.epochMilliseconds) {
    for (let days = -1; days <= 1; days++) dates.add(addDays(at.toPlainDate().toString(), days));
  }
  return [...dates];
}

Deno.test("a local day begins at the same instant in SQL and in TypeScript, around every transition of every zone", async () => {
  await using server = await startPostgres();
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  for (const name of MIGRATIONS) {
    await sql.unsafe(await Deno.readTextFile(new URL(`../../ddl/${name}.sql`, import.meta.url)));
  }
  const known = new Set((await sql<{ name: string }[]>`select name from pg_timezone_names`).map(({ name }) => name));
  const zones = Intl.supportedValuesOf("timeZone").filter((zone) => known.has(zone));
  assertEquals(zones.length > 300, true, `only ${zones.length} zones`);
  let compared = 0;
  const differences: string[] = [];
  for (const zone of zones) {
    const dates = datesOf(zone);
    const rows = await sql<{ start: number }[]>`
      select (extract(epoch from tidemark_day_start_v2(d::date, ${zone})) * 1000)::float8 as start
      from unnest(${dates}::text[]) with ordinality as t(d, n) order by n`;
    compared += rows.length;
    for (const [n, date] of dates.entries()) {
      if (rows[n]!.start !== dayStart(date, zone)) differences.push(`${zone} ${date}`);
    }
  }
  assertEquals(differences, []);
  assertEquals(compared > 30_000, true, `only ${compared} days`);
  const days = await sql`
    select day::text as day, extract(epoch from day_end - day_start)::int / 3600.0 as hours
    from tidemark_report_days_v2('1988-04-02', '1988-04-04', 'America/St_Johns', false)`;
  assertEquals(days.map(({ day, hours }) => [day, Number(hours)]), [
    ["1988-04-02", 24],
    ["1988-04-03", 22],
    ["1988-04-04", 24],
  ]);
  await sql.end({ timeout: 1 });
});
