// Reports and alerts by message, as the settings ask for them: targets, and where the numbers come from. Part of the composition root.
import { toMailbox, toWebhook } from "../notify/deliver.ts";
import type { DayBesideForecast, Due, Schedule, Target } from "../notify/due.ts";
import { type ReportFacts, TOP_ROWS } from "../notify/message.ts";
import { runNotify } from "../notify/notify.ts";
import { savedViews } from "../notify/notify_store.ts";
import { forecast, HISTORY_DAYS_MAX } from "../report/forecast/forecast.ts";
import { forecastQuery, type QueryResult, timeseriesQuery, topQuery } from "../report/report_query.ts";
import { forecastReport, timeseries } from "../report/report_store.ts";
import { addDays, localDate } from "../report/time_zone.ts";
import { top } from "../report/top_store.ts";
import type { Clock } from "../shared/clock.ts";
import type { Settings } from "../shared/config/settings.ts";
import { BugError } from "../shared/errors.ts";
import type { ReadDatabase } from "../shared/sql.ts";
import type { StepBoard, UpkeepStep } from "../shared/steps.ts";
import { type EpochMs, epochMs } from "../shared/units.ts";
import { VERSION } from "../shared/version.ts";
import type { EngineContext } from "./context.ts";
import { keyOf, reportedViews, WHOLE_STREAM } from "./reported_views.ts";

/** A report may be read from rows where it is not summed yet. */
const REPORT_TIMEOUT_MS = 60_000;
/** Newest days that are set beside their forecast: those that an alert can still be news of. */
const JUDGED_DAYS = 7;

/** Where a target of the settings leads, with what may be shown of it. */
interface Destination extends Target {
  readonly address: string;
}

/** Runs until the signal aborts; at once over where the settings name no target. */
export async function runNotifying(
  { settings, clock, log }: Pick<EngineContext, "settings" | "log"> & { readonly clock: Clock },
  { database, steps }: { readonly database: ReadDatabase; readonly steps: StepBoard<UpkeepStep> },
  signal: AbortSignal,
): Promise<void> {
  const destinations = await destinationsOf(settings);
  if (destinations.length === 0) return;
  const { NOTIFY_TIMEZONE: tz, NOTIFY_REPORT: schedule } = settings;
  const names = schedule === "off" ? [] : settings.NOTIFY_VIEWS ?? [WHOLE_STREAM];
  await runNotify({
    database,
    clock,
    log,
    steps,
    schedule,
    alertAt: settings.NOTIFY_ALERT,
    tz,
    link: settings.NOTIFY_LINK,
    targets: destinations,
    days: (now) => daysBesideForecast(database, tz, now),
    views: async (now) => await reportedViews(names, await savedViews(database, names), now),
    report: (due, now) => reportFacts(database, { ...due, tz, schedule }, now),
    deliver({ key }, message) {
      const { kind, address } = destinations.find((one) => one.key === key)!;
      return kind === "webhook"
        ? toWebhook(address, message, VERSION)
        : toMailbox({ server: settings.SMTP_URL!, from: settings.SMTP_FROM!, to: address }, message);
    },
  }, signal);
}

/** The targets of the settings. */
async function destinationsOf(
  { NOTIFY_WEBHOOKS: webhooks = [], NOTIFY_EMAILS: emails = [] }: Pick<Settings, "NOTIFY_WEBHOOKS" | "NOTIFY_EMAILS">,
): Promise<Destination[]> {
  const all = [
    ...webhooks.map((address) => ({ kind: "webhook" as const, address, label: new URL(address).host })),
    ...emails.map((address) => ({ kind: "email" as const, address, label: address })),
  ];
  return await Promise.all(all.map(async (one) => ({ ...one, key: await keyOf(one.address) })));
}

/** The complete days in order, the newest of them beside what the days before each had forecast. */
async function daysBesideForecast(
  database: ReadDatabase,
  tz: string,
  now: EpochMs,
): Promise<readonly DayBesideForecast[]> {
  const { last_complete_day: last } = await database.query(
    (sql) => forecastReport(sql, passed(forecastQuery({ tz, of: "total", days: 1 }))),
    REPORT_TIMEOUT_MS,
  );
  if (last === null) return [];
  const from = addDays(last, 1 - HISTORY_DAYS_MAX - JUDGED_DAYS);
  const { points } = await database.query(
    (sql) => timeseries(sql, passed(timeseriesQuery({ from, to: last, tz, step: "day" }, now))),
    REPORT_TIMEOUT_MS,
  );
  // The first day of the stream's data is seldom whole.
  const first = points.findIndex(({ total }) => total !== null && total > 0);
  const days = points.slice(first === 0 ? 0 : first + 1).map(({ start, total }) => ({
    day: localDate(epochMs(Date.parse(start)), tz),
    count: total,
  }));
  const history = days.map(({ count }) => count);
  return days.map(({ day, count }, i) => {
    if (i < days.length - JUDGED_DAYS) return { day, count, forecast: null };
    const ahead = forecast(history.slice(0, i), 1);
    return { day, count, forecast: ahead.kind === "forecast" ? ahead.points[0]! : null };
  });
}

/**
 * The numbers of a period. A single day is compared with the same weekday, since the day before is another one of the week; a view may ask for
 * another comparison.
 */
async function reportFacts(
  database: ReadDatabase,
  { from, to, view, tz, schedule }: Pick<Due, "from" | "to" | "view"> & {
    readonly tz: string;
    readonly schedule: Schedule;
  },
  now: EpochMs,
): Promise<ReportFacts> {
  const compare = schedule === "daily" ? "same_weekday" : "previous_period";
  const range = { compare, ...view?.parameters, from, to, tz };
  const ranking = (by: string) =>
    database.query((sql) => top(sql, passed(topQuery({ ...range, by, limit: TOP_ROWS }, now))), REPORT_TIMEOUT_MS);
  return {
    series: await database.query(
      (sql) => timeseries(sql, passed(timeseriesQuery({ ...range, step: "day" }, now))),
      REPORT_TIMEOUT_MS,
    ),
    countries: await ranking("country"),
    hosts: await ranking("host"),
    sources: await ranking("source"),
  };
}

/** @throws BugError if a query of ours is refused */
function passed<Q>(result: QueryResult<Q>): Q {
  if (!result.ok) throw new BugError(`a report refuses ${result.problems[0]?.field}`);
  return result.query;
}
