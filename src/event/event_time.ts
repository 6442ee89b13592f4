// Which texts and numbers are an event time, by each version of the rules: the grammars in their slow and obvious form. No I/O.
// The fast twin is event_time_bytes.ts; a differential test compares the two.
import { type EpochMs, epochMs } from "../shared/units.ts";
import { trimBlanks } from "./text.ts";

/** First accepted instant, inclusive: 0001-01-01T00:00:00Z. PostgreSQL has no year 0. */
export const EVENT_TIME_MIN = -62_135_596_800_000;
/** Last accepted instant, inclusive: 9999-12-31T23:59:59.999Z, the last one in RFC 3339. */
export const EVENT_TIME_MAX = 253_402_300_799_999;
/** From here on, an integer counts milliseconds. As seconds it would be the year 5138; as milliseconds it is 3 March 1973. */
export const UNIX_MILLISECONDS_FROM = 1e11;

// RFC 3339 §5.6 with its permitted lower-case letters and space, and without a zone (UTC).
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;

/**
 * Rules version 1: reads an event time; `undefined` if the text is not one (dead letter `bad_event_time`).
 *
 * Accepted: RFC 3339 date-times; the same without a zone, which is UTC; an integer or its decimal text, which is Unix milliseconds from
 * {@link UNIX_MILLISECONDS_FROM} on, and seconds below. Digits below one millisecond are cut. Refused: dates that do not exist, hour 24,
 * second 60 (Unix time has no leap seconds), years outside 0001 to 9999, blanks around the text.
 */
export function parseEventTime(value: string | number | undefined): EpochMs | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") return Number.isInteger(value) ? unixTime(value) : undefined;
  if (INTEGER.test(value)) return unixTime(Number(value));
  const match = DATE_TIME.exec(value);
  return match ? dateTime(match) : undefined;
}

// Version 2. Seconds may be missing, a comma may begin the fraction, one blank may precede the zone, and the zone may be `+01`, `+0100`,
// `UTC` or `GMT`. A zone's name in brackets behind the offset, as Java writes it, is ignored.
const DATE_TIME_2 = new RegExp(
  String.raw`^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?` +
    String.raw`(?: ?(?:[Zz]|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?)(?:\[[^\]]{1,64}\])?)?$`,
);
/** The time of common and combined access logs. */
const LOG_TIME =
  /^(\d{1,2})\/([A-Za-z]{3})\/(\d{4}):(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?: ?(?:[Zz]|UTC|GMT|([+-])(\d\d):?(\d\d)))?$/;
/** IMF-fixdate (RFC 9110 §5.6.7), as in the header `Date`. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DECIMAL = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?$/;

/**
 * Rules version 2: reads an event time; `undefined` if the text is not one.
 *
 * Accepted: all of version 1 except milliseconds from 1e14 on; also offsets `+01` and `+0100`, `UTC` and `GMT`, a blank before the zone, a
 * comma before the fraction, missing seconds, a zone's name in brackets behind the offset; the times of {@link parseLogTime}; IMF-fixdate;
 * and Unix time with a fraction, in seconds, milliseconds from 1e11, microseconds from 1e14 and nanoseconds from 1e17 on. Blanks and tabs
 * around the text are ignored. Digits below one millisecond are cut.
 */
export function parseEventTimeV2(text: string): EpochMs | undefined {
  const value = trimBlanks(text);
  const decimal = DECIMAL.exec(value);
  if (decimal) return decimalTime(decimal[1] === "-", decimal[2]!, decimal[3] ?? "");
  const match = DATE_TIME_2.exec(value);
  return match ? dateTime(match) : parseLogTime(value) ?? httpDate(value);
}

/** The time of a match of {@link DATE_TIME} or {@link DATE_TIME_2}, which have the same groups. */
function dateTime(match: RegExpExecArray): EpochMs | undefined {
  const [, year, month, day, hour, minute, second = "0", fraction, sign, offsetHour, offsetMinute] = match;
  return instant({
    date: [Number(year), Number(month), Number(day)],
    time: [hour, minute, second],
    fraction,
    zone: [sign, offsetHour, offsetMinute],
  });
}

/** Rules version 2: reads a JSON number by its text, so that no digits of nanoseconds are lost. */
export function parseEventTimeNumber(source: string): EpochMs | undefined {
  // Only a number with an exponent is converted through floating point. Below 1e21, String() writes it without one.
  return parseEventTimeV2(/[eE]/.test(source) ? String(Number(source)) : source);
}

/** Reads `03/Mar/2026:10:00:09 +0100`. The day may have one digit, the month any case; the fraction and the zone (UTC) are optional. */
export function parseLogTime(text: string): EpochMs | undefined {
  const match = LOG_TIME.exec(text);
  if (!match) return undefined;
  const [, day, month, year, hour, minute, second, fraction, sign, offsetHour, offsetMinute] = match;
  return instant({
    date: [Number(year), MONTHS.indexOf(month!.toLowerCase()) + 1, Number(day)],
    time: [hour, minute, second],
    fraction,
    zone: [sign, offsetHour, offsetMinute],
  });
}

function httpDate(text: string): EpochMs | undefined {
  const match = HTTP_DATE.exec(text);
  if (!match) return undefined;
  const [, day, month, year, hour, minute, second] = match;
  const date = [Number(year), MONTHS.indexOf(month!.toLowerCase()) + 1, Number(day)] as const;
  return instant({ date, time: [hour, minute, second], fraction: "", zone: [] });
}

interface Written {
  /** Year, month from 1, day from 1. */
  readonly date: readonly [number, number, number];
  readonly time: readonly (string | undefined)[];
  /** Digits after the point. */
  readonly fraction: string | undefined;
  /** Sign, hours and minutes of the offset; empty = UTC. */
  readonly zone: readonly (string | undefined)[];
}

/** The instant, or `undefined` if it does not exist. */
function instant({ date: [year, month, day], time, fraction = "", zone }: Written): EpochMs | undefined {
  const [hour, minute, second] = time.map(Number) as [number, number, number];
  const [sign, offsetHour = "0", offsetMinute = "0"] = zone;
  const date = new Date(0);
  // Date.UTC would take years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  date.setUTCHours(hour, minute, second, Number(fraction.slice(0, 3).padEnd(3, "0")));
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return within(date.getTime() - (sign === "-" ? -offsetMs : offsetMs));
}

/** Unix time; its number of whole digits gives the unit: up to 11 seconds, 14 milliseconds, 17 microseconds, 20 nanoseconds. */
function decimalTime(negative: boolean, whole: string, fraction: string): EpochMs | undefined {
  if (whole.length <= 11) {
    const ms = Number(whole) * 1000 + Number(fraction.slice(0, 3).padEnd(3, "0"));
    return within(negative ? -ms : ms);
  }
  if (negative || whole.length > 20) return undefined;
  return within(Number(whole.length <= 14 ? whole : whole.slice(0, whole.length <= 17 ? -3 : -6)));
}

function unixTime(value: number): EpochMs | undefined {
  return within(value >= UNIX_MILLISECONDS_FROM ? value : value * 1000);
}

function within(time: number): EpochMs | undefined {
  // `+ 0` turns -0 into 0, so that equal times have one window key.
  return time >= EVENT_TIME_MIN && time <= EVENT_TIME_MAX ? epochMs(time + 0) : undefined;
}
