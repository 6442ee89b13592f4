// Local days and their first instants, found by looking at the clock on the wall of a zone (Intl) every quarter of an hour. Pure.

const QUARTER = 900_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();
const starts = new Map<string, number>();

/** Zones with whole, half and quarter hours, some with summer time; none of them puts its clock back over midnight. */
export const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Pacific/Kiritimati",
] as const;

/** The local day of an instant, `YYYY-MM-DD`. */
export function localDay(instant: number, zone: string): string {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
    formats.set(zone, format);
  }
  return format.format(instant);
}

/** The day `by` days after `day`. */
export function dayAfter(day: string, by = 1): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * DAY).toISOString().slice(0, 10);
}

/** The days from `from` to `to`, both inclusive. */
export function daysOf(from: string, to: string): string[] {
  const days: string[] = [];
  for (let day = from; day <= to; day = dayAfter(day)) days.push(day);
  return days;
}

/** First instant of a local day. */
export function dayStart(day: string, zone: string): number {
  const key = `${day} ${zone}`;
  let start = starts.get(key);
  if (start === undefined) {
    start = Date.parse(`${day}T00:00:00Z`) - 15 * HOUR;
    while (localDay(start, zone) < day) start += QUARTER;
    starts.set(key, start);
  }
  return start;
}

/** First instant of the day after a local day. */
export const dayEnd = (day: string, zone: string): number => dayStart(dayAfter(day), zone);
