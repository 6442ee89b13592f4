// Which texts and numbers are an event time: the strict grammar, in its slow and obvious form. No I/O.
// The fast path's twin is event_time_bytes.ts; a differential test holds the two together.
import { type EpochMs, epochMs } from "../shared/units.ts";

/** First accepted instant, inclusive: 0001-01-01T00:00:00Z. Year 0 exists in neither RFC 3339 practice nor PostgreSQL. */
export const EVENT_TIME_MIN = -62_135_596_800_000;
/** Last accepted instant, inclusive: 9999-12-31T23:59:59.999Z, the last one that RFC 3339 can write. */
export const EVENT_TIME_MAX = 253_402_300_799_999;
/** From here on an integer counts milliseconds: as seconds it would be the year 5138, as milliseconds it is 3 March 1973. */
export const UNIX_MILLISECONDS_FROM = 1e11;

// RFC 3339 §5.6 with its permitted lower-case letters and space, and without a zone (UTC).
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;

/**
 * Reads an event time, or gives `undefined` where it is none (dead letter `bad_event_time`).
 *
 * Accepted: RFC 3339 date-times; the same without a zone, which is UTC; an integer or its decimal text, which is Unix milliseconds from
 * {@link UNIX_MILLISECONDS_FROM} on, seconds below it. Digits below one millisecond are cut. Refused: dates that do not exist, hour 24,
 * second 60 (a leap second has no instant of its own in Unix time), anything outside years 0001 to 9999, surrounding space.
 */
export function parseEventTime(value: string | number | undefined): EpochMs | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") return Number.isInteger(value) ? unixTime(value) : undefined;
  if (INTEGER.test(value)) return unixTime(Number(value));
  const match = DATE_TIME.exec(value);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = match;
  const date = new Date(0);
  // Not Date.UTC: it takes years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.slice(0, 3).padEnd(3, "0")));
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return within(date.getTime() - (sign === "-" ? -offsetMs : offsetMs));
}

function unixTime(value: number): EpochMs | undefined {
  return within(value >= UNIX_MILLISECONDS_FROM ? value : value * 1000);
}

function within(time: number): EpochMs | undefined {
  // `+ 0` turns -0 into 0, so that equal times are one window key everywhere.
  return time >= EVENT_TIME_MIN && time <= EVENT_TIME_MAX ? epochMs(time + 0) : undefined;
}
