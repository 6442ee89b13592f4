// Holds one answer against the oracle, number by number. Pure.
import { dayAfter, daysOf, dayStart, HOUR, localDay } from "./calendar.ts";
import { comparedEvents } from "./compared.ts";
import { breakdownFunction, breakdownTop, visitors } from "./judge_breakdown.ts";
import type { Fact, Filter, Oracle } from "./oracle.ts";
import type { Question } from "./questions.ts";
import { counts, type Json, rowSet, Sheet, size, type Tally } from "./sheet.ts";

/** Judges one answer. */
export function judge({ kind, params }: Question, answer: unknown, oracle: Oracle): Tally {
  const sheet = new Sheet(oracle, params);
  switch (kind) {
    case "contributions":
      contributions(sheet, answer as Json);
      break;
    case "export":
      exported(sheet, answer as Json[]);
      break;
    case "function":
      contributionFunction(sheet, answer as Json[]);
      break;
    case "timeseries":
      timeseries(sheet, answer as Json);
      break;
    case "bots":
      bots(sheet, answer as Json);
      break;
    case "top":
      top(sheet, answer as Json);
      break;
    case "forecast":
      forecast(sheet, answer as Json);
      break;
    case "live":
      live(sheet, answer as Json[]);
      break;
    case "ledger":
      ledger(sheet, answer as Json);
      break;
    case "breakdown":
      breakdownTop(sheet, answer as Json);
      break;
    case "breakdown_function":
      breakdownFunction(sheet, answer as Json[]);
      break;
    case "visitors":
      visitors(sheet, answer as Json);
  }
  return sheet.tally;
}

const PLACE_PARTS: Readonly<Record<string, number>> = { country: 1, region: 2, city: 3 };

function placeOf(fact: Fact, place: string): string {
  const parts = PLACE_PARTS[place]!;
  return [...fact.place.slice(0, parts), "", ""].slice(0, 3).join("|");
}

function contributions(sheet: Sheet, answer: Json): void {
  const { params, oracle } = sheet;
  const { from, to, place } = params;
  const range = sheet.events(from!, to!);
  const before = sheet.events(dayAfter(from!, -1), dayAfter(from!, -1));
  const nextDay = dayAfter(to!);
  const nextIsClosed = oracle.isClosed(sheet.end(nextDay));
  const after = nextIsClosed ? sheet.events(nextDay, nextDay) : null;
  const { facts: compared, mayLack: mayLackCompared } = comparedEvents(sheet);
  const of = (facts: readonly Fact[] | null) => counts(facts, (fact) => placeOf(fact, place!));
  const expected = of(range), previous = of(before), next = of(after), other = of(compared);
  const countries = counts(range, (fact) => fact.place[0]);
  const rows = answer.rows as Json[];
  const keyed = rows.map((row) => {
    const { country_code, region, city } = row.place as Record<string, string>;
    return { row, key: [country_code, region, city].join("|") };
  });
  rowSet(sheet, "rows", keyed.map(({ key }) => key), expected, Infinity);
  sheet.number("total_rows", answer.total_rows, expected.size);
  sheet.number("total_count", answer.total_count, size(range), sheet.rangeUnknown(from!, to!));
  const listed = (map: ReadonlyMap<string, number>, key: string, facts: readonly Fact[] | null) =>
    facts === null ? null : map.get(key) ?? 0;
  for (const { row, key } of keyed) {
    const name = `row ${key}`;
    sheet.number(`${name} count`, (row.city_contribution as Json).count, expected.get(key) ?? 0);
    sheet.number(
      `${name} country`,
      (row.country_contribution as Json).total_count,
      countries.get(key.split("|")[0]!) ?? 0,
    );
    const mayLack = (a: string, b: string) => sheet.rangeUnknown(a, b);
    const dayBefore = dayAfter(from!, -1);
    sheet.number(
      `${name} previous day`,
      row.previous_day_contribution,
      listed(previous, key, before),
      mayLack(dayBefore, dayBefore),
    );
    sheet.number(
      `${name} comparison`,
      (row.comparison as Json).count,
      listed(other, key, compared),
      mayLackCompared,
    );
    if (nextIsClosed || row.next_day_kind === "actual") {
      const { unknown } = oracle.dayWorth(nextDay, params.tz!, sheet.filtered);
      sheet.number(`${name} next day`, row.next_day_contribution, listed(next, key, after), unknown);
    }
    sheet.status(`${name} status`, row.status, sheet.isFinal(to!));
    const share = range!.length === 0 ? 0 : 100 * (expected.get(key) ?? 0) / range!.length;
    if (Math.abs(row.percentage_contribution as number - share) > 0.001) {
      sheet.violate(`${name} is ${row.percentage_contribution} %`);
    }
  }
  if (answer.other !== null) {
    const page = keyed.slice(0, Number(params.limit));
    const shown = page.reduce((sum, { key }) => sum + (expected.get(key) ?? 0), 0);
    sheet.number(
      "other of the first page",
      ((answer.other as Json).city_contribution as Json).count,
      range!.length - shown,
    );
  }
  for (const given of answer.days as Json[]) dayCount(sheet, given, given.count, sheet.filter);
  const days = (answer.days as Json[]).map(({ day }) => day).join();
  if (days !== daysOf(from!, to!).join()) sheet.violate(`days are ${days}`);
  sheet.completeness("range", (answer.completeness as Json).range as Json, from!, to!);
}

