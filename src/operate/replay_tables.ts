// Compares the published and the replayed rows of the same windows. Pure.

interface RowKey {
  /** Start of the window, epoch ms. */
  readonly window: number;
  readonly host: string;
  readonly referrer: string;
  readonly countryCode: string;
  readonly region: string;
  readonly city: string;
}

export interface Hits {
  readonly hits: number;
  readonly bots: number;
}

/** Counted and late rows of a range of windows. */
export interface Tables {
  readonly counted: Map<string, Hits>;
  readonly late: Map<string, Hits>;
  /** Records that were read. */
  records: number;
}

/** A row that differs. A side without the row has zeros. */
export interface RowDifference extends RowKey {
  readonly table: "counted" | "late";
  /** place: the hits of (window, host, referrer) are equal, only their places differ. */
  readonly kind: "hits" | "place";
  readonly published: Hits;
  readonly replayed: Hits;
}

export const NONE: Hits = { hits: 0, bots: 0 };

/** The key as text: JSON, because a referrer can contain any character. */
export function keyOf({ window, host, referrer, countryCode, region, city }: RowKey): string {
  return JSON.stringify([window, host, referrer, countryCode, region, city]);
}

function rowKey(key: string): RowKey {
  const [window, host, referrer, countryCode, region, city] = JSON.parse(key) as [
    number,
    string,
    string,
    string,
    string,
    string,
  ];
  return { window, host, referrer, countryCode, region, city };
}

/**
 * Every difference, ascending by window.
 *
 * @param folded starts of windows with a folded row: only their sums can be compared
 */
export function compareTables(published: Tables, replayed: Tables, folded: ReadonlySet<number>): RowDifference[] {
  const fold = (rows: ReadonlyMap<string, Hits>) => foldWindows(rows, folded);
  return [
    ...compare("counted", fold(published.counted), fold(replayed.counted)),
    ...compare("late", published.late, replayed.late),
  ].sort((a, b) => a.window - b.window || (a.host < b.host ? -1 : a.host > b.host ? 1 : 0));
}

function compare(
  table: RowDifference["table"],
  published: ReadonlyMap<string, Hits>,
  replayed: ReadonlyMap<string, Hits>,
) {
  const withoutPlace = [byReferrer(published), byReferrer(replayed)] as const;
  const differences: RowDifference[] = [];
  for (const key of new Set([...published.keys(), ...replayed.keys()])) {
    const ours = published.get(key) ?? NONE, theirs = replayed.get(key) ?? NONE;
    if (same(ours, theirs)) continue;
    const row = rowKey(key);
    const group = groupOf(row);
    const kind = same(withoutPlace[0].get(group) ?? NONE, withoutPlace[1].get(group) ?? NONE) ? "place" : "hits";
    differences.push({ table, kind, ...row, published: ours, replayed: theirs });
  }
  return differences;
}

export const same = (a: Hits, b: Hits) => a.hits === b.hits && a.bots === b.bots;
const groupOf = ({ window, host, referrer }: RowKey) => JSON.stringify([window, host, referrer]);

function byReferrer(rows: ReadonlyMap<string, Hits>): Map<string, Hits> {
  const sums = new Map<string, Hits>();
  for (const [key, hits] of rows) addTo(sums, groupOf(rowKey(key)), hits);
  return sums;
}

function foldWindows(rows: ReadonlyMap<string, Hits>, folded: ReadonlySet<number>): ReadonlyMap<string, Hits> {
  if (folded.size === 0) return rows;
  const result = new Map<string, Hits>();
  for (const [key, hits] of rows) {
    const { window } = rowKey(key);
    const whole = { window, host: "(all)", referrer: "", countryCode: "", region: "", city: "" };
    addTo(result, folded.has(window) ? keyOf(whole) : key, hits);
  }
  return result;
}

function addTo(sums: Map<string, Hits>, key: string, { hits, bots }: Hits): void {
  const known = sums.get(key) ?? NONE;
  sums.set(key, { hits: known.hits + hits, bots: known.bots + bots });
}
