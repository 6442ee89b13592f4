// Shapes the ranking of hosts, referrers, sources, channels, countries, regions and cities, and of breakdowns. Pure.
import {
  breakdownLabel,
  type BreakdownMarks,
  countedCompleteness,
  countedDays,
  type CountedTime,
  FOLDED,
  isBreakdown,
  isReserved,
  marksOf,
  notCounted,
  type ValueHits,
} from "./breakdown.ts";
import { completenessOf, totalHits } from "./completeness.ts";
import { countryName, placeLabel } from "./country_names.ts";
import { type Origin, referrerOrigin } from "./referrer_channel.ts";
import type { TopQuery } from "./report_query.ts";
import type { Bucket, Completeness, Progress, Status, Traffic } from "./report_types.ts";

/** Hits of one key of the ranked dimension. */
interface KeyHits extends ValueHits {
  /** The parts of its sum, largest first, if there are several. */
  readonly parts?: readonly KeyHits[];
}

/**
 * One row; wire shape. `key` is the stored text (a country code, `country U+001E region U+001E city`, `source U+001E medium U+001E name` of a
 * campaign), null for `(other)`.
 */
export interface TopRow {
  readonly rank: number | null;
  readonly key: string | null;
  readonly label: string;
  readonly count: number;
  readonly human: number | null;
  readonly bot: number | null;
  readonly percentage: number;
  readonly status: Status;
  /** Of a source: its referrers with the most hits; else null. */
  readonly referrers: readonly { readonly key: string; readonly count: number }[] | null;
}

/** The ranking; wire shape. */
export interface TopReport {
  readonly query: TopQuery;
  readonly total_count: number | null;
  readonly total_rows: number;
  readonly rows: readonly TopRow[];
  /** Of a breakdown: hits that name no page, client or campaign, by the reason, without a rank; else empty. */
  readonly reserved: readonly TopRow[];
  /** The sum of the keys below the limit, and of those folded into `(other)` when a table or roll-up was full; null without such keys. */
  readonly other: TopRow | null;
  /** Of a breakdown: what was counted when; else null. */
  readonly breakdown: BreakdownMarks | null;
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** The counts of a key. */
function countedHits({ hits, botHits }: KeyHits, traffic: Traffic): number {
  return traffic === "bot" ? botHits : traffic === "human" ? hits - botHits : hits;
}

/** Orders keys by counted hits, then by name. */
export function byCount({ traffic }: { readonly traffic: Traffic }): (a: KeyHits, b: KeyHits) => number {
  return (a, b) => countedHits(b, traffic) - countedHits(a, traffic) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** Most referrers in the list of a source. */
const PARTS_MAX = 10;

/** Adds up referrers by channel or by source, in order of hits, then of names. */
export function originHits(
  referrers: readonly KeyHits[],
  ownHosts: ReadonlySet<string>,
  { by, traffic }: { readonly by: keyof Origin; readonly traffic: Traffic },
): KeyHits[] {
  const groups = Map.groupBy(referrers, ({ key }) => referrerOrigin(key, ownHosts)[by]);
  const inOrder = byCount({ traffic });
  return [...groups].map(([key, parts]) => ({
    key,
    hits: parts.reduce((sum, { hits }) => sum + hits, 0),
    botHits: parts.reduce((sum, { botHits }) => sum + botHits, 0),
    ...(by === "source" && { parts: parts.sort(inOrder).slice(0, PARTS_MAX) }),
  })).sort(inOrder);
}

/** What a breakdown has besides its keys. */
interface BreakdownFacts {
  /** The sum over all values, in the known time. */
  readonly total: number;
  /** Of pages: the part of it that viewed one; else null. */
  readonly views: number | null;
  readonly time: CountedTime;
}

/**
 * Shapes a ranking.
 *
 * @param keys in order of counted hits, at least one more than the limit, for a folded row; of a breakdown also all reserved values
 * @param totalRows number of all keys, without reserved ones
 */
export function shapeTop(
  query: TopQuery,
  { keys, totalRows, days, progress, breakdown }: {
    readonly keys: readonly KeyHits[];
    readonly totalRows: number;
    readonly days: readonly Bucket[];
    readonly progress: Progress;
    readonly breakdown?: BreakdownFacts;
  },
): TopReport {
  const { completeness, total, marks } = breakdown === undefined
    ? { completeness: completenessOf(days, progress), total: totalHits(days, query), marks: null }
    : countedOf(breakdown, days, progress);
  const isApart = ({ key }: KeyHits) => breakdown !== undefined && isReserved(key);
  // The row of folded keys is not a key.
  const listed = keys.filter((one) => one.key !== FOLDED && !isApart(one)).slice(0, query.limit);
  const row = (
    counted: Omit<TopRow, "percentage" | "status" | "referrers">,
    parts: readonly KeyHits[] = [],
  ): TopRow => ({
    ...counted,
    percentage: total ? 100 * counted.count / total : 0,
    status: completeness.status,
    referrers: query.by === "source"
      ? parts.map((part) => ({ key: part.key, count: countedHits(part, query.traffic) }))
      : null,
  });
  const keyRow = (rank: number | null, one: KeyHits) => {
    const { key, hits, botHits, parts } = one;
    const count = countedHits(one, query.traffic);
    return row({ rank, key, label: label(query.by, key), count, human: hits - botHits, bot: botHits }, parts);
  };
  const rows = listed.map((one, i) => keyRow(i + 1, one));
  const reserved = keys.filter(isApart).map((one) => keyRow(null, one));
  const rest = (total ?? 0) - [...rows, ...reserved].reduce((sum, { count }) => sum + count, 0);
  return {
    query,
    total_count: total,
    total_rows: totalRows,
    rows,
    reserved,
    other: rest > 0 ? row({ rank: null, key: null, label: FOLDED, count: rest, human: null, bot: null }) : null,
    breakdown: marks,
    completeness,
    data_revision: progress.dataRevision,
  };
}

/** Certainty and sum of a breakdown; the sum is null if no day was counted. */
function countedOf({ total, views, time }: BreakdownFacts, days: readonly Bucket[], progress: Progress) {
  const spans = notCounted(days, time, progress);
  const counted = countedDays(days, spans, progress);
  const isKnown = counted.some(({ unknown }) => !unknown);
  return {
    completeness: countedCompleteness(counted, spans, progress),
    total: isKnown ? total : null,
    marks: marksOf(time, spans, isKnown ? views : null),
  };
}

function label(by: TopQuery["by"], key: string): string {
  if (isBreakdown(by)) return breakdownLabel(by, key);
  switch (by) {
    case "host":
    case "channel":
    case "source":
      return key;
    case "referrer":
      return key === "" ? "(direct)" : key;
    case "country":
      return countryName(key);
    case "region": {
      const [code = "", region = ""] = key.split("\x1e");
      return region === "" ? countryName(code) : `${region}, ${countryName(code)}`;
    }
    case "city": {
      const [code = "", region = "", city = ""] = key.split("\x1e");
      const country = countryName(code);
      const name = placeLabel({ country, region, city });
      return name === country
        ? country
        : `${name}, ${[name === city ? region : "", country].filter(Boolean).join(", ")}`;
    }
  }
}
