// Formats numbers and times for a reader: language from Accept-Language, time zone from the URL. Pure; uses the runtime's ICU.
import { isTimeZone, localDate } from "../../report/time_zone.ts";
import { epochMs } from "../../shared/units.ts";

/** Most language tags that are read; a header may have hundreds. */
const TAGS_MAX = 10;

/** The first language of an Accept-Language header for which ICU can format numbers, or `en`. */
export function readerLocale(header: string | undefined): string {
  const tags = (header ?? "").slice(0, 200).split(",").slice(0, TAGS_MAX)
    .map((part) => part.split(";")[0]!.trim())
    .filter((tag) => /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/.test(tag));
  // Latin digits, so that columns align and charts have the same digits as tables.
  const known = tags.flatMap((tag) => supported(tag)).at(0) ?? "en";
  return `${known.split("-u-")[0]}-u-nu-latn`;
}

function supported(tag: string): string[] {
  try {
    return Intl.NumberFormat.supportedLocalesOf(tag);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

/** Writes numbers and times for one reader. Times are epoch ms. */
export interface Reader {
  readonly locale: string;
  readonly tz: string;
  /** `1,234,567`; `unknown` if a gap leaves no number. */
  readonly count: (value: number | null) => string;
  /** `1.2M`. */
  readonly compact: (value: number) => string;
  /** `+1,234`, `−12`, `±0`. */
  readonly change: (value: number) => string;
  /** From per cent: `+12.3%`, `−6.4%`. */
  readonly changePercent: (value: number) => string;
  /** Hour and minute. */
  readonly clock: (time: number) => string;
  /** The zone's year of `now`. */
  readonly year: string;
  /** From per cent: `12.3%`. */
  readonly percent: (value: number) => string;
  readonly decimal: (value: number) => string;
  /** `08:40` on the zone's today of `now`, with the date elsewhere. */
  readonly time: (time: number) => string;
  /** As `time`, with seconds. */
  readonly seconds: (time: number) => string;
  /** Date, hour, minute. */
  readonly dateTime: (time: number) => string;
  /** A local date `YYYY-MM-DD` as `23 Nov`. */
  readonly date: (date: string) => string;
  /** A local date `YYYY-MM-DD` as `23 Nov 2026`. */
  readonly fullDate: (date: string) => string;
  /** A local date `YYYY-MM-DD` as `Mon, 23 Nov`. */
  readonly day: (date: string) => string;
}

type Formats = Omit<Reader, "time" | "seconds" | "clock" | "year"> & {
  readonly clockFormat: Intl.DateTimeFormat;
  readonly exact: Intl.DateTimeFormat;
  readonly today: Intl.DateTimeFormat;
};
const readers = new Map<string, Formats>();
/** Making formats costs milliseconds; readers of one office share language and zone. */
const READERS_MAX = 100;

/** The reader of a language and zone at the moment `now`. */
export function readerOf(locale: string, tz: string, now: number): Reader {
  const name = `${locale} ${tz}`;
  let known = readers.get(name);
  if (known === undefined) {
    if (readers.size >= READERS_MAX) readers.clear();
    readers.set(name, known = makeReader(locale, isTimeZone(tz) ? tz : "UTC"));
  }
  const { clockFormat, exact, today: day, ...rest } = known;
  const today = day.format(now);
  const dated = (format: Intl.DateTimeFormat) => (time: number) =>
    day.format(time) === today ? format.format(time) : `${day.format(time)} ${format.format(time)}`;
  return {
    ...rest,
    clock: (time: number) => clockFormat.format(time),
    year: localDate(epochMs(now), rest.tz).slice(0, 4),
    time: dated(clockFormat),
    seconds: dated(exact),
  };
}

function makeReader(locale: string, tz: string): Formats {
  // A forecast has fractions of a hit.
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const percents = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 } as const;
  const percent = new Intl.NumberFormat(locale, percents);
  const signedPercent = new Intl.NumberFormat(locale, { ...percents, signDisplay: "exceptZero" });
  // Some locales write the hyphen of the keyboard.
  const minus = (text: string) => text.replace("-", "−");
  const signed = new Intl.NumberFormat(locale, { signDisplay: "exceptZero", maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const times = { timeZone: tz, hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  const clock = new Intl.DateTimeFormat(locale, times);
  const exact = new Intl.DateTimeFormat(locale, { ...times, second: "2-digit" });
  const date = new Intl.DateTimeFormat(locale, { timeZone: tz, day: "numeric", month: "short" });
  const plain = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
  const day = new Intl.DateTimeFormat(locale, { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" });
  return {
    locale,
    tz,
    clockFormat: clock,
    exact,
    today: date,
    count: (value: number | null) => value === null ? "unknown" : number.format(value),
    compact: (value: number) => compact.format(value),
    change: (value: number) => value === 0 ? "±0" : minus(signed.format(value)),
    changePercent: (value: number) => minus(signedPercent.format(value / 100)),
    percent: (value: number) => value > 0 && value < 0.05 ? `<${percent.format(0.001)}` : percent.format(value / 100),
    decimal: (value: number) => decimal.format(value),
    dateTime: (time: number) => `${date.format(time)} ${clock.format(time)}`,
    date: (text: string) => plain.format(Date.parse(`${text}T00:00:00Z`)),
    fullDate: (text: string) => full.format(Date.parse(`${text}T00:00:00Z`)),
    day: (text: string) => day.format(Date.parse(`${text}T00:00:00Z`)),
  };
}