/** A local day of a list of days. */
function dayCount(sheet: Sheet, given: Json, count: unknown, filter: Filter): void {
  const { oracle, params } = sheet;
  const day = given.day as string;
  const worth = oracle.dayWorth(day, params.tz!, sheet.filtered);
  sheet.number(
    `day ${day}`,
    count,
    worth.unknown === "yes" ? null : oracle.day(day, params.tz!, filter).length,
    worth.unknown,
  );
  const status = (given.completeness as Json | undefined)?.status ?? given.status;
  sheet.status(`day ${day}`, status, worth.final, worth.unknown);
}

/** Lines of an export, which name the same places. */
function exported(sheet: Sheet, lines: Json[]): void {
  const { from, to, place } = sheet.params;
  const range = sheet.events(from!, to!);
  const before = sheet.events(dayAfter(from!, -1), dayAfter(from!, -1));
  const expected = counts(range, (fact) => placeOf(fact, place!));
  const previous = counts(before, (fact) => placeOf(fact, place!));
  // A region or country has a name in the column of cities.
  const keys = lines.map(({ country_code, region, city }) =>
    [country_code, place === "country" ? "" : region, place === "city" ? city : ""].join("|")
  );
  rowSet(sheet, "lines", keys, expected, Infinity);
  const lack = sheet.rangeUnknown(dayAfter(from!, -1), dayAfter(from!, -1));
  for (const [i, line] of lines.entries()) {
    sheet.number(`line ${keys[i]}`, line.count, expected.get(keys[i]!) ?? 0);
    sheet.number(
      `line ${keys[i]} previous day`,
      line.previous_day_contribution,
      before && (previous.get(keys[i]!) ?? 0),
      lack,
    );
    sheet.status(`line ${keys[i]}`, line.status, sheet.isFinal(to!));
  }
}

function contributionFunction(sheet: Sheet, rows: Json[]): void {
  const { params, oracle } = sheet;
  const { from, to, place } = params;
  const range = sheet.events(from!, to!);
  const before = sheet.events(dayAfter(from!, -1), dayAfter(from!, -1));
  const nextDay = dayAfter(to!);
  const after = oracle.isClosed(sheet.end(nextDay)) ? sheet.events(nextDay, nextDay) : null;
  const { facts: compared, mayLack: mayLackCompared } = comparedEvents(sheet);
  const of = (facts: readonly Fact[] | null) => counts(facts, (fact) => placeOf(fact, place!));
  const expected = of(range), previous = of(before), next = of(after), other = of(compared);
  const countries = counts(range, (fact) => fact.place[0]);
  const keys = rows.map((row) => [row.country_code, row.region, row.city].join("|"));
  rowSet(sheet, "rows", keys, expected, Infinity);
  for (const [i, row] of rows.entries()) {
    const key = keys[i]!;
    const listed = (map: ReadonlyMap<string, number>, facts: readonly Fact[] | null) =>
      facts === null ? null : map.get(key) ?? 0;
    sheet.number(`row ${key} hits`, row.num_hits, expected.get(key) ?? 0);
    sheet.number(`row ${key} country`, row.country_hits, countries.get(key.split("|")[0]!) ?? 0);
    sheet.number(`row ${key} previous day`, row.previous_day, listed(previous, before));
    sheet.number(`row ${key} next day`, row.next_day, listed(next, after));
    sheet.number(`row ${key} comparison`, row.comparison, listed(other, compared), mayLackCompared);
    sheet.number("total", row.total_hits, size(range));
    sheet.number("total of the previous day", row.total_previous_day, size(before));
    sheet.number("total of the next day", row.total_next_day, size(after));
    sheet.number("total of the comparison", row.total_comparison, size(compared), mayLackCompared);
    sheet.status(`row ${key}`, row.is_final ? "final" : "provisional", sheet.isFinal(to!));
  }
}

