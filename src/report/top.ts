// Shapes the ranking of hosts, referrers, channels, countries and cities. Pure.
import { completenessOf, totalHits } from "./completeness.ts";
import { countryName, placeLabel } from "./country_names.ts";
import { type Channel, CHANNELS, referrerChannel } from "./referrer_channel.ts";
import type { TopQuery } from "./report_query.ts";
import type { Bucket, Completeness, Progress, Status, Traffic } from "./report_types.ts";

/** Hits of one key of the ranked dimension. */
interface KeyHits {
  readonly key: string;
  readonly hits: number;
  readonly botHits: number;
}

/** One row; wire shape. `key` is the stored text (a country code, `country U+001E region U+001E city`), null for `(other)`. */
export interface TopRow {
  readonly rank: number | null;
  readonly key: string | null;
  readonly label: string;
  readonly count: number;
  readonly human: number | null;
  readonly bot: number | null;
  readonly percentage: number;
  readonly status: Status;
}

/** The ranking; wire shape. */
export interface TopReport {
  readonly query: TopQuery;
  readonly total_count: number | null;
  readonly total_rows: number;
  readonly rows: readonly TopRow[];
  /** Everything below the limit, and what was folded into `(other)` when a table or roll-up was full; null where there is none. */
  readonly other: TopRow | null;
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** What is counted of a key. */
function countedHits({ hits, botHits }: KeyHits, traffic: Traffic): number {
  return traffic === "bot" ? botHits : traffic === "human" ? hits - botHits : hits;
}

/** Adds referrers up by channel, in order of hits. */
export function channelHits(referrers: readonly KeyHits[], ownHosts: ReadonlySet<string>, traffic: Traffic): KeyHits[] {
  const sums = new Map<Channel, { hits: number; botHits: number }>();
  for (const { key, hits, botHits } of referrers) {
    const channel = referrerChannel(key, ownHosts);
    const sum = sums.get(channel) ?? { hits: 0, botHits: 0 };
    sums.set(channel, { hits: sum.hits + hits, botHits: sum.botHits + botHits });
  }
  return CHANNELS.flatMap((key) => {
    const sum = sums.get(key);
    return sum ? [{ key, ...sum }] : [];
  }).sort((a, b) => countedHits(b, traffic) - countedHits(a, traffic));
}

/** Folded keys are no key of their own. */
const FOLDED = "(other)";

/**
 * Shapes a ranking.
 *
 * @param keys in order of counted hits, at least as many as the limit and one for a folded row
 * @param totalRows how many keys there are
 */
export function shapeTop(
  query: TopQuery,
  { keys, totalRows, days, progress }: {
    readonly keys: readonly KeyHits[];
    readonly totalRows: number;
    readonly days: readonly Bucket[];
    readonly progress: Progress;
  },
): TopReport {
  const completeness = completenessOf(days, progress);
  const total = totalHits(days, query);
  const listed = keys.filter(({ key }) => key !== FOLDED).slice(0, query.limit);
  const row = (
    rank: number | null,
    key: string | null,
    label: string,
    count: number,
    human: number | null,
    bot: number | null,
  ): TopRow => ({
    rank,
    key,
    label,
    count,
    human,
    bot,
    percentage: total ? 100 * count / total : 0,
    status: completeness.status,
  });
  const rows = listed.map((key, i) =>
    row(i + 1, key.key, label(query.by, key.key), countedHits(key, query.traffic), key.hits - key.botHits, key.botHits)
  );
  const rest = (total ?? 0) - rows.reduce((sum, { count }) => sum + count, 0);
  return {
    query,
    total_count: total,
    total_rows: totalRows,
    rows,
    other: rest > 0 ? row(null, null, FOLDED, rest, null, null) : null,
    completeness,
    data_revision: progress.dataRevision,
  };
}

function label(by: TopQuery["by"], key: string): string {
  switch (by) {
    case "host":
    case "channel":
      return key;
    case "referrer":
      return key === "" ? "(direct)" : key;
    case "country":
      return countryName(key);
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
