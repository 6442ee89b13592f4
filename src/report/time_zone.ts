// Local days: which zone names are valid, and where a local day begins and ends. Pure; the zone rules are those of the runtime's ICU.
import { DAY, type EpochMs, epochMs } from "../shared/units.ts";

/** A calendar date, `YYYY-MM-DD`. */
export type LocalDate = string;

/**
 * First and last date of a request. A report also reads up to three years before and some days after it, and years there must still have four
 * digits.
 */
export const LOCAL_DATE_MIN: LocalDate = "1000-01-01";
export const LOCAL_DATE_MAX: LocalDate = "9998-12-31";

/** Whether `name` is an IANA time zone such as `Europe/Berlin`, or `UTC`. Offsets and abbreviations with other rules are refused. */
export function isTimeZone(name: string): boolean {
  // Intl also accepts offsets such as +01:00, whose sign has the opposite meaning in PostgreSQL.
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{1,63}$/.test(name)) return false;
  try {
    // Temporal refuses a few names that Intl accepts, such as Factory.
    new Temporal.ZonedDateTime(0n, new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Whether `text` is a date that exists, from {@link LOCAL_DATE_MIN} to {@link LOCAL_DATE_MAX}. */
export function isLocalDate(text: string): text is LocalDate {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < LOCAL_DATE_MIN || text > LOCAL_DATE_MAX) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 10) === text;
}

/** The date `days` after `date`; before it if negative. */
export function addDays(date: LocalDate, days: number): LocalDate {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/** The date `years` after `date`, before it if negative; 29 February becomes 28 in a year without it. */
export function addYears(date: LocalDate, years: number): LocalDate {
  return Temporal.PlainDate.from(date).add({ years }).toString();
}

/** Days from `from` to `to`, both inclusive; 0 or less if the range is reversed. */
export function countDays(from: LocalDate, to: LocalDate): number {
  return (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY + 1;
}

/** The local date at an instant. */
export function localDate(time: EpochMs, zone: string): LocalDate {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(time)).toZonedDateTimeISO(zone).toPlainDate().toString();
}

/**
 * First instant of a local day. If clocks go back over midnight, it is the first of the two midnights; if they jump over it, the jump. The day lasts
 * until the start of the next one, usually 23, 24 or 25 hours. A date that a zone has skipped begins when the next date begins.
 */
export function dayStart(date: LocalDate, zone: string): EpochMs {
  // `compatible` is the earlier of two, and the instant after a jump.
  return epochMs(Temporal.PlainDate.from(date).toZonedDateTime(zone).epochMilliseconds);
}