function timeseries(sheet: Sheet, answer: Json): void {
  const { params, oracle } = sheet;
  const { from, to, tz } = params;
  const points = answer.points as Json[];
  const start = dayStart(from!, tz!), end = sheet.end(to!);
  const longest = params.step === "day" ? 25 * HOUR : params.step === "hour" ? HOUR : oracle.rules.windowSize;
  const all = { human: 0, bot: 0, known: 0, maybe: 0 };
  let at = start;
  for (const point of points) {
    const a = Date.parse(point.start as string), b = Date.parse(point.end as string);
    const name = `point ${point.start}`;
    if (a !== at || b <= a || b - a > longest || b > end || localDay(a, tz!) !== localDay(b - 1, tz!)) {
      sheet.violate(`${name} to ${point.end} does not follow`);
    }
    at = b;
    const worth = oracle.worth(a, b, sheet.filtered);
    const facts = oracle.select(a, b, sheet.filter);
    const of = (bot: boolean) => worth.unknown === "yes" ? null : facts.filter((fact) => fact.bot === bot).length;
    sheet.number(`${name} human`, point.human, of(false), worth.unknown);
    sheet.number(`${name} bot`, point.bot, of(true), worth.unknown);
    sheet.number(`${name} total`, point.total, worth.unknown === "yes" ? null : facts.length, worth.unknown);
    sheet.status(name, point.status, worth.final, worth.unknown);
    if (worth.unknown === "may") all.maybe++;
    if (worth.unknown !== "yes") {
      all.known++;
      all.human += of(false)!;
      all.bot += of(true)!;
    }
  }
  const left = oracle.select(at, end, sheet.filter);
  if (left.length > 0) {
    sheet.violate(`the series ends at ${new Date(at).toISOString()}, ${left.length} hits before the end`);
  }
  const total = answer.total as Json;
  const sum = (hits: number) => all.known === 0 ? null : hits;
  const unknown = all.known === all.maybe ? "may" : "no";
  sheet.number("total human", total.human, sum(all.human), unknown);
  sheet.number("total bot", total.bot, sum(all.bot), unknown);
  sheet.number("total", total.total, sum(all.human + all.bot), unknown);
  const { facts, mayLack } = comparedEvents(sheet);
  sheet.number("comparison", (answer.comparison as Json).total, size(facts), mayLack);
}

function bots(sheet: Sheet, answer: Json): void {
  const { from, to } = sheet.params;
  for (const day of answer.days as Json[]) {
    dayCount(sheet, day, day.human, { ...sheet.filter, traffic: "human" });
    dayCount(sheet, day, day.bot, { ...sheet.filter, traffic: "bot" });
    dayCount(sheet, day, day.total, sheet.filter);
  }
  const events = sheet.events(from!, to!);
  const unknown = sheet.rangeUnknown(from!, to!);
  const ofBots = sheet.events(from!, to!, sheet.filtered, { ...sheet.filter, traffic: "bot" });
  sheet.number("bots total", answer.total, size(events), unknown);
  sheet.number("bots", answer.bot, size(ofBots), unknown);
  sheet.completeness("bots", answer.completeness as Json, from!, to!);
}

function keyOf(by: string, oracle: Oracle): (fact: Fact) => string {
  switch (by) {
    case "host":
      return ({ host }) => host;
    case "referrer":
      return ({ referrer }) => referrer;
    case "country":
      return ({ place }) => place[0];
    case "city":
      return ({ place }) => place.join("\x1e");
    default:
      return oracle.channels();
  }
}

function top(sheet: Sheet, answer: Json): void {
  const { from, to, by, limit } = sheet.params;
  const raw = sheet.filtered || by === "host" || by === "referrer" || by === "channel";
  const events = sheet.events(from!, to!, raw);
  const key = keyOf(by!, sheet.oracle);
  const expected = counts(events, key);
  const rows = answer.rows as Json[];
  rowSet(sheet, "ranking", rows.map((row) => row.key as string), expected, Number(limit));
  sheet.number("total_count", answer.total_count, size(events), sheet.rangeUnknown(from!, to!, raw));
  sheet.number("total_rows", answer.total_rows, expected.size);
  let listed = 0;
  for (const row of rows) {
    listed += expected.get(row.key as string) ?? 0;
    sheet.number(`${JSON.stringify(row.key)}`, row.count, expected.get(row.key as string) ?? 0);
    sheet.status(`${JSON.stringify(row.key)}`, row.status, sheet.isFinal(to!));
  }
  const shown = rows.map((row) => row.count as number);
  if (shown.some((count, i) => i > 0 && count > shown[i - 1]!)) sheet.violate(`the ranking is not in order: ${shown}`);
  const best = [...expected.values()].sort((a, b) => b - a).slice(0, rows.length);
  if (best.join() !== shown.join()) sheet.violate(`the ranking has ${shown}, the oracle ${best}`);
  if (events !== null && events.length > listed) {
    sheet.number("(other)", (answer.other as Json | null)?.count, events.length - listed);
  }
  sheet.completeness("top", answer.completeness as Json, from!, to!, raw);
}

