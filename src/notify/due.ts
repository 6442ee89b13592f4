// Finds the messages that are due: reports of complete periods, and alerts about days outside their forecast band. Pure.
import { addDays, type LocalDate } from "../report/time_zone.ts";

/** How often a report is sent. */
export type Schedule = "off" | "daily" | "weekly" | "monthly";

/** Target of messages. */
export interface Target {
  readonly kind: "webhook" | "email";
  /** Short hash of the target, for ids. */
  readonly key: string;
  /** The target without secrets. */
  readonly label: string;
}

/** A saved view that has a report of its own. */
export interface View {
  readonly name: string;
  /** Short hash of the name, for ids. */
  readonly key: string;
  /** Parameters of the overview and of its reports, without those of the period. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A complete day and its forecast from the days before. A value is null if records are missing, or if the history is too short. */
export interface DayBesideForecast {
  readonly day: LocalDate;
  readonly count: number | null;
  readonly forecast: { readonly count: number; readonly low: number; readonly high: number } | null;
}

/** A message that should exist. */
export interface Due {
  /** The same message has the same id in every process and at any time. */
  readonly id: string;
  readonly kind: "report" | "alert";
  /** Both inclusive. */
  readonly from: LocalDate;
  readonly to: LocalDate;
  readonly target: Target;
  /** The view that a report is about; null = the whole stream. */
  readonly view: View | null;
}

interface DueInputs {
  readonly schedule: Schedule;
  /** What is reported on; null = the whole stream. */
  readonly views: readonly (View | null)[];
  /** A day gives an alert if its distance from the forecast is more than this many times the band on that side; null = no alerts. */
  readonly alertAt: number | null;
  readonly targets: readonly Target[];
  readonly today: LocalDate;
  /** The last day whose windows are all closed, or null. */
  readonly lastComplete: LocalDate | null;
  /** The last complete days, in any order. */
  readonly days: readonly DayBesideForecast[];
  /** Ids of the messages that exist. */
  readonly known: ReadonlySet<string>;
}

/** Most reports that are sent late after a downtime. A new target or view gets only the newest one. */
const PERIODS_MAX = 3;
/** Longest time from a period's end to its report in days, so that the import of an old log sends none. */
const NEWS_DAYS = { daily: 7, weekly: 21, monthly: 62 } as const;
/** The same for an alert. */
const ALERT_NEWS_DAYS = 7;

/** The messages that are due and do not exist, oldest first. */
export function dueMessages(given: DueInputs): Due[] {
  const { targets, views, known } = given;
  const due = targets.flatMap((target) => [
    ...views.flatMap((view) => dueReports(given, target, view)),
    ...dueAlerts(given, target),
  ]);
  return due.filter(({ id }) => !known.has(id));
}

function dueReports(
  { schedule, lastComplete, today, known }: DueInputs,
  target: Target,
  view: View | null,
): Due[] {
  if (schedule === "off" || lastComplete === null) return [];
  // "-" or "." after the target's key: the ids of a view are not taken for those of the whole stream.
  const prefix = `report-${schedule}-${target.key}${view === null ? "" : `.${view.key}`}-`;
  const newest = [...known].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length)).sort().at(-1);
  const periods: { readonly from: LocalDate; readonly to: LocalDate }[] = [];
  for (let end = lastComplete; periods.length < (newest === undefined ? 1 : PERIODS_MAX);) {
    const period = lastPeriod(schedule, end);
    if (period.to < addDays(today, -NEWS_DAYS[schedule]) || (newest !== undefined && period.from <= newest)) break;
    periods.unshift(period);
    end = addDays(period.from, -1);
  }
  return periods.map((period) => ({ id: `${prefix}${period.from}`, kind: "report", ...period, target, view }));
}

/** The newest period that ends on `day` or before it. */
function lastPeriod(schedule: Exclude<Schedule, "off">, day: LocalDate): { from: LocalDate; to: LocalDate } {
  if (schedule === "daily") return { from: day, to: day };
  if (schedule === "weekly") {
    const sunday = addDays(day, -new Date(`${day}T00:00:00Z`).getUTCDay());
    return { from: addDays(sunday, -6), to: sunday };
  }
  const isLast = addDays(day, 1).endsWith("-01");
  const to = isLast ? day : addDays(`${day.slice(0, 7)}-01`, -1);
  return { from: `${to.slice(0, 7)}-01`, to };
}

function dueAlerts({ alertAt, days, today }: DueInputs, target: Target): Due[] {
  if (alertAt === null) return [];
  const oldest = addDays(today, -ALERT_NEWS_DAYS);
  return days.filter((one) => one.day >= oldest && isOutside(one, alertAt)).map(({ day }) => day).sort()
    .slice(-PERIODS_MAX)
    .map((day) => ({ id: `alert-${target.key}-${day}`, kind: "alert", from: day, to: day, target, view: null }));
}

/** Whether the day's distance from its forecast is more than `times` the band on that side, both in whole hits as shown. */
function isOutside({ count, forecast }: DayBesideForecast, times: number): boolean {
  if (count === null || forecast === null) return false;
  const { count: expected, low, high } = forecast;
  return count > Math.round(expected + times * (high - expected)) ||
    count < Math.round(expected - times * (expected - low));
}

/** A message that no delivery brought within this time is given up. */
export const GIVE_UP_MS = 7 * 86_400_000;
const BACKOFF_FIRST_MS = 15_000;
const BACKOFF_MAX_MS = 3_600_000;

/** Time to wait after `attempts` failed deliveries: 15 s, doubled each time, at most an hour; longer if the target asks for it. */
export function backoffMs(attempts: number, retryAfterMs = 0): number {
  const own = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(20, attempts - 1));
  return Math.max(own, Math.min(retryAfterMs, BACKOFF_MAX_MS));
}
