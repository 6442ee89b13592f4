// Shapes the ranking of hosts, referrers, sources, channels, countries, regions and cities. Pure.
import { completenessOf, totalHits } from "./completeness.ts";
import { countryName, placeLabel } from "./country_names.ts";
import { type Origin, referrerOrigin } from "./referrer_channel.ts";
import type { TopQuery } from "./report_query.ts";
import type { Bucket, Completeness, Progress, Status, Traffic } from "./report_types.ts";

/** Hits of one key of the ranked dimension. */
interface KeyHits {
  readonly key: string;
  readonly hits: number;
  readonly botHits: number;
  /** The parts of its sum, largest first, if there are several. */
  readonly parts?: readonly KeyHits[];
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
  /** Of a source: its referrers with the most hits; else null. */
  readonly referrers: readonly { readonly key: string; readonly count: number }[] | null;
}

/** The ranking; wire shape. */
export interface TopReport {
  readonly query: TopQuery;
  readonly total_count: number | null;
  readonly total_rows: number;
  readonly rows: readonly TopRow[];
  /** The sum of the keys below the limit, and of those folded into `(other)` when a table or roll-up was full; null if there are none. */
  readonly other: TopRow | null;
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** The counts of a key. */
function countedHits({ hits, botHits }: KeyHits, traffic: Traffic): number {
  return traffic === "bot" ? botHits : traffic === "human" ? hits - botHits : hits;
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
  const inOrder = (a: KeyHits, b: KeyHits) =>
    countedHits(b, traffic) - countedHits(a, traffic) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  return [...groups].map(([key, parts]) => ({
    key,
    hits: parts.reduce((sum, { hits }) => sum + hits, 0),
    botHits: parts.reduce((sum, { botHits }) => sum + botHits, 0),
    ...(by === "source" && { parts: parts.sort(inOrder).slice(0, PARTS_MAX) }),
  })).sort(inOrder);
}

/** The row of folded keys is not a key. */
const FOLDED = "(other)";

/**
 * Shapes a ranking.
 *
 * @param keys in order of counted hits, at least one more than the limit, for a folded row
 * @param totalRows number of all keys
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
    parts: readonly KeyHits[] = [],
  ): TopRow => ({
    rank,
    key,
    label,
    count,
    human,
    bot,
    percentage: total ? 100 * count / total : 0,
    status: completeness.status,
    referrers: query.by === "source"
      ? parts.map((part) => ({ key: part.key, count: countedHits(part, query.traffic) }))
      : null,
  });
  const rows = listed.map((key, i) =>
    row(
      i + 1,
      key.key,
      label(query.by, key.key),
      countedHits(key, query.traffic),
      key.hits - key.botHits,
      key.botHits,
      key.parts,
    )
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