/** What a forecast has learnt from: closed days. */
function forecast(sheet: Sheet, answer: Json): void {
  const { oracle, params } = sheet;
  const { tz, of } = params;
  const last = answer.last_complete_day as string | null;
  const { closedThrough } = oracle;
  let closed = Number.isFinite(closedThrough) ? localDay(closedThrough, tz!) : null;
  while (closed !== null && !oracle.isClosed(sheet.end(closed))) closed = dayAfter(closed, -1);
  const onTime = oracle.facts().filter(({ late }) => !late).map(({ window }) => window);
  // The first day is seldom whole: nothing is learnt from it.
  const learnt = closed === null || onTime.length === 0
    ? []
    : daysOf(dayAfter(localDay(Math.min(...onTime), tz!)), closed);
  if (last !== (learnt.at(-1) ?? null)) {
    sheet.violate(`the last complete day is ${last}, the oracle says ${learnt.at(-1)}`);
  }
  const series = answer.series as {
    place: Record<string, string> | null;
    history: { day: string; count: number | null }[];
  }[];
  for (const { place, history } of series) {
    const key = place === null ? null : [place.country_code, place.region, place.city];
    if (history.map(({ day }) => day).join() !== learnt.join()) {
      sheet.violate(`learnt from ${history.map(({ day }) => day)}, the oracle says ${learnt}`);
    }
    for (const { day, count } of history) {
      const { unknown } = oracle.dayWorth(day, tz!, false);
      const facts = oracle.day(day, tz!, sheet.filter).filter((fact) =>
        key === null || (of === "country" ? fact.place[0] === key[0] : fact.place.join("|") === key.join("|"))
      );
      sheet.number(`history ${key ?? "total"} ${day}`, count, unknown === "yes" ? null : facts.length, unknown);
    }
  }
}

/** Every row of every window, but for what retention has dropped. */
function live(sheet: Sheet, rows: Json[]): void {
  const { oracle } = sheet;
  const key = (fact: Fact) => JSON.stringify([fact.window, fact.host, fact.referrer, ...fact.place]);
  const facts = oracle.select(oracle.retiredThrough, Infinity, {});
  const expected = counts(facts, key);
  const bot = counts(facts.filter((fact) => fact.bot), key);
  const given = new Map<string, { hits: number; bots: number }>();
  for (const row of rows) {
    if ((row.window as number) < oracle.retiredThrough) continue;
    const name = JSON.stringify([row.window, row.host, row.referrer, row.country_code, row.region, row.city]);
    if (given.has(name)) sheet.violate(`${name} is there twice`);
    given.set(name, { hits: row.num_hits as number, bots: row.bot_hits as number });
    // A window whose rows are not written yet may be called open, however far the stream is.
    if (row.is_final) {
      sheet.status(name, "final", row.window as number + oracle.rules.windowSize <= oracle.finalThrough);
    }
  }
  for (const name of new Set([...expected.keys(), ...given.keys()])) {
    sheet.number(`${name} hits`, given.get(name)?.hits ?? 0, expected.get(name) ?? 0);
    sheet.number(`${name} bot hits`, given.get(name)?.bots ?? 0, bot.get(name) ?? 0);
  }
}

function ledger(sheet: Sheet, answer: Json): void {
  const committed = sheet.oracle.committed();
  const stream = answer.stream as Record<string, number>;
  const counted = committed.filter((fact) => !fact.late).length;
  sheet.number("ledger counted", stream.counted, counted);
  sheet.number("ledger closed + open + retired", stream.closed! + stream.open! + stream.retired!, counted);
  sheet.number("ledger late", stream.late, committed.length - counted);
  if (answer.balanced !== true) sheet.violate(`the ledger does not balance: ${JSON.stringify(answer.imbalances)}`);
  for (const given of answer.partitions as Record<string, number>[]) {
    sheet.number(
      `ledger offsets of ${given.partition}`,
      given.offsets,
      sheet.oracle.partitions.get(given.partition!)?.next ?? 0,
    );
  }
}
