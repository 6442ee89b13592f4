// What is asked of the reports: drawn around the time that the stream has seen, in every zone and by every kind of filter. Pure.
import type { Random } from "../simulation/random.ts";
import { dayAfter, daysOf, ZONES } from "./calendar.ts";
import { HOSTS, PLACES, REFERRERS } from "./event.ts";
import type { Oracle } from "./oracle.ts";
import type { Hazard } from "./plan.ts";

export const KINDS = [
  "contributions",
  "timeseries",
  "bots",
  "top",
  "forecast",
  "export",
  "function",
  "live",
  "ledger",
] as const;
/** Asked beside them, by draws of their own: the questions of seeds that are noted somewhere stay as they are. */
export const BREAKDOWN_KINDS = ["breakdown", "breakdown_function", "visitors"] as const;
export type Kind = typeof KINDS[number] | typeof BREAKDOWN_KINDS[number];

/** How often each is asked: the ones that cost most are seldom. */
const OFTEN: readonly (typeof KINDS[number])[] = [...KINDS, "timeseries", "bots", "top", "top", "function", "live"];

/** A report with its parameters, as they are written in a URL. */
export interface Question {
  readonly kind: Kind;
  readonly params: Readonly<Record<string, string>>;
}

/** Draws one question of a kind, or of any, but for what is spared. */
export function draw(
  random: Random,
  oracle: Oracle,
  spared: ReadonlySet<Hazard>,
  kind: typeof KINDS[number] = random.pick(OFTEN),
): Question {
  const tz = random.pick(ZONES);
  const range = drawRange(random, oracle, tz);
  const late = random.chance(0.4) ? { late: "include" } : {};
  const traffic = random.chance(0.4) ? { traffic: random.pick(["human", "bot"]) } : {};
  const filter = {
    ...(random.chance(0.25) ? { host: random.pick(HOSTS) } : {}),
    ...(random.chance(0.25) ? { referrer: random.pick(REFERRERS) } : {}),
    ...(random.chance(0.15) ? { country: random.pick(PLACES)[0] } : {}),
    ...(random.chance(0.1) ? { region: random.pick(PLACES)[1] } : {}),
    ...(random.chance(0.1) ? { city: random.pick(PLACES)[2] } : {}),
  };
  // Of the API alone: the function is given referrers.
  const channel = random.chance(0.1)
    ? { channel: random.pick(["direct", "search", "social", "referral", "internal"]) }
    : {};
  const compare = { compare: random.pick(["previous_day", "same_weekday", "previous_period", "previous_year"]) };
  switch (kind) {
    case "contributions":
    case "export":
    case "function":
      return {
        kind,
        params: {
          tz,
          ...range,
          ...late,
          ...traffic,
          ...filter,
          ...(kind === "function" ? {} : channel),
          place: random.pick(["city", "region", "country"]),
          ...compare,
          order: random.pick(["count_desc", "count_asc", "place"]),
          ...(kind === "contributions" ? { limit: random.pick(["3", "1000", "1000", "1000"]) } : {}),
        },
      };
    case "timeseries":
      return {
        kind,
        params: {
          tz,
          ...range,
          ...late,
          ...filter,
          ...channel,
          ...compare,
          step: random.pick(["5min", "hour", "day"]),
        },
      };
    case "bots":
      return { kind, params: { tz, ...range, ...late, ...filter, ...channel } };
    case "top":
      return {
        kind,
        params: {
          tz,
          ...range,
          ...late,
          ...traffic,
          ...filter,
          ...channel,
          by: random.pick([
            "host",
            "referrer",
            "referrer",
            spared.has("channels") ? "host" : "channel",
            "country",
            "city",
          ]),
          limit: random.pick(["2", "1000", "1000"]),
        },
      };
    case "forecast":
      return { kind, params: { tz, ...late, ...traffic, of: random.pick(["total", "country", "city"]), limit: "100" } };
    case "live":
    case "ledger":
      return { kind, params: {} };
  }
}

/** One question of each kind but those of breakdowns. */
export function drawAll(random: Random, oracle: Oracle, spared: ReadonlySet<Hazard>): Question[] {
  return KINDS.map((kind) => draw(random, oracle, spared, kind));
}

/** A question about breakdowns or visitors, of one kind or any. */
export function drawBreakdown(
  random: Random,
  oracle: Oracle,
  kind: typeof BREAKDOWN_KINDS[number] = random.pick(["breakdown", "breakdown", ...BREAKDOWN_KINDS]),
): Question {
  const host = random.chance(0.3) ? { host: random.pick(HOSTS) } : {};
  if (kind === "visitors") return { kind, params: { tz: "UTC", ...drawRange(random, oracle, "UTC"), ...host } };
  const tz = random.pick(ZONES);
  return {
    kind,
    params: {
      tz,
      ...drawRange(random, oracle, tz),
      ...host,
      ...(random.chance(0.4) ? { late: "include" } : {}),
      ...(random.chance(0.4) ? { traffic: random.pick(["human", "bot"]) } : {}),
      by: random.pick(["page", "page", "browser", "os", "device", "campaign", "entry_channel"]),
      ...(kind === "breakdown" ? { limit: random.pick(["2", "1000", "1000"]) } : {}),
    },
  };
}

/** One question of each kind of breakdown. */
export const drawAllBreakdowns = (random: Random, oracle: Oracle): Question[] =>
  BREAKDOWN_KINDS.map((kind) => drawBreakdown(random, oracle, kind));

/** Days of the stream, seldom also a day before or after. */
function drawRange(random: Random, oracle: Oracle, tz: string): { readonly from: string; readonly to: string } {
  const span = oracle.span(tz);
  if (span === null) return { from: "2026-10-24", to: "2026-10-25" };
  const first = random.chance(0.08) ? dayAfter(span.first, -random.int(1, 3)) : span.first;
  const last = random.chance(0.08) ? dayAfter(span.last, random.int(1, 3)) : span.last;
  const days = daysOf(first, last);
  // Seldom the first day, beside which nothing is known.
  const from = Math.max(random.int(0, days.length - 1), random.int(0, days.length - 1));
  const to = random.chance(0.4) ? from : random.int(from, days.length - 1);
  return { from: days[from]!, to: days[to]! };
}
