// What can be asked of the reports: any parameters give a query within its bounds or problems that name fields; a query asked for again is the same.
import {
  botsQuery,
  botsSchema,
  contributionQuery,
  contributionSchema,
  forecastQuery,
  forecastSchema,
  type Parameters,
  type QueryResult,
  RANGE_DAYS_MAX,
  timeseriesQuery,
  timeseriesSchema,
  topQuery,
  topSchema,
  visitorsQuery,
  visitorsSchema,
} from "../../src/report/report_query.ts";
import { addDays, countDays, dayStart, LOCAL_DATE_MAX, LOCAL_DATE_MIN, localDate } from "../../src/report/time_zone.ts";
import { epochMs } from "../../src/shared/units.ts";
import { type Below, chanceOf } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

const NOW = epochMs(Date.parse("2026-06-01T10:15:30Z"));
const REPORTS = {
  contributions: [contributionQuery, contributionSchema],
  timeseries: [timeseriesQuery, timeseriesSchema],
  top: [topQuery, topSchema],
  visitors: [visitorsQuery, visitorsSchema],
  bots: [botsQuery, botsSchema],
  forecast: [(given: Parameters) => forecastQuery(given), forecastSchema],
} as const;
type Name = keyof typeof REPORTS;
const NAMES = Object.keys(REPORTS) as Name[];

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "Pacific/Apia",
  "Asia/Kathmandu",
  "America/Havana",
  "Antarctica/Troll",
  "+01:00",
  "Mars/Base",
  "",
  "utc",
  "GMT0",
  "x".repeat(70),
];
const VALUES = [
  "",
  "0",
  "1",
  "10",
  "1000",
  "1001",
  "-1",
  "+1",
  " 1",
  "1e2",
  "0x10",
  "1.0",
  "NaN",
  "city",
  "region",
  "country",
  "all",
  "human",
  "bot",
  "include",
  "exclude",
  "previous_day",
  "same_weekday",
  "5min",
  "hour",
  "day",
  "host",
  "referrer",
  "channel",
  "page",
  "total",
  "count_asc",
  "a.example",
  "\u0000",
  "\ud800",
  "é",
  "x".repeat(5000),
];
const DATES = [
  LOCAL_DATE_MIN,
  LOCAL_DATE_MAX,
  "0999-12-31",
  "9999-01-01",
  "2024-02-29",
  "2026-02-29",
  "1900-02-29",
  "2026-00-10",
  "2026-1-1",
  "+002026-01-01",
  "2026-06-01T00:00Z",
];

const FILTERS = [
  "",
  "host:is:a.example",
  "referrer:not_contains:%3B%25;country:is:germany",
  "city:starts:'\\);--",
  "source:is_not:Google;channel:is:search",
  "channel:contains:x",
  "host:is",
  ";",
];

function generate(below: Below): Case {
  const { pick, once, int } = chanceOf(below);
  const name = pick(NAMES);
  const date = () => once(4) ? pick(DATES) : addDays("2026-06-01", int(-1200, 5));
  // Without a prototype, so that `__proto__` is a name like any other.
  const given = Object.create(null) as Record<string, string>;
  for (const key of Object.keys(REPORTS[name][1].shape)) {
    if (!once(3)) continue;
    given[key] = once(6)
      ? pick([...VALUES, ...DATES, ...ZONES])
      : key === "from" || key === "to"
      ? date()
      : key === "tz"
      ? pick(ZONES)
      : key === "filter"
      ? pick(FILTERS)
      : key === "channel"
      ? pick(["direct", "search", "internal", "unclassified"])
      : pick(VALUES);
  }
  if (once(20)) given[pick(["x", "__proto__", "From"])] = pick(VALUES);
  return textCase(JSON.stringify(given), name);
}

type Ranged = { readonly from?: string; readonly to?: string; readonly tz: string };

const judge: Judge = {
  check(found): Verdict {
    const name = found.variant as Name;
    let given: Record<string, string>;
    try {
      given = JSON.parse(textOf(found)) as Record<string, string>;
    } catch {
      return sound("no case");
    }
    const ask = REPORTS[name][0] as (given: Parameters, now: typeof NOW) => QueryResult<Ranged>;
    const result = ask(given, NOW);
    if (!result.ok) {
      const { problems } = result;
      const wrong = problems.find(({ field, message }) =>
        message === "" || !(field in given || field === "from" || field === "to")
      );
      return problems.length === 0 || wrong !== undefined
        ? faulty("refused", `tells ${JSON.stringify(problems)}`)
        : sound("refused");
    }
    const { query } = result, { from, to, tz } = query;
    if (from !== undefined && to !== undefined) {
      const days = countDays(from, to);
      if (!(days >= 1 && days <= RANGE_DAYS_MAX)) return faulty("query", `covers ${days} days from ${from} to ${to}`);
      // What reports look at besides must still be dates that PostgreSQL writes the same.
      for (const day of [addDays(from, -2 * RANGE_DAYS_MAX), addDays(to, 2)]) {
        if (!/^\d{4}-\d\d-\d\d$/.test(day)) return faulty("query", `reaches to ${day}`);
      }
      const start = dayStart(to, tz), shown = localDate(start, tz), before = localDate(epochMs(start - 1), tz);
      // A day that a zone left out begins with the next one; one that clocks leave again begins when it was first reached.
      if ((shown !== to && shown !== addDays(to, 1)) || before >= to) {
        const at = new Date(start).toISOString();
        return faulty(
          "query",
          `${to} in ${tz} begins at ${at}, which is on ${shown}, and a moment before it is ${before}`,
        );
      }
    }
    const again = ask(Object.fromEntries(Object.entries(query).map(([key, value]) => [key, String(value)])), NOW);
    const text = (value: object) => JSON.stringify(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
    const [a, b] = [text(query), text(again.ok ? again.query : again.problems)];
    return a === b ? sound("query") : faulty("query", `${a} asked for again is ${b}`);
  },
};

export const reportQueryTarget: Target = {
  name: "report-query",
  holds:
    "any parameters give a query within its bounds or problems with fields and words; a query asked for again is the same",
  generate,
  open: () => judge,
  shares: { query: 0.1, refused: 0.3 },
  testCases: 5_000,
  isWhole: true,
};
