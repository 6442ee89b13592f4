import { assertEquals } from "@std/assert";
import { addDays, countDays, dayStart, isLocalDate, isTimeZone, localDate } from "../../src/report/time_zone.ts";
import { epochMs, HOUR } from "../../src/shared/units.ts";

// Day, zone, its first instant, its length in hours: clocks that change at night, at midnight, by half an hour, over the date line.
const DAYS: [string, string, string, number][] = [
  ["2026-11-20", "UTC", "2026-11-20T00:00:00Z", 24],
  ["2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", 23],
  ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", 25],
  ["2026-11-20", "Asia/Kolkata", "2026-11-19T18:30:00Z", 24],
  ["2026-11-20", "Asia/Kathmandu", "2026-11-19T18:15:00Z", 24],
  // Midnight does not exist: the day begins at one o'clock.
  ["2024-04-26", "Africa/Cairo", "2024-04-25T22:00:00Z", 23],
  // The hour from midnight to one happens twice: the day begins with the first.
  ["2026-11-01", "America/Havana", "2026-11-01T04:00:00Z", 25],
  // Clocks went back over midnight a minute after it: the day began twice, the second time an hour later.
  ["2006-10-29", "America/St_Johns", "2006-10-29T02:30:00Z", 25],
  ["2026-04-05", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", 24.5],
  // A day that Samoa never had.
  ["2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", 0],
  ["2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", 24],
];

Deno.test("dayStart() finds the first instant of local days, also where clocks change", () => {
  for (const [day, zone, start, hours] of DAYS) {
    const from = dayStart(day, zone);
    assertEquals(new Date(from).toISOString(), start.replace("Z", ".000Z"), `${day} ${zone}`);
    assertEquals((dayStart(addDays(day, 1), zone) - from) / HOUR, hours, `${day} ${zone}`);
  }
});

// Ten years in zones whose clocks change at night, at midnight, over midnight, by half an hour, over the date line, and not at all.
const ZONES = [
  ["UTC", "2020-01-01"],
  ["Europe/Berlin", "2020-01-01"],
  ["America/New_York", "2020-01-01"],
  ["Asia/Kolkata", "2020-01-01"],
  ["Asia/Kathmandu", "1980-01-01"],
  ["Africa/Cairo", "2006-01-01"],
  ["Africa/Casablanca", "2012-01-01"],
  ["America/Havana", "2008-01-01"],
  ["America/St_Johns", "2003-01-01"],
  ["America/Asuncion", "2012-01-01"],
  ["America/Sao_Paulo", "2010-01-01"],
  ["Asia/Tehran", "2012-01-01"],
  ["Australia/Lord_Howe", "2012-01-01"],
  ["Pacific/Apia", "2006-01-01"],
  ["Pacific/Kwajalein", "1989-01-01"],
] as const;

Deno.test("dayStart() is the least instant whose local date is that day, of 54,900 days in 15 zones", () => {
  let skipped = 0;
  for (const [zone, first] of ZONES) {
    // Not by the code that is tested.
    const format = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
    const dateAt = (time: number) => format.format(time);
    for (let n = 0, day: string = first; n < 3_660; n++, day = addDays(day, 1)) {
      const start = dayStart(day, zone);
      const at = dateAt(start);
      // No zone has gone back by more than two hours at a time.
      const before = [1, HOUR / 2, HOUR, 2 * HOUR].map((ms) => dateAt(start - ms)).every((date) => date < day);
      if (at !== day || !before) {
        // A date that the zone has skipped begins with the next one.
        assertEquals([at, before], [addDays(day, 1), true], `${day} ${zone}`);
        skipped++;
      }
    }
  }
  assertEquals(skipped, 2, "Kwajalein in 1993 and Apia in 2011");
});

Deno.test("localDate() is the day that holds the instant", () => {
  for (const [day, zone, , hours] of DAYS.filter(([, , , hours]) => hours > 0)) {
    const start = dayStart(day, zone);
    assertEquals(localDate(start, zone), day);
    assertEquals(localDate(epochMs(start + hours * HOUR - 1), zone), day);
    assertEquals(localDate(epochMs(start + hours * HOUR), zone), addDays(day, 1));
  }
});

Deno.test("isTimeZone() takes names, not offsets", () => {
  for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) {
    assertEquals(isTimeZone(name), true, name);
  }
  for (
    const name of [
      "",
      "+01:00",
      "-0800",
      "Mars/Olympus",
      "Europe/Berlin; drop table",
      "../etc/passwd",
      "Europe/Berlin\0",
    ]
  ) {
    assertEquals(isTimeZone(name), false, name);
  }
});

Deno.test("isLocalDate() takes dates that exist, as far as a report can look around them", () => {
  for (const date of ["2026-02-28", "2024-02-29", "1000-01-01", "9998-12-31"]) {
    assertEquals(isLocalDate(date), true, date);
  }
  const others = ["2026-02-29", "2026-13-01", "2026-1-1", "0999-12-31", "9999-01-01", "2026-02-28T00", "-infinity", ""];
  for (const date of others) {
    assertEquals(isLocalDate(date), false, date);
  }
});

Deno.test("countDays() counts both ends", () => {
  assertEquals(countDays("2026-02-27", "2026-03-01"), 3);
  assertEquals(countDays("2026-03-01", "2026-03-01"), 1);
  assertEquals(countDays("2026-03-02", "2026-03-01"), 0);
  assertEquals(addDays("2024-02-28", 2), "2024-03-01");
});
